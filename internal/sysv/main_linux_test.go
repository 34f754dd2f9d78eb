package sysv

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// calls are the tests of the calls; each runs once for each way in which the calls may reach the kernel.
var calls = map[string]func(*testing.T){}

// TestCalls runs all calls by their own numbers, and then again by what older kernels have.
func TestCalls(t *testing.T) {
	all := func(t *testing.T) {
		for name, f := range calls {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(t)
			})
		}
	}
	// Run returns when the parallel tests below it have ended.
	t.Run("direct", all)
	if older := olderKernel(t); older != nil {
		t.Run("older", func(t *testing.T) {
			older(t)
			all(t)
		})
	}
}

func noError(t *testing.T, what string, errno syscall.Errno) {
	t.Helper()
	if errno != 0 {
		t.Fatalf("%s: %v", what, errno)
	}
}

func wantErrno(t *testing.T, what string, got, want syscall.Errno) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %d (%v), want %d (%v)", what, int(got), got, int(want), want)
	}
}

// recent reports whether a time that the kernel stored is that of this test.
func recent(sec int64) bool {
	d := time.Since(time.Unix(sec, 0))
	return -time.Second < d && d < time.Minute
}

// blocked runs a call that blocks in a thread of its own. It returns the thread's id, and a function that waits for
// the call's result.
func blocked(t *testing.T, call func() syscall.Errno) (tid int, result func() syscall.Errno) {
	t.Helper()
	tids, errnos := make(chan int), make(chan syscall.Errno, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tids <- Gettid()
		errnos <- call()
	}()
	return <-tids, func() syscall.Errno {
		t.Helper()
		select {
		case errno := <-errnos:
			return errno
		case <-time.After(time.Minute):
			t.Fatal("the call still blocks")
			return 0
		}
	}
}

// interrupt sends signals to a thread until its call has returned EINTR: one that comes before the thread is in the
// kernel has no effect on the call.
func interrupt(t *testing.T, call func() syscall.Errno) {
	t.Helper()
	skipSignals(t)
	done := make(chan struct{})
	tid, result := blocked(t, func() syscall.Errno {
		defer close(done)
		return call()
	})
	for kicking := true; kicking; {
		select {
		case <-done:
			kicking = false
		case <-time.After(time.Millisecond):
			if errno := Tgkill(tid, syscall.SIGURG); errno != 0 && errno != syscall.ESRCH {
				t.Fatal("tgkill:", errno)
			}
		}
	}
	wantErrno(t, "interrupted", result(), syscall.EINTR)
}
