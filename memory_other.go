//go:build !linux

package sysvipc

import "syscall"

// detach is never reached: nothing can be attached here.
func (at *mapping) detach(bool) syscall.Errno { return syscall.ENOSYS }

func reclaim() bool { return false }
