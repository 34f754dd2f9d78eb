package ipctest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A thread that stands still may wait on an object without being counted, so where it cannot be looked into, no object can be
// removed, as it must be. Tests that halt threads and those that would fail beside one take turns, also among packages: they
// are in one PID namespace, though each may have a user namespace of its own.

// Halts lets t halt threads, until its end.
func Halts(t testing.TB) {
	t.Helper()
	lockPIDs(t, unix.LOCK_EX)
}

// NoHalts keeps tests that halt threads from doing so, until the end of t.
func NoHalts(t testing.TB) {
	t.Helper()
	lockPIDs(t, unix.LOCK_SH)
}

func lockPIDs(t testing.TB, how int) {
	t.Helper()
	namespace, err := lockNamespace("pid", how, turnPatience)
	if err != nil {
		t.Fatal("ipctest:", err)
	}
	t.Cleanup(func() { namespace.Close() })
}

// HaltedByOthers returns a process of another user with a thread that stands still (Ctrl-Z, SIGSTOP, a debugger) and that this
// user may not look into, or 0. While there is one no waits are complete for this user, and the commands refuse what they
// would do otherwise: a test of that cannot have its machine.
func HaltedByOthers() (pid int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
		if state, _, _ := strings.Cut(rest, " "); state != "T" && state != "t" {
			continue
		}
		if _, err := os.ReadFile(filepath.Join(filepath.Dir(path), "syscall")); errors.Is(err, fs.ErrPermission) {
			pid, _ = strconv.Atoi(strings.Split(path, "/")[2])
			return pid
		}
	}
	return 0
}
