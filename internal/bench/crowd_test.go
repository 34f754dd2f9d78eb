//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Very many goroutines that wait: the threads and the memory that they cost, and the
// time until all have gone on, or are cancelled. Each run has a process of its own, since
// Go gives no thread back.
func BenchmarkCrowd(b *testing.B) {
	for _, c := range []struct {
		where string
		n     int
	}{{"one semaphore", 11_000}, {"one queue", 11_000}, {"a semaphore each", 11_000}, {"one queue", 1_000}} {
		b.Run(fmt.Sprintf("%d at %s", c.n, c.where), func(b *testing.B) {
			var threads, memory, wake, cancel []float64
			for b.Loop() {
				p := ipctest.Start(b, crowd, nil, c.where, strconv.Itoa(c.n))
				var t, m, w, c float64
				must(fmt.Sscan(p.Line(), &t, &m, &w, &c))
				p.Finish()
				threads, memory = append(threads, t), append(memory, m)
				wake, cancel = append(wake, w), append(cancel, c)
			}
			b.ReportMetric(median(threads), "threads")
			b.ReportMetric(median(memory)/(1<<20), "MiB")
			b.ReportMetric(median(wake)/1e6, "wake-ms")
			b.ReportMetric(median(cancel)/1e6, "cancel-ms")
			b.ReportMetric(median(wake)/float64(c.n), "ns/op")
		})
	}
}

// crowd says how many threads and bytes its waiters cost beyond what it had before, and
// how many nanoseconds it took them to go on, and to be cancelled.
var crowd = ipctest.Register("crowd", func(c *ipctest.ChildEnv) {
	n := number(c, 1)
	wait, wake, remove := crowds[c.Args[0]](n)
	runtime.GC()
	threads, memory := ipctest.Threads(), resident()
	wakeTime := crowded(n, wait, func(context.CancelFunc) {
		memory = resident() - memory
		for i := range n {
			check(wake(i))
		}
	})
	cancelTime := crowded(n, wait, func(cancel context.CancelFunc) { cancel() })
	remove()
	c.Say("%d %d %d %d", ipctest.Threads()-threads, memory, wakeTime, cancelTime)
	c.Listen()
})

var crowds = map[string]func(n int) (wait func(context.Context, int) error, wake func(int) error, remove func()){
	"one semaphore": func(int) (func(context.Context, int) error, func(int) error, func()) {
		set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0))
		return func(ctx context.Context, _ int) error { return set.At(0).Acquire(ctx, 1) },
			func(int) error { return set.At(0).Release(1) },
			func() { check(set.Remove()) }
	},
	"one queue": func(int) (func(context.Context, int) error, func(int) error, func()) {
		q := must(sysvipc.CreateQueue(sysvipc.Private, 0o600))
		return func(ctx context.Context, _ int) error { _, err := q.Receive(ctx, sysvipc.Any); return err },
			func(int) error { return q.Send(context.Background(), 1, []byte("go on")) },
			func() { check(q.Remove()) }
	},
	"a semaphore each": func(n int) (func(context.Context, int) error, func(int) error, func()) {
		sets := make([]*sysvipc.SemaphoreSet, n)
		for i := range sets {
			sets[i] = must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0))
		}
		return func(ctx context.Context, i int) error { return sets[i].At(0).Acquire(ctx, 1) },
			func(i int) error { return sets[i].At(0).Release(1) },
			func() {
				for _, set := range sets {
					check(set.Remove())
				}
			}
	},
}

// crowded returns how long end and the return of n waiters took.
func crowded(n int, wait func(context.Context, int) error, end func(context.CancelFunc)) time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var entered atomic.Int32
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			entered.Add(1)
			if err := wait(ctx, i); err != nil && !errors.Is(err, context.Canceled) {
				panic(err)
			}
		})
	}
	for int(entered.Load()) < n || !quiet() {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	end(cancel)
	all.Wait()
	return time.Since(start)
}

// quiet reports whether no goroutine but this one wants to run. Before Go 1.26 nobody
// counts them, and a second has to do.
func quiet() bool {
	samples := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}, {Name: "/sched/goroutines/running:goroutines"}}
	metrics.Read(samples)
	if samples[0].Value.Kind() != metrics.KindUint64 {
		time.Sleep(time.Second)
		return true
	}
	return samples[0].Value.Uint64() == 0 && samples[1].Value.Uint64() <= 1
}

// resident is the memory of this process, in bytes.
func resident() int {
	var size, pages int
	must(fmt.Sscan(string(must(os.ReadFile("/proc/self/statm"))), &size, &pages))
	return pages * os.Getpagesize()
}
