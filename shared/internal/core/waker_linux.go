package core

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
// futex_waitv (before Linux 5.16), or they are more than it takes.
const oldKernel = 100 * time.Millisecond

func soon() *unix.Timespec {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	at := unix.NsecToTimespec(now.Nano() + int64(oldKernel))
	return &at
}

// listen sleeps while *word is val, until it is woken, or another participant ends,
// which it reports. It may return for no reason.
func (r *Region) listen(v *View, word *uint32, val uint32) (ended bool) {
	var words [maxWaitv]waitv
	var timeout *unix.Timespec
	words[0] = waitv{val: uint64(val), addr: Address(word), flags: futex2Size32}
	n := 1
	for i := range int(r.Config.Slots) {
		index := (r.Slot + i) % int(r.Config.Slots) // not everybody watches over the same
		life := &v.Slot(r.Plan, index).Life.Word
		tid := atomic.LoadUint32(life)
		if index == r.Slot || tid == 0 {
			continue
		}
		if n == maxWaitv {
			timeout = soon() // nobody wakes for the others
			break
		}
		// The kernel wakes only if the word asks for it.
		if tid&OwnerDied != 0 || tid&Waiters == 0 && !atomic.CompareAndSwapUint32(life, tid, tid|Waiters) {
			return true // it has ended, or changed: look again
		}
		words[n] = waitv{val: uint64(tid | Waiters), addr: Address(life), flags: futex2Size32}
		n++
	}
	// The words stay mapped during the call: the caller holds the region's view.
	woken, _, errno := syscall.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&words)), uintptr(n), 0, uintptr(unsafe.Pointer(timeout)), uintptr(unix.CLOCK_MONOTONIC), 0)
	if errno == syscall.ETIMEDOUT {
		return true // perhaps
	}
	if errno == syscall.ENOSYS || errno == syscall.EPERM {
		FutexWait(word, val, oldKernel)
		return true // perhaps
	}
	// Of several words that were woken the kernel returns the last.
	return errno == 0 && woken > 0
}

func Address(word *uint32) uint64 { return uint64(uintptr(unsafe.Pointer(word))) }
