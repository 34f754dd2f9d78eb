package cluster_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// The growth of docs/scale.md, and its pictures:
//
//	SYSVIPC_PLOT=$PWD/docs/img go test -run - -bench 'Queues|Waiters' ./cluster

// How latency and throughput grow with the number of queues, each with one message on its
// way at a time.
func BenchmarkQueues(b *testing.B) {
	p50, p99 := &curve{name: "median"}, &curve{name: "99 in 100"}
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
	var curves []*curve
	for _, same := range []bool{true, false} {
		what := "each for another operation"
		if same {
			what = "for the same"
		}
		p50, p99 := &curve{name: what + ", median"}, &curve{name: what + ", 99 in 100"}
		curves = append(curves, p50, p99)
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
	draw(b, "scale-waiters.svg", "Milliseconds for acquire and release, by others who wait on the same set", curves...)
}

func report(b *testing.B, n int, all []time.Duration, p50, p99 *curve) {
	half, most := clustertest.Percentiles(all)
	b.ReportMetric(float64(half.Microseconds()), "p50-µs")
	b.ReportMetric(float64(most.Microseconds()), "p99-µs")
	p50.set(n, half)
	p99.set(n, most)
}

// curve is a line of a picture.
type curve struct {
	name string
	x    []int
	y    []float64 // milliseconds
}

func (c *curve) set(x int, y time.Duration) {
	if n := len(c.x); n > 0 && c.x[n-1] == x { // the benchmark was run again, for longer
		c.x, c.y = c.x[:n-1], c.y[:n-1]
	}
	c.x, c.y = append(c.x, x), append(c.y, y.Seconds()*1000)
}

// draw draws curves as SVG in the directory SYSVIPC_PLOT, if there is one. Both axes go in
// powers of ten.
func draw(b *testing.B, file, title string, curves ...*curve) {
	dir := os.Getenv("SYSVIPC_PLOT")
	if dir == "" {
		return
	}
	const width, height, left, bottom, top = 640, 360, 60, 40, 110
	right, low, high := 1.0, 1.0, 0.0
	for _, c := range curves {
		for i := range c.x {
			right = max(right, math.Log10(float64(c.x[i])))
			low, high = min(low, math.Floor(math.Log10(c.y[i]))), max(high, math.Ceil(math.Log10(c.y[i])))
		}
	}
	px := func(x float64) float64 { return left + x/right*(width-left-30) }
	py := func(y float64) float64 { return height - bottom - (y-low)/(high-low)*(height-bottom-top) }
	var svg strings.Builder
	fmt.Fprintf(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"22\" font-size=\"14\">%s</text>\n", width, height, left, title)
	for y := low; y <= high; y++ {
		fmt.Fprintf(&svg, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", left, py(y), width-30, left-6, py(y)+4, math.Pow(10, y))
	}
	for x := 0.0; x <= right; x++ {
		fmt.Fprintf(&svg, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", px(x), height-bottom+18, math.Pow(10, x))
	}
	for i, c := range curves {
		color := []string{"#0b62a4", "#c2410c", "#6b7280", "#15803d"}[i%4]
		path := "M"
		for j := range c.x {
			x, y := px(math.Log10(float64(c.x[j]))), py(math.Log10(c.y[j]))
			path += fmt.Sprintf("%.1f %.1fL", x, y)
			fmt.Fprintf(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y, color)
		}
		fmt.Fprintf(&svg, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n",
			strings.TrimSuffix(path, "L"), color, left+12, 44+16*i, color, c.name)
	}
	svg.WriteString("</svg>\n")
	check(b, os.WriteFile(filepath.Join(dir, file), []byte(svg.String()), 0o644))
}
