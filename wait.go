package sysvipc

import (
	"context"
	"os"
	"strconv"
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
	k := kickerFor(ctx)
	// The goroutine is not locked to the thread: a locked one that comes back from the
	// kernel and finds no free processor costs two more switches of threads. It may thus
	// move between here and the kernel, if it is pre-empted there: see kick.
	k.begin(sysv.Gettid())
	// A cancel that came before k began is seen here, a later one by k.
	for cancelled = ctx.Err() != nil; !cancelled; cancelled = ctx.Err() != nil {
		if errno = c(true); errno != syscall.EINTR {
			break
		}
	}
	k.end()
	return errno, cancelled
}

// kicker gets a thread out of a call that waits in the kernel, by a signal. It is
// SIGURG, which the Go runtime uses for the same purpose and whose handler has
// nothing to do when it comes unasked.
type kicker struct {
	done <-chan struct{} // of the context
	stop func() bool     // has k no longer be told of its end

	mu    sync.Mutex
	tid   int  // the thread that waits; 0 while none does: it may be doing other work
	ended bool // the context has ended
}

// idle are kickers without a waiter that are still told of the end of their context:
// most who wait do so again and again under the same one, and to be told costs more
// than all else in a short wait. A kicker whose context has ended is let go.
var idle [maxDirect]atomic.Pointer[kicker]

// kickerFor returns a kicker that is told of ctx's end.
func kickerFor(ctx context.Context) *kicker {
	done := ctx.Done()
	for i := range idle {
		if k := idle[i].Load(); k != nil && k.done == done && idle[i].CompareAndSwap(k, nil) {
			return k
		}
	}
	k := &kicker{done: done}
	k.stop = context.AfterFunc(ctx, k.kick)
	return k
}

func (k *kicker) begin(tid int) {
	k.mu.Lock()
	k.tid = tid
	k.mu.Unlock()
}

// end says that nobody waits any more, and keeps k for the next.
func (k *kicker) end() {
	k.mu.Lock()
	k.tid = 0
	kept := k.ended
	for i := 0; i < len(idle) && !kept; i++ {
		kept = idle[i].CompareAndSwap(nil, k)
	}
	k.mu.Unlock()
	if kept {
		return
	}
	if other := idle[0].Swap(k); other != nil {
		other.stop()
	}
}

// kick sends signals until the waiter has noticed. One would not do: a signal that
// comes before the thread has entered the kernel is lost. If the first ones do not help
// the waiter has moved to another thread before it entered the kernel, and all are told.
func (k *kicker) kick() {
	pause := 100 * time.Microsecond // enough for a thread to wake up and say so
	for n := 0; k.signal(n >= 5); n++ {
		time.Sleep(pause)
		pause = min(2*pause, 4*time.Millisecond)
	}
	for i := range idle {
		idle[i].CompareAndSwap(k, nil)
	}
}

// signal reports whether the waiter still has to be told.
func (k *kicker) signal(all bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	switch {
	case k.tid == 0:
		return false
	case all:
		kickAll()
	default:
		sysv.Tgkill(k.tid, syscall.Signal(kickSignal))
	}
	return true
}

// kickAll signals every thread of this process. To those that wait for something else
// it means no more than the runtime's own signals.
func kickAll() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if tid, err := strconv.Atoi(thread.Name()); err == nil {
			sysv.Tgkill(tid, syscall.Signal(kickSignal))
		}
	}
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
