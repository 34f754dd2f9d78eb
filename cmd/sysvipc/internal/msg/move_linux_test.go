package msg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// While others send and receive, no message is lost by a drain or a move, and what is doubled is counted.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	const n = 3000
	newQueue := func(t *testing.T) *sysvipc.Queue {
		q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Remove() })
		return q
	}
	// busy sends n different messages and receives some; it calls take until all are sent, and once more.
	busy := func(t *testing.T, q *sysvipc.Queue, take func() error) (received []string) {
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan struct{})
		all.Go(func() {
			defer close(sent)
			for i := range n {
				if err := q.Send(t.Context(), int64(1+i%3), fmt.Append(nil, i)); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for {
				m, err := q.Receive(ctx, sysvipc.OfType(2))
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				received = append(received, string(m.Data))
			}
		})
		for done := false; !done; {
			select {
			case <-sent:
				done = true
			default:
			}
			if err := take(); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		all.Wait()
		return received
	}
	check := func(t *testing.T, got []string, doubled int) {
		slices.Sort(got)
		distinct := slices.Compact(slices.Clone(got))
		if len(distinct) != n {
			t.Errorf("%d messages are lost", n-len(distinct))
		}
		if more := len(got) - len(distinct); more > doubled {
			t.Errorf("%d messages are doubled, and %d were counted", more, doubled)
		}
	}
	t.Run("drain", func(t *testing.T) {
		t.Parallel()
		var kept []string
		q := newQueue(t)
		d := &draining{q: q, selector: sysvipc.Any, matches: func(int64) bool { return true }, talk: io.Discard}
		d.keep = func(messages ...sysvipc.Message) error {
			for _, m := range messages {
				kept = append(kept, string(m.Data))
			}
			return nil
		}
		received := busy(t, q, func() error { return d.all(t.Context()) })
		check(t, append(kept, received...), d.doubled)
	})
	t.Run("move", func(t *testing.T) {
		t.Parallel()
		from, to := newQueue(t), newQueue(t)
		v := &moving{from: from, to: to, selector: sysvipc.Any, matches: func(int64) bool { return true }, wait: &verb.WaitFlags{}}
		var moved []string
		received := busy(t, from, func() error {
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				for {
					m, err := to.Receive(ctx, sysvipc.Any)
					if err != nil {
						return
					}
					moved = append(moved, string(m.Data))
				}
			})
			err := v.all(t.Context())
			for err == nil {
				st, statErr := to.Stat()
				if statErr != nil || st.Messages == 0 {
					break
				}
			}
			cancel()
			all.Wait()
			return err
		})
		check(t, append(moved, received...), v.doubled)
	})
}
