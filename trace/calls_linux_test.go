//go:build amd64 || arm64

package trace

import (
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// start0 starts a trace. The test is skipped only where the kernel forbids bpf(2) to this process.
func start0(t testing.TB, opts *Options) *Trace {
	t.Helper()
	ipctest.NeedBPF(t)
	tr, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// The calls, as bare as a program makes them.

type sembuf struct {
	num uint16
	op  int16
	flg int16
}

func call(number uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	return r, errno
}

func semop(id int, ops []sembuf) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SEMOP, uintptr(id), uintptr(unsafe.Pointer(&ops[0])), uintptr(len(ops)))
	return errno
}

func semtimedop(id int, ops []sembuf, limit time.Duration) syscall.Errno {
	ts := unix.NsecToTimespec(int64(limit))
	_, errno := call(unix.SYS_SEMTIMEDOP, uintptr(id), uintptr(unsafe.Pointer(&ops[0])), uintptr(len(ops)), uintptr(unsafe.Pointer(&ts)))
	return errno
}

// newSet makes a semaphore set that is removed when the test ends.
func newSet(t testing.TB, n int) int {
	t.Helper()
	id, errno := call(unix.SYS_SEMGET, 0, uintptr(n), 0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { call(unix.SYS_SEMCTL, id, 0, ipcRMID) })
	return int(id)
}
