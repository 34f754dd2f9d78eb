package ipctest

import (
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
