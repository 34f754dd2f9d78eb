package sysv

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Gettid is gettid(2).
func Gettid() int { return unix.Gettid() }

// Tgkill is tgkill(2) for a thread of this process.
func Tgkill(tid int, sig syscall.Signal) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(tid), uintptr(sig))
	return errno
}
