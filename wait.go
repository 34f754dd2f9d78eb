package sysvipc

import (
	"context"
	"runtime"
	"sync"
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

// foresight guesses whether the next call on an object has to wait, because the last one
// had to: then it need not try first whether it has to. It tries again now and then.
type foresight struct{ left atomic.Int32 }

const foresees = 16

// waits reports the guess.
func (f *foresight) waits() bool { return f.left.Load() > 0 && f.left.Add(-1) >= 0 }

// waited notes that a call had to wait.
func (f *foresight) waited() { f.left.Store(foresees) }

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
	// The thread that waits must be the one that the kicker knows.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k := kicker{tid: sysv.Gettid()}
	stop := context.AfterFunc(ctx, k.kick)
	for {
		if errno = c(true); errno != syscall.EINTR {
			break
		}
		if cancelled = ctx.Err() != nil; cancelled {
			break
		}
	}
	if !stop() {
		k.stop()
	}
	return errno, cancelled
}

// kicker gets a thread out of a call that waits in the kernel, by a signal. It is
// SIGURG, which the Go runtime uses for the same purpose and whose handler has
// nothing to do when it comes unasked.
type kicker struct {
	tid  int
	mu   sync.Mutex
	done bool // the thread has left its call, and may be doing other work
}

// kick sends signals until the waiter has noticed. One would not do: a signal that
// comes before the thread has entered the kernel is lost.
func (k *kicker) kick() {
	for pause := 10 * time.Microsecond; k.signal(); pause = min(2*pause, 4*time.Millisecond) {
		time.Sleep(pause)
	}
}

func (k *kicker) signal() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.done {
		sysv.Tgkill(k.tid, syscall.Signal(kickSignal))
	}
	return !k.done
}

func (k *kicker) stop() {
	k.mu.Lock()
	k.done = true
	k.mu.Unlock()
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
