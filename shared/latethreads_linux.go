package shared

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Late threads. A kill reaches all threads of a process, but they do not stop in one
// instant: when the kernel has marked the locks of the guardian, another thread may still
// run on its processor, until that has taken the interrupt, and write into the region. A
// barrier on all processors ends that (membarrier(2)): a thread that has a kill pending
// does not come back from it.
const (
	membarrierGlobal            = 1 << 0 // waits for milliseconds
	membarrierGlobalExpedited   = 1 << 1 // interrupts the processors that run registered processes
	membarrierRegisterExpedited = 1 << 2
)

func membarrier(cmd uintptr) bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, cmd, 0, 0)
	return errno == 0
}

// expedited tells whether the kernel has the quick barrier (since Linux 4.16).
var expedited atomic.Bool

// registerLate has this process take part in others' quick barriers.
func registerLate() { expedited.Store(membarrier(membarrierRegisterExpedited)) }

// stopLate returns when no thread of a process that was killed before runs any more.
// Where a sandbox forbids membarrier, that is only very likely.
func stopLate() {
	if !expedited.Load() || !membarrier(membarrierGlobalExpedited) {
		membarrier(membarrierGlobal)
	}
}
