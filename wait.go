package sysvipc

import (
	"context"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// A call is one kernel call that may have to wait, with its arguments. With block it
// waits in the kernel; without, it answers EAGAIN or ENOMSG instead.
type call func(block bool) syscall.Errno

// mustWait reports whether errno is the kernel's "not now".
func mustWait(errno syscall.Errno) bool { return errno == syscall.EAGAIN || errno == enomsg }

// blockHint guesses whether the next call on an object has to wait, because the last one
// had to: then it need not try first whether it has to. It tries again now and then.
type blockHint struct{ left atomic.Int32 }

const hintedCalls = 16

// waits reports the guess.
func (f *blockHint) waits() bool { return f.left.Load() > 0 && f.left.Add(-1) >= 0 }

// waited notes that a call had to wait.
func (f *blockHint) waited() { f.left.Store(hintedCalls) }

// block makes a call that waits in the kernel, again and again while signals
// interrupt it: the kernel never restarts these calls itself, and Go's own signals
// (pre-emption, profiling) hit them often. It ends with the kernel's answer, or when
// ctx is done. The kernel's answer comes first: an operation is done or not, and one
// that was done is reported, so that no token is lost.
func block(ctx context.Context, c call) (errno syscall.Errno, cancelled bool) {
	if ctx.Done() == nil {
		for {
			if errno = c(true); errno != syscall.EINTR {
				return errno, false
			}
		}
	}
	in := cancellationFor(ctx)
	// Where it can be helped, the goroutine is not locked to the thread: a locked one that
	// comes back from the kernel and finds no free processor costs two more switches of
	// threads. It may thus move between here and the kernel, if it is pre-empted there: see
	// broadcastPause.
	if !findsThreads() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	in.tid.Store(int32(sysv.Gettid()))
	// A context that ended before is noticed here, and later by the cancellation.
	for cancelled = ctx.Err() != nil; !cancelled; cancelled = ctx.Err() != nil {
		if errno = c(true); errno != syscall.EINTR {
			break
		}
	}
	in.release()
	return errno, cancelled
}

// poll asks ready again and again, with growing pauses, for what the kernel has no
// event for. It returns false when the limit is over.
func poll(ctx context.Context, limit time.Duration, ready func() (bool, error)) (bool, error) {
	end := time.Now().Add(limit)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		if ok, err := ready(); ok || err != nil {
			return ok, err
		}
		if time.Now().After(end) {
			return false, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		}
	}
}
