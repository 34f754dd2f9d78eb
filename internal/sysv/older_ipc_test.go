//go:build linux && (386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sysv

import (
	"syscall"
	"testing"
)

// olderKernel makes all calls use ipc(2).
func olderKernel(*testing.T) func(*testing.T) {
	return func(t *testing.T) {
		before := ipcOnly.Swap(true)
		t.Cleanup(func() { ipcOnly.Store(before) })
	}
}

// TestMissing shows when ENOSYS makes the package use ipc(2) from then on. With the tag sysv_oldkernel the kernel
// has none of the separate calls.
func TestMissing(t *testing.T) {
	ipcOnly.Store(false)
	old := absent != 0
	if missing(0) || missing(syscall.EINVAL) || viaIPC() {
		t.Error("another answer than ENOSYS counts as a missing call")
	}
	if got := missing(syscall.ENOSYS); got != old {
		t.Errorf("missing(ENOSYS): got %v, want %v", got, old)
	}
	if got := viaIPC(); got != old {
		t.Errorf("viaIPC: got %v, want %v", got, old)
	}

	ipcOnly.Store(false)
	id, errno := Semget(IPC_PRIVATE, 1, 0o600)
	noError(t, "semget", errno)
	noError(t, "rmid", SemctlRmid(id))
	if got := viaIPC(); got != old {
		t.Errorf("viaIPC after a call: got %v, want %v", got, old)
	}
}
