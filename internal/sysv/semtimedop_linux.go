//go:build !arm

package sysv

import (
	"syscall"
	"time"
	"unsafe"
)

// Semtimedop is semtimedop(2). It may block. A negative timeout is EINVAL.
func Semtimedop(id int, sops []Sembuf, timeout time.Duration) syscall.Errno {
	if !viaIPC() {
		ts := newTimespec(timeout)
		// sops and ts stay alive and in place during the call, which reads len(sops) elements and one struct.
		_, _, errno := syscall.Syscall6(sysSemtimedop,
			uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(len(sops)),
			uintptr(unsafe.Pointer(&ts)), 0, 0)
		if !missing(errno) {
			return errno
		}
	}
	return ipcSemtimedop(id, sops, timeout)
}
