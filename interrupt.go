package sysvipc

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// cancellation gets a thread out of a call that waits in the kernel when a context ends.
type cancellation struct {
	done <-chan struct{} // of the context
	stop func() bool     // unregisters from the context

	tid   atomic.Int32 // the thread that waits; 0 while none does: it may be doing other work
	ended atomic.Bool  // the context has ended
	used  atomic.Bool  // a waiter had it since [releaseIdle] looked last
}

// idle are cancellations without a waiter that are still registered with their context:
// most waiters wait again and again under the same one, and to register costs more than
// all else in a short wait.
var (
	idle         [maxDirect]atomic.Pointer[cancellation]
	idleReleases atomic.Bool // releaseIdle is going to run
)

// keepIdle is how long an idle cancellation keeps its context, or twice as long.
const keepIdle = 50 * time.Millisecond

// cancellationFor returns a cancellation that is registered with ctx.
func cancellationFor(ctx context.Context) *cancellation {
	done := ctx.Done()
	for i := range idle {
		if c := idle[i].Load(); c != nil && c.done == done && idle[i].CompareAndSwap(c, nil) {
			return c
		}
	}
	c := &cancellation{done: done}
	c.stop = context.AfterFunc(ctx, c.end)
	return c
}

// release says that nobody waits any more, and keeps c for the next.
func (c *cancellation) release() {
	c.tid.Store(0)
	if c.ended.Load() {
		return
	}
	c.used.Store(true)
	kept := false
	for i := 0; i < len(idle) && !kept; i++ {
		kept = idle[i].CompareAndSwap(nil, c)
	}
	if !kept {
		if other := idle[0].Swap(c); other != nil {
			other.stop()
		}
	}
	releaseIdleLater()
}

func releaseIdleLater() {
	if !idleReleases.Load() && idleReleases.CompareAndSwap(false, true) {
		time.AfterFunc(keepIdle, releaseIdle)
	}
}

// releaseIdle lets go of the contexts under which nobody has waited since it looked last.
func releaseIdle() {
	idleReleases.Store(false) // before it looks, so that what comes later is looked at again
	for i := range idle {
		switch c := idle[i].Load(); {
		case c == nil:
		case c.used.Swap(false):
			releaseIdleLater()
		case idle[i].CompareAndSwap(c, nil):
			c.stop()
		}
	}
}

// end is called when the context has ended. A waiter that is not yet in the kernel looks
// at the context after it has set tid.
func (c *cancellation) end() {
	c.ended.Store(true)
	if tid := c.tid.Load(); tid != 0 {
		interruptThread(int(tid))
		interrupts.add(c)
	}
}

// interrupts repeats the signals that have not helped yet: one that comes before the
// thread has entered the kernel is lost. One goroutine does so for all waiters of the
// process, and only while there are any.
var interrupts interrupter

type interrupter struct {
	mu        sync.Mutex
	pending   []pendingInterrupt
	running   bool
	broadcast time.Time // when all threads were signalled last
}

// pendingInterrupt is a waiter that was signalled and has not said yet that it noticed.
type pendingInterrupt struct {
	*cancellation
	since, next time.Time
	pause       time.Duration
}

const (
	firstInterruptPause = 100 * time.Microsecond // enough for a thread to wake up and say so
	maxInterruptPause   = 5 * time.Millisecond
	// A waiter that takes longer has either found no processor to run on, or has moved to
	// another thread before it entered the kernel: see block. So all threads are signalled,
	// not more often than this.
	broadcastPause = 20 * time.Millisecond
)

func (r *interrupter) add(c *cancellation) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, pendingInterrupt{c, now, now.Add(firstInterruptPause), firstInterruptPause})
	if !r.running {
		r.running = true
		go r.run()
	}
}

func (r *interrupter) run() {
	for pause := firstInterruptPause; pause > 0; {
		time.Sleep(pause)
		pause = r.repeat()
	}
}

// repeat signals those whose pause is over, and returns the time until the next one is
// due, or 0 if none is left.
func (r *interrupter) repeat() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	kept, next, late := r.pending[:0], maxInterruptPause, false
	for _, p := range r.pending {
		tid := p.tid.Load()
		if tid == 0 {
			continue
		}
		if !now.Before(p.next) {
			interruptThread(int(tid))
			p.pause = min(2*p.pause, maxInterruptPause)
			p.next = now.Add(p.pause)
		}
		next = min(next, p.next.Sub(now))
		late = late || now.Sub(p.since) >= broadcastPause
		kept = append(kept, p)
	}
	clear(r.pending[len(kept):])
	r.pending = kept
	if late && now.Sub(r.broadcast) >= broadcastPause {
		r.broadcast = now
		interruptAll()
	}
	if len(kept) == 0 {
		r.pending, r.running = nil, false
		return 0
	}
	return next
}

// interruptThread sends SIGURG, which the Go runtime uses for the same purpose and whose
// handler has nothing to do when it comes unasked.
func interruptThread(tid int) { tgkill(tid, syscall.Signal(interruptSignal)) }

// tgkill is a variable for the tests, which count the signals.
var tgkill = sysv.Tgkill

// findsThreads reports whether /proc lists the threads of this process by the numbers that
// tgkill(2) takes: not where it is not mounted, and not where it is of another PID namespace.
var findsThreads = sync.OnceValue(func() bool {
	status, err := os.ReadFile("/proc/self/status")
	_, ids, found := strings.Cut(string(status), "\nNSpid:") // one for each namespace from that of /proc on
	ids, _, _ = strings.Cut(ids, "\n")
	return err == nil && (!found || len(strings.Fields(ids)) == 1)
})

// interruptAll signals every thread of this process. To those that wait for something else
// it means no more than the runtime's own signals.
func interruptAll() {
	if !findsThreads() {
		return // then no waiter has moved: see block
	}
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if tid, err := strconv.Atoi(thread.Name()); err == nil {
			interruptThread(tid)
		}
	}
}
