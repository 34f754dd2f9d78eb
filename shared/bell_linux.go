package shared

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waitv is struct futex_waitv of linux/futex.h.
type waitv struct {
	val   uint64
	addr  uint64
	flags uint32
	_     uint32
}

const (
	sysFutexWaitv = 449 // on every port
	futex2Size32  = 2   // the words have 32 bits, and are shared
	maxWaitv      = 128
)

// oldKernel is how often a leader looks after the others where the kernel has no
// futex_waitv (before Linux 5.16).
const oldKernel = 100 * time.Millisecond

// listen sleeps until the bell is no longer rung, or another participant ends.
func (r *Region) listen(v *view, own *uint32, rung uint32) {
	var words [maxWaitv]waitv
	words[0] = waitv{val: uint64(rung), addr: address(own), flags: futex2Size32}
	n := 1
	for index := range int(r.config.slots) {
		word := &v.slot(r.plan, index).life.word
		tid := atomic.LoadUint32(word)
		if index == r.slot || tid == 0 || n == maxWaitv {
			continue
		}
		// The kernel wakes only if the word asks for it.
		if tid&futexOwnerDied != 0 || tid&futexWaiters == 0 && !atomic.CompareAndSwapUint32(word, tid, tid|futexWaiters) {
			return // it has ended, or changed: look again
		}
		words[n] = waitv{val: uint64(tid | futexWaiters), addr: address(word), flags: futex2Size32}
		n++
	}
	// The words stay mapped during the call: the caller holds the region's view.
	_, _, errno := syscall.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&words)), uintptr(n), 0, 0, uintptr(unix.CLOCK_MONOTONIC), 0)
	if errno == syscall.ENOSYS || errno == syscall.EPERM {
		futexWait(own, rung, oldKernel)
	}
}

func address(word *uint32) uint64 { return uint64(uintptr(unsafe.Pointer(word))) }
