//go:build linux

package sysvipc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The objects and the comparisons that most tests begin with. See also newSet and newQueue.

func newSegment(t testing.TB, size int64) *sysvipc.Segment {
	t.Helper()
	seg, err := sysvipc.CreateSegment(sysvipc.Private, size, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seg.Remove() })
	return seg
}

// attach returns the memory of a segment, which is closed when the test ends.
func attach(t testing.TB, seg *sysvipc.Segment, opts *sysvipc.AttachOptions) *sysvipc.Memory {
	t.Helper()
	mem, err := seg.Attach(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mem.Close() })
	return mem
}

// newKey returns a key that no object has; whatever has it when the test ends is removed.
func newKey(t testing.TB) sysvipc.Key {
	t.Helper()
	return sysvipc.Key(ipctest.Key(t))
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needModes skips the test where modes cannot be read or changed: qemu-user 7.2 takes mode_t for 16 bits on s390x.
func needModes(t testing.TB) {
	t.Helper()
	if runtime.GOARCH == "s390x" && ipctest.UnderQEMU() {
		t.Skip("needs struct ipc64_perm of s390x, which qemu-user has wrong")
	}
}

// noForks keeps this process from starting others until the returned function is called: qemu-user forks where the kernel does
// vfork(2), and what is forked has all memory attached for a moment.
func noForks() (end func()) {
	syscall.ForkLock.RLock()
	return syscall.ForkLock.RUnlock
}

// sentinels are all questions that a caller may ask of an error.
var sentinels = map[string]error{
	"ErrRemoved":         sysvipc.ErrRemoved,
	"ErrWouldBlock":      sysvipc.ErrWouldBlock,
	"ErrTooBig":          sysvipc.ErrTooBig,
	"ErrUninitialized":   sysvipc.ErrUninitialized,
	"ErrUnsafe":          sysvipc.ErrUnsafe,
	"fs.ErrNotExist":     fs.ErrNotExist,
	"fs.ErrExist":        fs.ErrExist,
	"fs.ErrPermission":   fs.ErrPermission,
	"fs.ErrClosed":       fs.ErrClosed,
	"Canceled":           context.Canceled,
	"DeadlineExceeded":   context.DeadlineExceeded,
	"errors.Unsupported": errors.ErrUnsupported,
}

// errnos are those that the calls of this package may give.
var errnos = []syscall.Errno{
	syscall.E2BIG, syscall.EACCES, syscall.EAGAIN, syscall.EEXIST, syscall.EFAULT, syscall.EFBIG, syscall.EIDRM,
	syscall.EINTR, syscall.EINVAL, syscall.EMSGSIZE, syscall.ENFILE, syscall.ENOENT, syscall.ENOMEM, syscall.ENOMSG,
	syscall.ENOSPC, syscall.ENOSYS, syscall.EOVERFLOW, syscall.EPERM, syscall.ERANGE,
}

// wantError fails the test unless err is an *Error with this text that answers yes to these questions and to no other:
// sentinels, and errnos. An empty text stands for any.
func wantError(t testing.TB, err error, text string, is ...error) {
	t.Helper()
	for _, m := range mismatches(err, text, is...) {
		t.Error(m)
	}
}

// mismatches is what wantError complains about.
func mismatches(err error, text string, is ...error) (list []string) {
	complain := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	var e *sysvipc.Error
	if !errors.As(err, &e) {
		complain("got %v, want an *Error: %s", err, text)
		return list
	}
	if text != "" && err.Error() != text {
		complain("got  %s\nwant %s", err, text)
	}
	wanted := func(target error) bool {
		for _, w := range is {
			// An errno answers for the sentinels of io/fs too.
			if w == target || errors.Is(w, target) {
				return true
			}
		}
		return false
	}
	for name, s := range sentinels {
		if got, want := errors.Is(err, s), wanted(s); got != want {
			complain("%v\nis %s: %v, want %v", err, name, got, want)
		}
	}
	for _, errno := range errnos {
		if got, want := errors.Is(err, errno), wanted(errno); got != want {
			complain("%v\nis errno %d (%v): %v, want %v", err, int(errno), errno, got, want)
		}
	}
	return list
}

// needExactID skips the test where no object can be made with an exact ID.
func needExactID(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/proc/sys/kernel/msg_next_id", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("needs CONFIG_CHECKPOINT_RESTORE:", err)
	}
	if err != nil {
		ipctest.SkipDenied(t, err, "ipc", ipctest.CapCheckpointRestore, ipctest.CapSysAdmin)
	}
	f.Close()
}

// segmentArg is the segment whose ID is an argument of a child.
func segmentArg(c *ipctest.ChildEnv, i int) *sysvipc.Segment {
	id, err := strconv.Atoi(c.Args[i])
	c.Check(err)
	return sysvipc.SegmentByID(id)
}
