package ipctest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// NeedCompiler returns the path of the C compiler of that name, cc or gcc. Where there is none, or the headers of the C
// library are missing, it skips the test, and in CI fails it.
func NeedCompiler(t testing.TB, name string) string {
	t.Helper()
	path, err := Compiler(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// Compiler is NeedCompiler for callers that do without one.
func Compiler(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	if err == nil {
		cc := exec.Command(path, "-fsyntax-only", "-x", "c", "-")
		cc.Stdin = strings.NewReader("#include <stdio.h>\n#include <sys/shm.h>\n")
		err = cc.Run()
	}
	if err != nil {
		return "", fmt.Errorf("needs a C compiler, %s, and the headers of the C library (apt-get install gcc libc6-dev): %w", name, err)
	}
	return path, nil
}
