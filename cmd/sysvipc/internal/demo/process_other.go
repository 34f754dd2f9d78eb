//go:build !linux

package demo

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func deathSignal(*os.ProcessState) int { return 0 }

func interruptProcess(p *os.Process) error { return p.Signal(os.Interrupt) }
