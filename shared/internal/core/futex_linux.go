package core

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of futex(2), in the shared flavour: the word lies in memory that other
// processes map at other addresses.
const (
	futexWaitOp = 0
	futexWakeOp = 1
)

// FutexWait sleeps while *word is val, until a wake, a signal, or the timeout; 0 means
// none. It may return for no reason: look at the word again.
func FutexWait(word *uint32, val uint32, timeout time.Duration) syscall.Errno {
	var ts *unix.Timespec
	if timeout > 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	// word stays mapped during the call: the caller holds the region's view.
	_, _, errno := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitOp, uintptr(val), uintptr(unsafe.Pointer(ts)), 0, 0)
	return errno
}

// futexWake wakes up to n sleepers, of any process, and returns how many.
func futexWake(word *uint32, n int) int {
	// word stays mapped during the call: the caller holds the region's view.
	if n > 1 { // to wake many takes long enough for the Go scheduler to know
		woken, _, _ := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakeOp, uintptr(n), 0, 0, 0)
		return int(woken)
	}
	woken, _, _ := syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakeOp, uintptr(n), 0, 0, 0)
	return int(woken)
}
