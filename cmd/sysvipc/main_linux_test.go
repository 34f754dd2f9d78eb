package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// TestMain runs the tests in an IPC namespace of their own. There "sysvipc" is a command
// in PATH, which is this binary again: then it is the program, and runs no tests.
func TestMain(m *testing.M) {
	testscript.Main(stateful{ipctest.Wrap(m)}, map[string]func(){"sysvipc": main})
}

// stateful are the tests with a folder of their own for what the command removes: the outermost of the processes that
// run them has it.
type stateful struct{ tests ipctest.Runner }

func (s stateful) Run() int {
	if os.Getenv("SYSVIPC_STATE") != "" {
		return s.tests.Run()
	}
	dir, err := os.MkdirTemp("", "sysvipc-state-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("SYSVIPC_STATE", dir)
	return s.tests.Run()
}

// openPath lets other users execute the commands that TestMain put into PATH.
func openPath(t *testing.T) {
	t.Helper()
	bin, _, _ := strings.Cut(os.Getenv("PATH"), string(filepath.ListSeparator))
	for _, dir := range []string{bin, filepath.Dir(bin)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(bin, "sysvipc"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// command is the program with arguments. A test that hangs is ended after a while.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, "sysvipc", args...)
}
