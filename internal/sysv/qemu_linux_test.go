package sysv

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// This file has what is not as it should be under qemu-user, tried with version 7.2. The kernel's own headers
// are what the layouts follow; qemu-user has layouts of its own, and some of them are wrong.

// qemu reports whether qemu-user runs the test: it hides itself in /proc/self, not in /proc/thread-self.
func qemu() bool {
	exe, err := os.Readlink("/proc/thread-self/exe")
	return err == nil && strings.HasPrefix(filepath.Base(exe), "qemu-")
}

// skipUnderQemu skips the test for a feature that qemu-user lacks, as errno shows.
func skipUnderQemu(t *testing.T, feature string, errno syscall.Errno) {
	t.Helper()
	if errno == syscall.EINVAL && qemu() {
		t.Skipf("qemu-user has no %s", feature)
	}
}

// skipSignals skips the rest of the test where qemu-user crashes Go by a signal.
func skipSignals(t *testing.T) {
	t.Helper()
	if runtime.GOARCH == "386" && qemu() {
		t.Skip("qemu-i386 breaks Go's thread-local storage when a signal comes")
	}
}

// modeShift is where qemu-s390x takes a mode to be: it puts a 16-bit field at the place of the 32-bit one.
func modeShift() int {
	if runtime.GOARCH == "s390x" && qemu() {
		return 16
	}
	return 0
}

// modeOf returns p's mode.
func modeOf(p Perm) uint32 { return p.Mode >> modeShift() }

// wrongMsqid are the fields of struct msqid64_ds that qemu-user puts elsewhere: on 64-bit ports it takes the pids for
// longs, and on big-endian 32-bit mips it has the halves of the times in the wrong order.
func wrongMsqid() (pids, times bool) {
	return MtypeSize == 8 && qemu(), runtime.GOARCH == "mips" && qemu()
}

// skipAttach skips the rest of the test where qemu-user finds no address for an attach.
func skipAttach(t *testing.T, errno syscall.Errno) {
	t.Helper()
	if runtime.GOARCH == "loong64" && errno == syscall.ENOMEM && qemu() {
		t.Skip("qemu-loongarch64 finds no address for the attach")
	}
}
