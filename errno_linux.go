package sysvipc

import "syscall"

// Errors that only System V IPC knows, and that not every system has.
const (
	eidrm  = syscall.EIDRM
	enomsg = syscall.ENOMSG
)
