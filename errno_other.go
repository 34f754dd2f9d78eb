//go:build !linux

package sysvipc

import "syscall"

// No call of this package reaches a kernel here: see internal/sysv.
const (
	eidrm  = syscall.Errno(0xffff0001)
	enomsg = syscall.Errno(0xffff0002)
)
