//go:build !linux

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// tree is a command. What it starts is not known here.
type tree struct{ c *exec.Cmd }

// reaperVerb is Linux's.
const reaperVerb = ""

func reap([]string) {}

func startTree(c *exec.Cmd) (*tree, error) { return &tree{c}, c.Start() }

func (t *tree) signal(s os.Signal) { t.c.Process.Signal(s) }
func (t *tree) terminate()         { t.c.Process.Signal(syscall.SIGTERM) }
func (t *tree) kill()              { t.c.Process.Kill() }

func (t *tree) wait() (syscall.WaitStatus, error) {
	err := t.c.Wait()
	if t.c.ProcessState == nil {
		return *new(syscall.WaitStatus), err
	}
	status, _ := t.c.ProcessState.Sys().(syscall.WaitStatus)
	return status, nil
}
