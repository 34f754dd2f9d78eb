package main

import (
	"bufio"
	"os/exec"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// TestDemoInterrupted: the tour cleans up after Ctrl-C. The tests of internal/demo stop it at many places.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	cmd := exec.Command("sysvipc", "demo")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for n := 0; lines.Scan(); n++ {
		if n == 30 {
			cmd.Process.Signal(syscall.SIGINT)
		}
	}
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
		t.Errorf("got %v, want the death by SIGINT", cmd.ProcessState)
	}
	mustHaveNoObjects(t)
}

// TestDemoReaderGone: head(1) has read enough.
func TestDemoReaderGone(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	if out, err := exec.Command("sh", "-c", "sysvipc demo | head -40 | tail -1").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	mustHaveNoObjects(t) // the shell has waited for all of the pipeline
}

func mustHaveNoObjects(t *testing.T) {
	t.Helper()
	if objects, err := ipctest.Objects(); err != nil || len(objects) > 0 {
		t.Errorf("left behind: %v %v", objects, err)
	}
}
