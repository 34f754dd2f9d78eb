//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// From the cancel of a context to the return of a call that waits under it, beside a
// handoff of a semaphore from one process to another: half a round trip.
func BenchmarkCancel(b *testing.B) {
	for _, blocked := range []struct {
		name string
		call func(b *testing.B) func(context.Context) error
	}{
		{"acquire", func(b *testing.B) func(context.Context) error {
			set := newSet(b, 0)
			return func(ctx context.Context) error { return set.At(0).Acquire(ctx, 1) }
		}},
		{"receive", func(b *testing.B) func(context.Context) error {
			q := newQueue(b)
			return func(ctx context.Context) error { _, err := q.Receive(ctx, sysvipc.Any); return err }
		}},
		{"send", func(b *testing.B) func(context.Context) error {
			q := newQueue(b)
			check(q.SetMaxBytes(1))
			check(q.Send(b.Context(), 1, []byte{0}))
			return func(ctx context.Context) error { return q.Send(ctx, 1, []byte{0}) }
		}},
	} {
		for _, p := range places() {
			if p.here != p.echo {
				continue // the waiter is in this process, which cannot be in two places
			}
			b.Run(p.name+"/"+blocked.name, func(b *testing.B) {
				stay(b, p.here)
				call := blocked.call(b)
				roundTrip := semaphoreHandoff(b, p.echo, context.Background(), "background")
				handoff := &side{name: "handoff", run: func(n int) time.Duration { return roundTrip.run(n) / 2 }}
				// One at a time: the median is of single cancels, not of averages.
				ours := &side{batch: 1, run: func(int) time.Duration { return cancelled(b, call) }}
				compare(b, 20, ours, handoff)
			})
		}
	}
}

// cancelled returns how long a blocked call needed to return after a cancel.
func cancelled(b *testing.B, call func(context.Context) error) time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	returned := make(chan time.Time)
	go func() {
		err := call(ctx)
		now := time.Now()
		if !errors.Is(err, context.Canceled) {
			panic(err)
		}
		returned <- now
	}()
	ipctest.WaitBlocked(b, 0, 1)
	start := time.Now()
	cancel()
	return (<-returned).Sub(start)
}
