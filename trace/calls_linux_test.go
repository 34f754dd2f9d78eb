//go:build amd64 || arm64

package trace

import (
	"errors"
	"os"
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
	tr, err := Start(opts)
	if errors.Is(err, ErrUnsupported) && !mayTrace() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// mayTrace asks the kernel itself: a program that does nothing, of the type that is attached to tracing.
func mayTrace() bool {
	exit := [2]uint64{0xb7, 0x95} // r0 = 0; exit
	license := []byte("GPL\x00")
	attr := struct {
		programType, count  uint32
		instructions        uint64
		license             uint64
		level, size         uint32
		log                 uint64
		version, flags      uint32
		name                [16]byte
		ifindex, attachType uint32
	}{programType: unix.BPF_PROG_TYPE_RAW_TRACEPOINT, count: 2, instructions: uint64(uintptr(unsafe.Pointer(&exit))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return false
	}
	unix.Close(int(fd))
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	return err == nil
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
