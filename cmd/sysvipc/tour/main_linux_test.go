package main

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// TestMain runs the tests in an IPC namespace of their own, where "tour" is this program. Its processes are this program
// under the name of the command.
func TestMain(m *testing.M) {
	testscript.Main(ipctest.Wrap(m), map[string]func(){"tour": main, "sysvipc": main})
}

func TestTour(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("tour").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "checks, all right.") || !strings.HasSuffix(string(out), "and none is left.\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestStopped: Ctrl-C, and a reader who has read enough, leave nothing behind: TestMain sees to that.
func TestStopped(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("tour")
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
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("got %v, want exit code 130", cmd.ProcessState)
	}
	if out, err := exec.Command("sh", "-c", "tour | head -40 | tail -1").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("tour", "argument")
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
}
