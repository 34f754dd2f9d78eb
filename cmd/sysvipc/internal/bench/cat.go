//go:build linux && (amd64 || arm64)

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// cat is an end whose other side is cat(1), which sends back what it gets.
type cat struct {
	descriptors
	process *os.Process
}

// startCat starts it, with two pipes.
func startCat(l *link) (end, error) {
	path, err := exec.LookPath("cat")
	if err != nil {
		return nil, fmt.Errorf("needs cat(1): %w", err)
	}
	var there, back [2]int
	if err := unix.Pipe2(there[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	if err := unix.Pipe2(back[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(there[0])
	defer unix.Close(back[1])
	pid, _, err := syscall.StartProcess(path, []string{"cat"}, &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{uintptr(there[0]), uintptr(back[1]), 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	process, err := os.FindProcess(pid)
	return &cat{descriptors{in: back[0], out: there[1]}, process}, err
}

// move puts it on some processors.
func (c *cat) move(cpus []int) error {
	set := setOf(cpus)
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(c.process.Pid, &set))
}

// close ends it by end of file.
func (c *cat) close() {
	c.descriptors.close()
	c.process.Wait()
}
