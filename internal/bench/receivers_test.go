//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Goroutines that each wait for an answer of their own type on one queue, beside one
// receiver that takes every message and hands it out: round trips through another process.
func BenchmarkReceivers(b *testing.B) {
	for _, n := range []int{1, 20, 500} {
		for _, c := range contexts {
			b.Run(fmt.Sprintf("%d/%s", n, c.name), func(b *testing.B) {
				ctx := c.make(b)
				ours := &side{run: receivers(b, n, ctx, func(answers *sysvipc.Queue) func(int) {
					bufs := make([][64]byte, n)
					return func(i int) {
						_, typ, err := answers.ReceiveInto(ctx, sysvipc.OfType(int64(i+1)), bufs[i][:])
						check(err)
						if typ != int64(i+1) {
							panic(typ)
						}
					}
				})}
				handsOut := &side{name: "handout", run: receivers(b, n, ctx, func(answers *sysvipc.Queue) func(int) {
					chans := make([]chan struct{}, n)
					for i := range chans {
						chans[i] = make(chan struct{}, 1)
					}
					go func() {
						var buf [64]byte
						for {
							_, typ, err := answers.ReceiveInto(context.Background(), sysvipc.Any, buf[:])
							if err != nil {
								return
							}
							chans[typ-1] <- struct{}{}
						}
					}()
					return func(i int) { <-chans[i] }
				})}
				compare(b, max(100, 10*n), ours, handsOut)
			})
		}
	}
}

// receivers makes n goroutines send requests, wait for the answers, and so on.
func receivers(b *testing.B, n int, ctx context.Context, prepare func(answers *sysvipc.Queue) func(i int)) func(int) time.Duration {
	requests, answers := newQueue(b), newQueue(b)
	startEcho(b, anywhere, queueEcho, "background", requests.ID(), answers.ID())
	receive := prepare(answers)
	return func(trips int) time.Duration {
		var left atomic.Int64
		left.Store(int64(trips))
		var all sync.WaitGroup
		start := time.Now()
		for i := range n {
			all.Go(func() {
				text := make([]byte, 8)
				for left.Add(-1) >= 0 {
					check(requests.Send(ctx, int64(i+1), text))
					receive(i)
				}
			})
		}
		all.Wait()
		return time.Since(start)
	}
}
