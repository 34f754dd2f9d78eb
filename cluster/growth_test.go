package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
	"github.com/sysvipc/sysvipc/internal/plot"
)

// The growth of docs/scale.md, and its pictures:
//
//	SYSVIPC_PLOT=$PWD/docs/img go test -run - -bench 'Queues|Waiters' ./cluster

// How latency and throughput grow with the number of queues, each with one message on its
// way at a time.
func BenchmarkQueues(b *testing.B) {
	p50, p99 := &plot.Line{Name: "median"}, &plot.Line{Name: "99 in 100"}
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := connect(b, nil)
			queues := make([]*cluster.Queue, n)
			for i := range queues {
				q, err := c.CreateQueue(b.Context(), unique(), nil)
				check(b, err)
				b.Cleanup(func() { q.Remove(context.Background()) })
				queues[i] = q
				check(b, q.Send(b.Context(), 1, clustertest.Payload))
				_, err = q.Receive(b.Context(), sysvipc.OfType(1)) // makes what it needs
				check(b, err)
			}
			var mu sync.Mutex
			var all []time.Duration
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for _, q := range queues {
				wg.Go(func() {
					var own []time.Duration
					for left.Add(-1) >= 0 {
						began := time.Now()
						if err := q.Send(b.Context(), 1, clustertest.Payload); err != nil {
							b.Error(err)
							return
						}
						if _, err := q.Receive(b.Context(), sysvipc.OfType(1)); err != nil {
							b.Error(err)
							return
						}
						own = append(own, time.Since(began))
					}
					mu.Lock()
					all = append(all, own...)
					mu.Unlock()
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			report(b, n, all, p50, p99)
		})
	}
	draw(b, "scale-queues.svg", "Milliseconds from Send to received, by queues in use at once", p50, p99)
}

// How one acquire and release grow with the number of those who wait for something else:
// all for the same, or each for another operation.
func BenchmarkWaiters(b *testing.B) {
	var lines []*plot.Line
	for _, same := range []bool{true, false} {
		what := "each for another operation"
		if same {
			what = "for the same"
		}
		p50, p99 := &plot.Line{Name: what + ", median"}, &plot.Line{Name: what + ", 99 in 100"}
		lines = append(lines, p50, p99)
		for _, n := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("same=%v/%d", same, n), func(b *testing.B) {
				s, err := connect(b, nil).CreateSemaphores(b.Context(), unique(), 0, 0)
				check(b, err)
				ctx, cancel := context.WithCancel(context.Background())
				var wg sync.WaitGroup
				want := 1
				for i := range n {
					what := sysvipc.Add(0, -1)
					if !same {
						what, want = sysvipc.Add(0, -1-i), n
					}
					wg.Go(func() { s.Do(ctx, what) })
				}
				waiting(b, s, want)
				all := make([]time.Duration, b.N)
				b.ResetTimer()
				for i := range b.N {
					began := time.Now()
					check(b, s.At(1).Release(b.Context(), 1))
					check(b, s.At(1).Acquire(b.Context(), 1))
					all[i] = time.Since(began)
				}
				b.StopTimer()
				report(b, n, all, p50, p99)
				check(b, s.Remove(context.Background())) // wakes them all
				cancel()
				wg.Wait()
			})
		}
	}
	draw(b, "scale-waiters.svg", "Milliseconds for acquire and release, by others who wait on the same set", lines...)
}

func report(b *testing.B, n int, all []time.Duration, p50, p99 *plot.Line) {
	half, most := clustertest.Percentiles(all)
	b.ReportMetric(float64(half.Microseconds()), "p50-µs")
	b.ReportMetric(float64(most.Microseconds()), "p99-µs")
	p50.Set(n, half.Seconds()*1000)
	p99.Set(n, most.Seconds()*1000)
}

// draw draws lines as SVG in the directory SYSVIPC_PLOT, if there is one.
func draw(b *testing.B, file, title string, lines ...*plot.Line) {
	dir := os.Getenv("SYSVIPC_PLOT")
	if dir == "" {
		return
	}
	svg, err := plot.Lines(title, lines...)
	check(b, err)
	check(b, os.WriteFile(filepath.Join(dir, file), svg, 0o644))
}
