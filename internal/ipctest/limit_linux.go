package ipctest

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// SetLimit writes value to /proc/sys/kernel/NAME of the namespace that [Alone] made. The test is skipped where the
// kernel forbids it: before Linux 6.10 only real root may, and containers often see /proc/sys read-only.
func SetLimit(t *testing.T, name, value string) {
	t.Helper()
	if role != roleAlone {
		t.Fatal("ipctest: SetLimit outside of Alone would change a limit for other tests")
	}
	err := os.WriteFile("/proc/sys/kernel/"+name, []byte(value), 0)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		t.Skipf("ipctest: needs a writable kernel.%s (real root, or Linux 6.10 and a writable /proc/sys): %v", name, err)
	default:
		t.Fatalf("ipctest: set kernel.%s to %q: %v", name, value, err)
	}
}
