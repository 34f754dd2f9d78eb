package sysv

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noTime64 is set once the kernel is known to be older than Linux 5.1, which brought semtimedop_time64.
var noTime64 atomic.Bool

// Semtimedop is semtimedop(2). It may block. A negative timeout is EINVAL.
func Semtimedop(id int, sops []Sembuf, timeout time.Duration) syscall.Errno {
	if !noTime64.Load() {
		ts := newTimespec(timeout)
		// sops and ts stay alive and in place during the call, which reads len(sops) elements and one struct.
		_, _, errno := syscall.Syscall6(sysSemtimedop,
			uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(len(sops)),
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		if errno != syscall.ENOSYS {
			return errno
		}
		noTime64.Store(true)
	}
	ts := newTimespecOld(timeout)
	// sops and ts stay alive and in place during the call, which reads len(sops) elements and one struct.
	_, _, errno := syscall.Syscall6(unix.SYS_SEMTIMEDOP,
		uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(len(sops)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	return errno
}
