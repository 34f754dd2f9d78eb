package ipctest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What this process may do here. Each is asked of the kernel and not of the code that is tested, so that a test is skipped
// only where its feature is missing.

// NeedNamespace skips the test where no IPC namespace can be made, so that the tests run in that of the machine.
func NeedNamespace(t testing.TB) {
	t.Helper()
	if InPlace() {
		t.Skip("ipctest: " + noNamespace.Error())
	}
}

// InPlace reports whether the tests run in the namespace of the machine, since there can be no other.
func InPlace() bool { return inPlace }

// CanBecome returns an error if this process may not become user uid, or is it already.
func CanBecome(uid int) error {
	if uid == os.Geteuid() {
		return errUnsupported(fmt.Sprintf("needs another user than %d", uid))
	}
	if !capable(CapSetUID) || !capable(CapSetGID) {
		return errUnsupported("needs root, to become another user")
	}
	if !HasUser(uid) {
		return errUnsupported(fmt.Sprintf("needs user %d, whom this user namespace does not have", uid))
	}
	return nil
}

// HasUser reports whether the user namespace of this process has the user uid and the group of that number.
func HasUser(uid int) bool {
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		found := false
		for line := range strings.Lines(string(text)) {
			var first, host, size int64
			_, err := fmt.Sscan(line, &first, &host, &size)
			found = found || err == nil && int64(uid) >= first && int64(uid) < first+size
		}
		if !found {
			return false
		}
	}
	return true
}

// capable reports whether this process has a capability in its own user namespace.
func capable(capability Capability) bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, caps, _ := bytes.Cut(text, []byte("\nCapEff:"))
	caps, _, _ = bytes.Cut(caps, []byte("\n"))
	set, err := strconv.ParseUint(string(bytes.TrimSpace(caps)), 16, 64)
	return err == nil && set&(1<<capability) != 0
}

// Capable reports whether this process has a capability over its namespace of that name in /proc/self/ns: one that belongs
// to its own user namespace, or to one inside of it.
func Capable(namespace string, capability Capability) bool {
	ns, err := os.Open("/proc/self/ns/" + namespace)
	if err != nil {
		return false
	}
	defer ns.Close()
	owner, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_USERNS)
	switch err {
	case nil:
		unix.Close(owner)
	case unix.EPERM:
		return false // the owner is outside
	default: // qemu-user has no such question: its namespaces are the machine's
	}
	return capable(capability)
}

// Overrides reports whether modes and owners of objects do not bind this process, as is usual for root, but not in a
// container.
func Overrides() bool { return Capable("ipc", CapIPCOwner) && Capable("ipc", CapSysAdmin) }

// SkipDenied skips the test for the error of a call that needs one of the capabilities over the namespace, as for
// [Capable]. It fails the test if this process has one, and for any other error.
func SkipDenied(t testing.TB, err error, namespace string, capabilities ...Capability) {
	t.Helper()
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES):
		t.Skip("needs leave of a file's mode, its mount or a security module:", err)
	case !errors.Is(err, syscall.EPERM):
		t.Fatal(err)
	}
	for _, c := range capabilities {
		if Capable(namespace, c) {
			t.Fatalf("%v, though this process has %v", err, c)
		}
	}
	t.Skipf("needs %v: %v", capabilities[0], err)
}

// MemoryFiles reports whether the kernel shows this process the files behind mapped memory, /proc/PID/map_files.
var MemoryFiles = sync.OnceValue(func() bool {
	const dir = "/proc/self/map_files"
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		return false
	}
	f, err := os.Open(filepath.Join(dir, files[0].Name()))
	if err != nil {
		return false
	}
	f.Close()
	return true
})

// FirstPIDNamespace reports whether this process sees all processes of the machine, by number: not from a PID namespace
// inside of that, as in a container.
func FirstPIDNamespace() bool {
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link == "pid:[4026531836]" // PROC_PID_INIT_INO of linux/proc_ns.h
}
