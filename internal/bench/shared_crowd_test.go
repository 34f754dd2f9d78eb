//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// Goroutines that wait for messages of one region: the threads that they cost, and the
// time until all have gone on, beside as many threads of C that sleep on a futex.
func BenchmarkSharedCrowd(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := startC(b, sharedSource)
			var threads, wake, cThreads []float64
			for b.Loop() {
				r, key := newRegion(b, nil)
				must(shared.ChanOf[int64](r, "c", n))
				p := ipctest.Start(b, sharedCrowd, nil, key.String(), strconv.Itoa(n))
				var t, w float64
				must(fmt.Sscan(p.Line(), &t, &w))
				p.Finish()
				threads, wake = append(threads, t), append(wake, w)
				if c != nil && n == 1000 {
					cThreads = append(cThreads, float64(c.time("crowd %d", n)))
				}
			}
			b.ReportMetric(median(threads), "threads")
			b.ReportMetric(median(wake)/1e6, "wake-ms")
			if len(cThreads) > 0 {
				b.ReportMetric(median(cThreads)/1e6, "C-threads-wake-ms")
				b.ReportMetric(median(cThreads)/median(wake), "times-faster")
			}
		})
	}
}

var sharedCrowd = ipctest.Register("shared crowd", func(c *ipctest.ChildEnv) {
	n := number(c, 1)
	ch, err := shared.ChanOf[int64](childRegion(c), "c", n)
	c.Check(err)
	ctx := context.Background()
	threads := ipctest.Threads()
	var all, began sync.WaitGroup
	for range n {
		began.Add(1)
		all.Go(func() {
			began.Done()
			_, err := ch.Receive(ctx)
			c.Check(err)
		})
	}
	began.Wait()
	time.Sleep(200 * time.Millisecond) // until all are asleep
	threads = ipctest.Threads() - threads
	messages := make([]int64, n)
	start := time.Now()
	_, err = ch.SendBatch(ctx, messages)
	c.Check(err)
	all.Wait()
	c.Say("%d %d", threads, time.Since(start))
	c.Listen()
})

// What it costs to open a region, with few values in it and with many.
func BenchmarkSharedOpen(b *testing.B) {
	const many = 10_000
	open := func(entries int) func(n int) time.Duration {
		r, key := newRegion(b, &shared.Options{Size: 64 << 20, Entries: 1 << 14})
		for i := range entries {
			must(shared.CounterOf(r, fmt.Sprint("counter ", i)))
		}
		return loop(func() { check(must(shared.EnsureKey(context.Background(), key, nil)).Close()) })
	}
	ours := &side{run: open(many)}
	compare(b, 20, ours, &side{name: "10_entries", run: open(10)})
}
