//go:build !linux

package sysvipc

import "syscall"

func (m *Memory) attach(uintptr, int) (syscall.Errno, string) { return syscall.ENOSYS, "" }

// detach is never reached: nothing can be attached here.
func (m *Memory) detach(*mapping, uint32) syscall.Errno { return syscall.ENOSYS }
