package sysvipc_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func newSet(t testing.TB, values ...int) *sysvipc.SemaphoreSet {
	t.Helper()
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, values...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Remove() })
	return set
}

func newQueue(t testing.TB) *sysvipc.Queue {
	t.Helper()
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Remove() })
	return q
}

// awaitWaiters returns when the kernel counts n waiters on the semaphore.
func awaitWaiters(t testing.TB, sem sysvipc.Semaphore, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		got, _, err := sem.Waiters()
		if err != nil {
			t.Fatal(err)
		}
		if got >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d waiters on %v, want %d", got, sem, n)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// Each blocking call of the package, blocked on an object of its own.
var blockingCalls = map[string]func(t *testing.T) (wait func(context.Context) error, remove func() error){
	"acquire": func(t *testing.T) (func(context.Context) error, func() error) {
		set := newSet(t, 0)
		return func(ctx context.Context) error { return set.At(0).Acquire(ctx, 1) }, set.Remove
	},
	"do": func(t *testing.T) (func(context.Context) error, func() error) {
		set := newSet(t, 1, 0)
		return func(ctx context.Context) error {
			return set.Do(ctx, sysvipc.Add(0, -1), sysvipc.Add(1, -1).Undo())
		}, set.Remove
	},
	"wait for zero": func(t *testing.T) (func(context.Context) error, func() error) {
		set := newSet(t, 3)
		return func(ctx context.Context) error { return set.At(0).WaitZero(ctx) }, set.Remove
	},
	"receive": func(t *testing.T) (func(context.Context) error, func() error) {
		q := newQueue(t)
		return func(ctx context.Context) error {
			_, err := q.Receive(ctx, sysvipc.OfType(5))
			return err
		}, q.Remove
	},
	"receive into": func(t *testing.T) (func(context.Context) error, func() error) {
		q := newQueue(t)
		return func(ctx context.Context) error {
			_, _, err := q.ReceiveInto(ctx, sysvipc.Any, make([]byte, 10))
			return err
		}, q.Remove
	},
	"messages": func(t *testing.T) (func(context.Context) error, func() error) {
		q := newQueue(t)
		return func(ctx context.Context) error {
			for _, err := range q.Messages(ctx, sysvipc.Any) {
				return err
			}
			return nil
		}, q.Remove
	},
	"send": func(t *testing.T) (func(context.Context) error, func() error) {
		q := newQueue(t)
		for {
			ok, err := q.TrySend(1, make([]byte, 1000))
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
		}
		return func(ctx context.Context) error { return q.Send(ctx, 1, make([]byte, 1000)) }, q.Remove
	},
}

func TestBlockedCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, prepare := range blockingCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait, _ := prepare(t)

			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- wait(ctx) }()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}

			why := errors.New("the server shuts down")
			ctx, because := context.WithCancelCause(t.Context())
			go func() { done <- wait(ctx) }()
			because(why)
			err := <-done
			if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
				t.Errorf("cancelled with a cause: %v", err)
			}
			if err := wait(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
				t.Errorf("cancelled before the call: %v", err)
			}

			start := time.Now()
			ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			err = wait(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("past the deadline: %v", err)
			}
			if took := time.Since(start); took < 20*time.Millisecond {
				t.Errorf("the deadline of 20ms came after %v", took)
			}
		})
	}
}

func TestBlockedCallEndsWithItsObject(t *testing.T) {
	t.Parallel()
	for name, prepare := range blockingCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait, remove := prepare(t)
			// One waits in the kernel, the others queue behind it; with and
			// without a context that can end.
			done := make(chan error, 6)
			for i := range cap(done) {
				ctx := context.Background()
				if i%2 == 0 {
					ctx = t.Context()
				}
				go func() { done <- wait(ctx) }()
			}
			// Some of them may come too late to be blocked; that is the same error.
			if err := remove(); err != nil {
				t.Fatal(err)
			}
			for range cap(done) {
				if err := <-done; !errors.Is(err, sysvipc.ErrRemoved) {
					t.Errorf("got %v, want ErrRemoved", err)
				}
			}
		})
	}
}

// A success that races with a cancel is a success: what was acquired and what is left
// always make up what was released.
func TestCancelRacesWithSuccess(t *testing.T) {
	t.Parallel()
	const rounds = 2000
	set := newSet(t, 0)
	sem := set.At(0)
	got := 0
	for range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- sem.Acquire(ctx, 1) }()
		if rand.IntN(2) == 0 {
			awaitWaiters(t, sem, 1)
		}
		go cancel()
		if err := sem.Release(1); err != nil {
			t.Fatal(err)
		}
		switch err := <-done; {
		case err == nil:
			got++
		case !errors.Is(err, context.Canceled):
			t.Fatal(err)
		default:
			if ok, err := sem.TryAcquire(1); !ok {
				t.Fatalf("a cancelled call took the token: %v", err)
			}
		}
		cancel()
	}
	if v, err := sem.Value(); v != 0 || err != nil {
		t.Errorf("%d tokens are left, want 0 (%v)", v, err)
	}
	t.Logf("%d of %d were faster than their cancel", got, rounds)
}

// Cancels of blocked calls under load: every call returns, and no token is lost or
// invented. With SYSVIPC_SOAK there are ten thousand.
func TestCancelUnderLoad(t *testing.T) {
	t.Parallel()
	total := 1000
	if os.Getenv("SYSVIPC_SOAK") != "" {
		total = 10_000
	}
	const workers = 8
	var acquired, cancelled atomic.Int64
	var stop atomic.Bool
	var load, work sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for !stop.Load() {
			}
		})
	}
	for range workers {
		sem := newSet(t, 0).At(0)
		work.Go(func() {
			for range total / workers {
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- sem.Acquire(ctx, 1) }()
				awaitWaiters(t, sem, 1)
				released := make(chan error, 1)
				if rand.IntN(4) > 0 {
					released = nil
				} else {
					go func() { released <- sem.Release(1) }()
				}
				cancel()
				err := <-done
				if released != nil {
					if err := <-released; err != nil {
						t.Error(err)
					}
				}
				token, tryErr := sem.TryAcquire(1)
				switch {
				case err == nil && released != nil && !token && tryErr == nil:
					acquired.Add(1)
				case errors.Is(err, context.Canceled) && token == (released != nil):
					cancelled.Add(1)
				default:
					t.Errorf("released %v, acquired %v, a token is left %v (%v)", released != nil, err, token, tryErr)
				}
			}
		})
	}
	work.Wait()
	stop.Store(true)
	load.Wait()
	if n := acquired.Load() + cancelled.Load(); n != int64(total) {
		t.Errorf("%d calls acquired and %d were cancelled, want %d in all", acquired.Load(), cancelled.Load(), total)
	}
}

// Signals interrupt blocked calls all the time, and no caller ever sees it.
// SYSVIPC_SOAK=60s makes it longer.
func TestSignalsAreNeverSeen(t *testing.T) {
	p := ipctest.Start(t, signalled, &ipctest.Options{Env: []string{"SYSVIPC_SOAK=" + soak()}})
	p.Expect("done")
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func soak() string {
	if s := os.Getenv("SYSVIPC_SOAK"); s != "" {
		return s
	}
	return "2s"
}

var signalled = ipctest.Register("signalled", func(c *ipctest.ChildEnv) {
	length, err := time.ParseDuration(os.Getenv("SYSVIPC_SOAK"))
	c.Check(err)
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0, 0)
	c.Check(err)
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	remove := func() { _, _ = set.Remove(), q.Remove() }
	profile, err := os.CreateTemp("", "profile")
	c.Check(err)
	defer os.Remove(profile.Name())
	c.Check(pprof.StartCPUProfile(profile))

	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var storm, work sync.WaitGroup
	storm.Go(func() {
		for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
			for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCHLD} {
				c.Check(syscall.Kill(os.Getpid(), sig))
			}
		}
	})
	var rounds atomic.Int64
	check := func(err error) {
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			remove()
			c.Fatal(err)
		}
		rounds.Add(1)
	}
	work.Go(func() {
		for ctx.Err() == nil {
			check(set.At(0).Acquire(ctx, 1))
			check(set.At(1).Release(1))
			check(q.Send(ctx, 1, []byte("ping")))
		}
	})
	work.Go(func() {
		for ctx.Err() == nil {
			check(set.At(0).Release(1))
			check(set.At(1).Acquire(ctx, 1))
			_, err := q.Receive(ctx, sysvipc.Any)
			check(err)
		}
	})
	// These wait all the time, and are interrupted by every signal that comes.
	for _, wait := range []func(context.Context) error{
		func(ctx context.Context) error { return set.Do(ctx, sysvipc.Add(0, -1000)) },
		func(ctx context.Context) error { _, err := q.Receive(ctx, sysvipc.OfType(77)); return err },
	} {
		work.Go(func() { check(wait(ctx)) })
	}
	work.Wait()
	storm.Wait()
	pprof.StopCPUProfile()
	remove()
	c.Say("done")
})

// A wait allocates nothing, unless it has to queue.
func TestWaitAllocatesNothing(t *testing.T) {
	t.Parallel()
	ipctest.Start(t, thrifty, nil).Expect("done")
}

var thrifty = ipctest.Register("thrifty", func(c *ipctest.ChildEnv) {
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0, 0)
	c.Check(err)
	there, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	back, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	var echo sync.WaitGroup
	echo.Go(func() {
		buf := make([]byte, 8)
		for set.At(0).Acquire(ctx, 1) == nil {
			c.Check(set.At(1).Release(1))
			n, typ, err := there.ReceiveInto(ctx, sysvipc.Any, buf)
			c.Check(err)
			c.Check(back.Send(ctx, typ, buf[:n]))
		}
	})
	buf := make([]byte, 8)
	trip := func() {
		c.Check(set.At(0).Release(1))
		c.Check(set.At(1).Acquire(ctx, 1))
		c.Check(there.Send(ctx, 1, buf))
		_, _, err := back.ReceiveInto(ctx, sysvipc.Any, buf)
		c.Check(err)
	}
	trip()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const trips = 1000
	for range trips {
		trip()
	}
	runtime.ReadMemStats(&after)
	cancel()
	echo.Wait()
	_, _, _ = set.Remove(), there.Remove(), back.Remove()
	if n := after.Mallocs - before.Mallocs; n > 2*trips { // the race detector has some
		c.Fatalf("%d allocations in %d round trips", n, trips)
	}
	c.Say("done")
})
