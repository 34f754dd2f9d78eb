package ipctest

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// catchIgnored catches the signals that nohup or a shell's & had this process ignore, and that Go so would go on to ignore:
// they still do not end it, and what it starts gets them as always, since caught signals are not kept over execve(2).
func catchIgnored() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// Signal sends sig. The test takes over the responsibility for the child's end.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	p.expectExit = true
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("ipctest: signal child %s: %v", p.name, err)
	}
}

// killed reports whether SIGKILL ended the process.
func (p *Process) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Stop halts the process with SIGSTOP and returns when it has stopped.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP)
	poll(p.t, fmt.Sprintf("child %s to stop", p.name), func() (bool, error) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		if err != nil {
			return false, err
		}
		_, after, _ := bytes.Cut(stat, []byte(") "))
		return len(after) > 0 && after[0] == 'T', nil
	})
}

// Continue lets a stopped process go on.
func (p *Process) Continue() {
	p.t.Helper()
	p.Signal(syscall.SIGCONT)
}
