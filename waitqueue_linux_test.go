package sysvipc_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The threads that this package may use, besides those that the Go runtime has anyway.
const boundedThreads = 300

// crowd blocks n goroutines and wakes or cancels them, in a process of its own, and
// says how many threads that took.
var crowd = ipctest.Register("crowd", func(c *ipctest.ChildEnv) {
	const n = 11_000
	wait, wake, remove := crowds[c.Args[0]](c, n)
	for _, end := range []string{"wake", "cancel"} {
		ctx, cancel := context.WithCancel(context.Background())
		var blocked sync.WaitGroup
		var failed atomic.Pointer[error]
		for i := range n {
			blocked.Go(func() {
				if err := wait(ctx, i); err != nil && !(end == "cancel" && errors.Is(err, context.Canceled)) {
					failed.Store(&err)
				}
			})
		}
		for sysvipc.WaitersInProcess() < n {
			runtime.Gosched()
		}
		threads := ipctest.Threads()
		if end == "wake" {
			for i := range n {
				c.Check(wake(i))
			}
		} else {
			cancel()
		}
		blocked.Wait()
		cancel()
		if err := failed.Load(); err != nil {
			remove()
			c.Fatal(*err)
		}
		threads = max(threads, ipctest.Threads())
		if threads > boundedThreads {
			remove()
			c.Fatalf("%d threads for %d waiters, want at most %d", threads, n, boundedThreads)
		}
	}
	remove()
	c.Say("done")
})

var crowds = map[string]func(c *ipctest.ChildEnv, n int) (wait func(context.Context, int) error, wake func(int) error, remove func()){
	"one semaphore": func(c *ipctest.ChildEnv, n int) (func(context.Context, int) error, func(int) error, func()) {
		set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0)
		c.Check(err)
		return func(ctx context.Context, _ int) error { return set.At(0).Acquire(ctx, 1) },
			func(int) error { return set.At(0).Release(1) },
			func() { _ = set.Remove() }
	},
	"one queue": func(c *ipctest.ChildEnv, n int) (func(context.Context, int) error, func(int) error, func()) {
		q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		c.Check(err)
		return func(ctx context.Context, _ int) error { _, err := q.Receive(ctx, sysvipc.Any); return err },
			func(int) error { return q.Send(context.Background(), 1, []byte("go on")) },
			func() { _ = q.Remove() }
	},
	"one queue, a type each": func(c *ipctest.ChildEnv, n int) (func(context.Context, int) error, func(int) error, func()) {
		q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		c.Check(err)
		return func(ctx context.Context, i int) error {
				_, err := q.Receive(ctx, sysvipc.OfType(int64(i+1)))
				return err
			},
			func(i int) error { return q.Send(context.Background(), int64(i+1), []byte("go on")) },
			func() { _ = q.Remove() }
	},
	"one set, a semaphore each": func(c *ipctest.ChildEnv, n int) (func(context.Context, int) error, func(int) error, func()) {
		set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, make([]int, n)...)
		c.Check(err)
		return func(ctx context.Context, i int) error { return set.At(i).Acquire(ctx, 1) },
			func(i int) error { return set.At(i).Release(1) },
			func() { _ = set.Remove() }
	},
	"a set each": func(c *ipctest.ChildEnv, n int) (func(context.Context, int) error, func(int) error, func()) {
		sets := make([]*sysvipc.SemaphoreSet, n)
		remove := func() {
			for _, set := range sets {
				if set != nil {
					_ = set.Remove()
				}
			}
		}
		for i := range sets {
			var err error
			if sets[i], err = sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0); err != nil {
				remove()
				c.Fatal(err)
			}
		}
		return func(ctx context.Context, i int) error { return sets[i].At(0).Acquire(ctx, 1) },
			func(i int) error { return sets[i].At(0).Release(1) },
			remove
	},
}

func TestManyWaitersFewThreads(t *testing.T) {
	t.Parallel()
	for name := range crowds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ipctest.Start(t, crowd, nil, name)
			p.Expect("done")
		})
	}
}

// A thousand waiters on one queue: the cost in threads and memory.
var thousand = ipctest.Register("thousand", func(c *ipctest.ChildEnv) {
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	threads := ipctest.Threads()
	ctx, cancel := context.WithCancel(context.Background())
	var blocked sync.WaitGroup
	for i := range 1000 {
		sel := sysvipc.Any
		if c.Args[0] == "each its type" {
			sel = sysvipc.OfType(int64(i + 1))
		}
		blocked.Go(func() {
			_, _ = q.Receive(ctx, sel)
		})
	}
	for sysvipc.WaitersInProcess() < 1000 {
		runtime.Gosched()
	}
	runtime.ReadMemStats(&after)
	threads = ipctest.Threads() - threads
	memory := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)
	cancel()
	blocked.Wait()
	c.Check(q.Remove())
	if threads > 16 || memory > 8<<20 {
		c.Fatalf("%d more threads, want at most 16; %d more bytes, want at most 8 MiB", threads, memory)
	}
	c.Say("done")
})

func TestThousandReceivers(t *testing.T) {
	t.Parallel()
	for _, types := range []string{"all alike", "each its type"} {
		t.Run(types, func(t *testing.T) {
			t.Parallel()
			ipctest.Start(t, thousand, nil, types).Expect("done")
		})
	}
}

// Goroutines that wait for the same operation are served in the order in which they came. They do
// so in a process of their own, where nobody else waits.
func TestWaitQueueKeepsItsOrder(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, ordered, nil)
	for i := range orderedWaiters {
		var id int
		if _, err := fmt.Sscanf(p.Line(), "next on %d", &id); err != nil {
			t.Fatal(err)
		}
		if i < sysvipc.MaxDirect+1 { // these wait in the kernel
			ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, id, i+1)
		}
		p.Tell("go on")
	}
	p.Expect("done")
}

const orderedWaiters = 100

var ordered = ipctest.Register("ordered", func(c *ipctest.ChildEnv) {
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	got := make([]int, orderedWaiters)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			m, err := q.Receive(context.Background(), sysvipc.OfType(1))
			c.Check(err)
			got[i], err = strconv.Atoi(string(m.Data))
			c.Check(err)
		})
		for sysvipc.WaitersInProcess() <= i {
			runtime.Gosched()
		}
		c.Say("next on %d", q.ID())
		c.Listen()
	}
	for i := range got {
		c.Check(q.Send(context.Background(), 1, fmt.Append(nil, i)))
	}
	wg.Wait()
	c.Check(q.Remove())
	// The first wait in the kernel without a queue, where a signal of the Go runtime may exchange them.
	queued := got[sysvipc.MaxDirect:]
	if !slices.IsSorted(queued) {
		c.Fatalf("those in the wait queue got the messages %d", queued)
	}
	c.Say("done")
})

// The kernel counts many who wait for the same as few.
func TestWaitersOfOneProcess(t *testing.T) {
	t.Parallel()
	const n = 100
	p := ipctest.Start(t, alike, nil, fmt.Sprint(n))
	var id int
	if _, err := fmt.Sscanf(p.Line(), "waiting on %d", &id); err != nil {
		t.Fatal(err)
	}
	sem := sysvipc.SemaphoresByID(id).At(0)
	awaitWaiters(t, sem, 1)
	if got, _, err := sem.Waiters(); got > sysvipc.MaxDirect+1 || err != nil {
		t.Errorf("%d waiters, %v; want at most %d", got, err, sysvipc.MaxDirect+1)
	}
	if err := sem.Release(n); err != nil {
		t.Fatal(err)
	}
	p.Expect("done")
}

var alike = ipctest.Register("alike", func(c *ipctest.ChildEnv) {
	n, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0)
	c.Check(err)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { c.Check(set.At(0).Acquire(context.Background(), 1)) })
	}
	for sysvipc.WaitersInProcess() < n {
		runtime.Gosched()
	}
	c.Say("waiting on %d", set.ID())
	wg.Wait()
	c.Check(set.Remove())
	c.Say("done")
})

// A waiter in a queue that is cancelled leaves the others as they were.
func TestCancelInWaitQueue(t *testing.T) {
	t.Parallel()
	set := newSet(t, 0)
	sem := set.At(0)
	const n = 50
	var acquired, cancelled atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for i := range n {
		wg.Go(func() {
			c := context.Background()
			if i%2 == 0 {
				c = ctx
			}
			switch err := sem.Acquire(c, 1); {
			case err == nil:
				acquired.Add(1)
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	awaitWaiters(t, sem, 1)
	cancel()
	for cancelled.Load() < n/2 {
		runtime.Gosched()
	}
	if err := sem.Release(n / 2); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if acquired.Load() != n/2 || cancelled.Load() != n/2 {
		t.Errorf("%d acquired and %d cancelled of %d", acquired.Load(), cancelled.Load(), n)
	}
}

// What is beyond the slots in the kernel is woken and cancelled as well.
func TestOverflow(t *testing.T) {
	t.Parallel()
	const n = 40 // more than one object may have
	q := newQueue(t)
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range n {
		wg.Go(func() {
			m, err := q.Receive(ctx, sysvipc.OfType(int64(i+1)))
			if err != nil || m.Type != int64(i+1) {
				t.Errorf("waiter %d got type %d, %v", i, m.Type, err)
			}
		})
	}
	for i := n; i > 0; i-- { // the last come first
		if err := q.Send(ctx, int64(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if st, err := q.Stat(); err != nil || st.Messages != 0 {
		t.Errorf("%d messages are left (%v)", st.Messages, err)
	}
}

// Of those whose calls are tried now and then, some are cancelled while messages come: each
// message is received once, or left.
func TestCancelInOverflow(t *testing.T) {
	t.Parallel()
	const n, rounds = 100, 300
	q := newQueue(t)
	if err := q.Send(t.Context(), n+1, nil); err != nil { // for nobody: the queue is never empty
		t.Fatal(err)
	}
	for range rounds {
		var all sync.WaitGroup
		var received, cancelled atomic.Int32
		cancels := make([]context.CancelFunc, n)
		for i := range n {
			var ctx context.Context
			ctx, cancels[i] = context.WithCancel(t.Context())
			all.Go(func() {
				m, err := q.Receive(ctx, sysvipc.OfType(int64(i+1)))
				switch {
				case err == nil && m.Type == int64(i+1):
					received.Add(1)
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				default:
					t.Errorf("waiter %d got type %d, %v", i, m.Type, err)
				}
			})
		}
		for i := range n {
			if i%2 == 0 {
				go cancels[i]()
				runtime.Gosched()
			}
			if err := q.Send(t.Context(), int64(i+1), nil); err != nil {
				t.Fatal(err)
			}
		}
		all.Wait()
		left := int32(0)
		for {
			_, ok, err := q.TryReceive(sysvipc.UpTo(n))
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			left++
		}
		if received.Load()+cancelled.Load() != n || left != cancelled.Load() {
			t.Fatalf("%d received, %d cancelled, %d messages left of %d", received.Load(), cancelled.Load(), left, n)
		}
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// What is beyond the slots takes a tenth of one processor while nothing happens, or
// two where a try of all takes longer than the longest pause pays for: 60 ms for 2,000 where qemu translates.
func TestIdleOverflowCostsLittle(t *testing.T) {
	t.Parallel()
	ipctest.Start(t, idleOverflow, nil).Expect("done")
}

var idleOverflow = ipctest.Register("idle overflow", func(c *ipctest.ChildEnv) {
	const n = 2000
	queues := make([]*sysvipc.Queue, n)
	remove := func() {
		for _, q := range queues {
			if q != nil {
				_ = q.Remove()
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range queues {
		q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		if err != nil {
			remove()
			c.Fatal(err)
		}
		queues[i] = q
		all.Go(func() { _, _ = q.Receive(ctx, sysvipc.Any) })
	}
	for sysvipc.WaitersInProcess() < n {
		runtime.Gosched()
	}
	processor := func() time.Duration {
		var used syscall.Rusage
		c.Check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	start, before := time.Now(), processor()
	time.Sleep(time.Second)
	share := float64(processor()-before) / float64(time.Since(start))
	cancel()
	all.Wait()
	remove()
	most := 0.25 // what the Go scheduler needs comes on top
	if ipctest.UnderQEMU() {
		most = 0.5
	}
	if share > most {
		c.Fatalf("%.2f of a processor", share)
	}
	c.Say("done")
})
