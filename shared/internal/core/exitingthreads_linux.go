package core

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Exiting threads. A kill reaches all threads of a process, but they do not stop in one
// instant: when the kernel has marked the locks of the robust owner, another thread may still
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

// registerExiting has this process take part in others' quick barriers.
func registerExiting() { expedited.Store(membarrier(membarrierRegisterExpedited)) }

// stopExiting returns when no thread of a process that was killed before runs any more.
// Where a sandbox forbids membarrier, that is only very likely.
func stopExiting() {
	if !expedited.Load() || !membarrier(membarrierGlobalExpedited) {
		membarrier(membarrierGlobal)
	}
}

// pidNamespace returns what tells the PID namespace of this process from others, or 0.
func pidNamespace() uint64 {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0
	}
	return st.Ino
}

// ThreadExists reports whether there is a thread with this TID, or it cannot be known.
func ThreadExists(tid uint32) bool {
	_, _, errno := unix.RawSyscall(unix.SYS_TKILL, uintptr(tid), 0, 0)
	return errno != unix.ESRCH
}

// threadOf reports whether a thread exists, and is one of the process pid.
func threadOf(pid int32, tid uint32) bool {
	return pid > 0 && unix.Tgkill(int(pid), int(tid), 0) != unix.ESRCH
}

// awaitEnd returns when the process pid has no thread any more, or after limit.
func awaitEnd(pid int32, limit time.Duration) {
	fd, err := unix.PidfdOpen(int(pid), 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil { // before Linux 5.3, or in a sandbox
		time.Sleep(min(limit, 10*time.Millisecond))
		return
	}
	defer unix.Close(fd)
	for end := time.Now().Add(limit); ; {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(left/time.Millisecond)+1); err != unix.EINTR {
			return
		}
	}
}
