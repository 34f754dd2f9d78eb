package sysvipc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/internal/sysv"
)

// cancelStorm cancels all waits of a process at once, again and again, and says of each round how many
// milliseconds it took, and at last how many signals one took. Its arguments are the number of waits and of rounds.
var cancelStorm = ipctest.Register("cancel storm", func(c *ipctest.ChildEnv) {
	n, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	rounds, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	wait, _, remove := crowds["a set each"](c, n)
	var signals atomic.Int64
	sysvipc.CountInterrupts(&signals)
	for r := range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		cancels := []context.CancelFunc{cancel}
		var all sync.WaitGroup
		for i := range n {
			ctx := ctx
			if r%2 == 1 { // a context each
				ctx, cancel = context.WithCancel(context.Background())
				cancels = append(cancels, cancel)
			}
			all.Go(func() {
				if err := wait(ctx, i); !errors.Is(err, context.Canceled) {
					c.Fatal(err)
				}
			})
		}
		for blocked := 0; blocked < min(n, sysvipc.MaxInKernel); {
			runtime.Gosched()
			if sysvipc.WaitersInProcess() == n {
				blocked, err = ipctest.Blocked(0)
				c.Check(err)
			}
		}
		start := time.Now()
		for _, cancel := range cancels {
			cancel()
		}
		all.Wait()
		c.Say("%d", time.Since(start).Milliseconds())
	}
	remove()
	c.Say("%d", signals.Load()/int64(rounds))
})

// All waits of a process that are cancelled at once end, however few processors the Go scheduler may use, and with
// few signals: a storm is one of signals. SYSVIPC_SOAK makes it 200 rounds, each of which ends soon.
func TestCancelStorm(t *testing.T) {
	rounds := 20
	if os.Getenv("SYSVIPC_SOAK") != "" {
		rounds = 200
	}
	for _, c := range []struct{ procs, waits, rounds int }{
		{1, 120, rounds}, {2, 120, rounds}, {1, 1000, rounds}, {2, 1000, rounds}, {1, 11_000, 2},
	} {
		t.Run(fmt.Sprintf("%d waits on %d processors", c.waits, c.procs), func(t *testing.T) {
			p := ipctest.Start(t, cancelStorm, &ipctest.Options{Env: []string{fmt.Sprint("GOMAXPROCS=", c.procs)}},
				fmt.Sprint(c.waits), fmt.Sprint(c.rounds))
			number := func() int { return must(strconv.Atoi(p.Line()))(t) }
			took := make([]int, c.rounds)
			for r := range took {
				took[r] = number()
			}
			signals := number()
			slices.Sort(took)
			median, slowest := took[len(took)/2], took[len(took)-1]
			t.Logf("median %d ms, slowest %d ms, %d signals a round", median, slowest, signals)
			// How long it takes is measured by the long form, on a quiet machine: a busy one proves nothing.
			limit := max(250, c.waits/10)
			if os.Getenv("SYSVIPC_SOAK") != "" && slowest > limit {
				t.Errorf("a round took %d ms in the median and at most %d, want %d at most", median, slowest, limit)
			}
			if signals > 20*c.waits {
				t.Errorf("%d signals for %d waits", signals, c.waits)
			}
		})
	}
}

// movingContext moves who asks it to another thread, as the Go scheduler may.
type movingContext struct{ context.Context }

func (c movingContext) Err() error {
	for tid, tries := sysv.Gettid(), 0; sysv.Gettid() == tid && tries < 10; tries++ {
		taken := make(chan struct{})
		go func() {
			runtime.LockOSThread() // and unlocks it no more: the thread ends with the goroutine
			close(taken)
			<-c.Done()
		}()
		<-taken
	}
	return c.Context.Err()
}

// A waiter that has moved to another thread before it entered the kernel is found there, and
// where the threads cannot be found it does not move.
func TestMovedWaiter(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"with /proc", "without"} {
		p := ipctest.Start(t, movedWaiter, &ipctest.Options{Env: []string{"GOMAXPROCS=1"}}, arg)
		p.Expect("context canceled")
		p.Finish()
	}
}

var movedWaiter = ipctest.Register("moved waiter", func(c *ipctest.ChildEnv) {
	if c.Args[0] == "without" {
		sysvipc.HideThreads()
	}
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0)
	c.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- set.At(0).Acquire(movingContext{ctx}, 1) }()
	for n := 0; n < 1; {
		n, _, err = set.At(0).Waiters()
		c.Check(err)
	}
	cancel()
	err = <-done
	c.Check(set.Remove())
	c.Say("%v", errors.Unwrap(err))
})

// A context is not kept for longer than the wait under it, save for a moment.
func TestContextIsReleased(t *testing.T) {
	t.Parallel()
	const n = 2 * sysvipc.MaxDirect
	sem := newSet(t, 0).At(0)
	released := make(chan int, n)
	long, cancel := context.WithCancel(context.Background()) // lives on
	defer cancel()
	for i := range n {
		func() {
			value := new([64]byte)
			runtime.AddCleanup(value, func(i int) { released <- i }, i)
			ctx := context.WithValue(long, contextKey{}, value)
			done := make(chan error, 1)
			go func() { done <- sem.Acquire(ctx, 1) }()
			awaitWaiters(t, sem, 1)
			if err := sem.Release(1); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}()
	}
	deadline := time.After(time.Minute)
	for got := 0; got < n; {
		runtime.GC()
		select {
		case <-released:
			got++
		case <-deadline:
			t.Fatalf("%d of %d contexts are released", got, n)
		case <-time.After(time.Millisecond):
		}
	}
}

type contextKey struct{}
