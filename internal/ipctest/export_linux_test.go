package ipctest

import (
	"os/exec"
	"syscall"
	"testing"
)

// Command returns a run of the test binary, as go test starts it.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := executable(false)
	if err != nil {
		t.Fatal(err)
	}
	return exe.command(args)
}

// Make makes an object with the key and returns its id.
func Make(kind string, key int32) (int, error) {
	const creat = 0o1000
	nr, _ := Syscall(kind + "get")
	var id uintptr
	var errno syscall.Errno
	switch kind {
	case Shm:
		id, _, errno = syscall.Syscall(nr, uintptr(key), 4096, creat|0o600)
	case Sem:
		id, _, errno = syscall.Syscall(nr, uintptr(key), 1, creat|0o600)
	case Msg:
		id, _, errno = syscall.Syscall(nr, uintptr(key), creat|0o600, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(id), nil
}

// TakeTurn is for tests.
var TakeTurn = takeTurn

// ParseObjects is for tests.
var ParseObjects = parseObjects

// ParseIPCWait returns the kind and the id, "" if it is no wait, of a line from a kernel of the port.
func ParseIPCWait(line, goarch string) (kind string, id int) {
	w, _ := parseIPCWait(line, calls[goarch])
	return w.kind, w.id
}

// RemoveNow removes an object.
func RemoveNow(t testing.TB, kind string, id int) {
	t.Helper()
	if err := remove(Object{Kind: kind, ID: id}); err != nil {
		t.Errorf("remove %s %d: %v", kind, id, err)
	}
}
