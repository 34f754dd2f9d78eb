//go:build !linux

package ipctest

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// The tests of other systems run as they are: there are no kernel objects that they could make.

const missing = errUnsupported("needs Linux, this is " + runtime.GOOS)

func runOuter(m Runner) int { return m.Run() }

func spawn(spawnOptions) (*exec.Cmd, error) { return nil, missing }

func catchIgnored() {}

func remove(Object) error { return missing }

func removeAsOwner(Object) error { return missing }

func leaked([]Object) ([]Object, error) { return nil, nil }

// Objects needs Linux.
func Objects() ([]Object, error) { return nil, missing }

// Snapshot needs Linux, and is empty elsewhere.
func Snapshot() string { return "" }

// UnderQEMU is false on other systems than Linux.
func UnderQEMU() bool { return false }

// Threads needs Linux, and is 0 elsewhere.
func Threads() int { return 0 }

// Syscall needs Linux.
func Syscall(string) (nr uintptr, ok bool) { return 0, false }

// SetLimit needs Linux.
func SetLimit(t *testing.T, name, value string) {
	t.Helper()
	skipUnsupported(t, missing)
}

// WaitBlocked needs Linux.
func WaitBlocked(t testing.TB, pid int, n int) {
	t.Helper()
	skipUnsupported(t, missing)
}

// WaitBlockedOn needs Linux.
func WaitBlockedOn(t testing.TB, pid int, kind string, id, n int) {
	t.Helper()
	skipUnsupported(t, missing)
}

// Blocked needs Linux.
func Blocked(pid int) (int, error) { return 0, missing }

// CanBecome needs Linux.
func CanBecome(int) error { return missing }

// HasUser needs Linux.
func HasUser(int) bool { return false }

// Overrides needs Linux.
func Overrides() bool { return false }

// NeedNamespace needs Linux.
func NeedNamespace(t testing.TB) {
	t.Helper()
	skipUnsupported(t, missing)
}

// SkipDenied needs Linux.
func SkipDenied(t testing.TB, err error, namespace string, capabilities ...Capability) {
	t.Helper()
	skipUnsupported(t, missing)
}

// Match needs Linux.
type Match struct {
	Arg         int
	Value, Mask uint32
}

// Fault needs Linux.
func Fault(nr uintptr, errno syscall.Errno, match ...Match) error { return missing }

// NeedFault needs Linux.
func NeedFault(t testing.TB) {
	t.Helper()
	skipUnsupported(t, missing)
}

func (p *Process) killed() bool { return false }

// Signal needs Linux.
func (p *Process) Signal(syscall.Signal) { skipUnsupported(p.t, missing) }

// Stop needs Linux.
func (p *Process) Stop() { skipUnsupported(p.t, missing) }

// Continue needs Linux.
func (p *Process) Continue() { skipUnsupported(p.t, missing) }
