package demo

import (
	"os"
	"syscall"
)

// ownGroup puts a process into a group of its own, where the terminal does not reach it,
// and kills it if this process dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// deathSignal returns the signal that ended a process, or 0.
func deathSignal(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return int(status.Signal())
	}
	return 0
}

// interruptProcess does what Ctrl-C does.
func interruptProcess(p *os.Process) error { return p.Signal(syscall.SIGINT) }
