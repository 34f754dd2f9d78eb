package main

import (
	"os/exec"
	"syscall"
)

// dieTogether has the kernel kill the command when the thread that starts it ends: if
// this process is killed, the lease ends, and the command must not go on without it.
func dieTogether(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
