//go:build !race

package shared

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// oneOf fails if got is none of want.
func oneOf[T any](got T, want ...T) error {
	for _, w := range want {
		if fmt.Sprint(w) == fmt.Sprint(got) {
			return nil
		}
	}
	return fmt.Errorf("got %v, want one of %v", got, want)
}

// unlessDied passes for an error that says that a lock's last holder died.
func unlessDied(err error, consistent func() error) error {
	if errors.Is(err, ErrOwnerDied) {
		return consistent()
	}
	return err
}

// checkMutex: the lock can be had, and given back.
func checkMutex(ctx context.Context, m *Mutex, _ kill) error {
	for range 2 {
		if err := unlessDied(m.Lock(ctx), m.MarkConsistent); err != nil {
			return err
		}
		if err := m.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

func checkRWMutex(ctx context.Context, m *RWMutex, _ kill) error {
	for range 2 {
		if err := unlessDied(m.Lock(ctx), m.MarkConsistent); err != nil {
			return fmt.Errorf("for writing: %w", err)
		}
		if err := m.Unlock(); err != nil {
			return err
		}
		if err := m.RLock(ctx); err != nil {
			return fmt.Errorf("for reading: %w", err)
		}
		if err := m.RUnlock(); err != nil {
			return err
		}
	}
	return nil
}

// checkVar: the value is that from before or the new one, and can be set.
func checkVar[T comparable](before, after, other T) func(ctx context.Context, x *Var[T], k kill) error {
	return func(ctx context.Context, x *Var[T], k kill) error {
		got, err := x.Load()
		if err != nil {
			return err
		}
		old := before
		if k.ended {
			old = after
		}
		if err := oneOf(got, old, after); err != nil {
			return err
		}
		if err := x.Store(ctx, other); err != nil {
			return err
		}
		if got, err = x.Load(); err != nil {
			return err
		}
		return oneOf(got, other)
	}
}

// drain returns all that is in a channel, in which r is: what comes before 9, which is sent
// last, and what is there again when the dead one's work is repaired.
func drain(ctx context.Context, r *core.Region, send func(context.Context, byte) error, receive func(context.Context) (int64, error)) (got []int64, err error) {
	for _, reap := range []bool{false, true} {
		if reap {
			if _, err := r.Reap(); err != nil {
				return got, err
			}
		}
		sent := make(chan error, 1)
		go func() { sent <- send(ctx, 9) }()
		for {
			m, err := receive(ctx)
			if err != nil {
				return got, err
			}
			if m == 9 {
				break
			}
			got = append(got, m)
		}
		if err := <-sent; err != nil {
			return got, err
		}
	}
	return got, nil
}

// checkChan: of what was sent before and by the victim, one of these is left. A message that
// a receiver was killed at may come after later ones.
func checkChan(want ...[]int64) func(ctx context.Context, c *Chan[int64], k kill) error {
	return func(ctx context.Context, c *Chan[int64], k kill) error {
		got, err := drain(ctx, c.ring.Region, func(ctx context.Context, m byte) error { return c.Send(ctx, int64(m)) }, c.Receive)
		if err != nil {
			return err
		}
		if k.ended {
			return oneOf(got, want[len(want)-1])
		}
		return oneOf(got, want...)
	}
}

// checkEnd: 1 is left, and then the end, if it came.
func checkEnd(receive func(context.Context) (int64, error), ctx context.Context, k kill) error {
	if m, err := receive(ctx); err != nil || m != 1 {
		return fmt.Errorf("received %d, %v; want 1", m, err)
	}
	if !k.ended {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
	}
	if _, err := receive(ctx); err != io.EOF && (k.ended || !errors.Is(err, context.DeadlineExceeded)) {
		return fmt.Errorf("received with %v; want the end", err)
	}
	return nil
}

// checkReceived: of 1 and 2 the first was received once its place was given back, by the
// function of this name, and not before. Then it may come after the second.
func checkReceived[C any](check func(want ...[]int64) func(context.Context, C, kill) error, gives string) func(context.Context, C, kill) error {
	return func(ctx context.Context, c C, k kill) error {
		if k.ended || k.passed(gives) {
			return check([]int64{2})(ctx, c, kill{})
		}
		return check([]int64{1, 2}, []int64{2, 1})(ctx, c, kill{})
	}
}

func checkRecords(want ...[]int64) func(ctx context.Context, q *Records, k kill) error {
	return func(ctx context.Context, q *Records, k kill) error {
		got, err := drain(ctx, q.ring.Region, func(ctx context.Context, n byte) error { return q.Send(ctx, nine(n)) }, func(ctx context.Context) (int64, error) {
			return receiveNine(ctx, q)
		})
		if err != nil {
			return err
		}
		if k.ended {
			return oneOf(got, want[len(want)-1])
		}
		return oneOf(got, want...)
	}
}

// receiveNine receives one of those records.
func receiveNine(ctx context.Context, q *Records) (int64, error) {
	b, err := q.Receive(ctx, nil)
	if err != nil {
		return 0, err
	}
	if len(b) != 9 || slices.ContainsFunc(b, func(x byte) bool { return x != b[0] }) {
		return 0, fmt.Errorf("a record of %v came", b)
	}
	return int64(b[0]), nil
}

func nine(n byte) []byte { return []byte{n, n, n, n, n, n, n, n, n} }

// checkTopic: a new subscriber gets what is published now.
func checkTopic(ctx context.Context, p *Topic[int64], _ kill) error {
	s, err := p.Subscribe(Gated)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = drain(ctx, p.topic.Region, func(ctx context.Context, last byte) error {
		for range 6 { // more than there are cells
			if err := p.Publish(ctx, 8); err != nil {
				return err
			}
		}
		return p.Publish(ctx, int64(last))
	}, func(ctx context.Context) (int64, error) {
		m, _, err := s.Next(ctx)
		return m, err
	})
	return err
}

// checkMap: key 1 has one of these values, 0 being none, key 2 has 20, and all eight fit.
func checkMap(want ...int64) func(ctx context.Context, m *Map[int32, int64], k kill) error {
	return func(ctx context.Context, m *Map[int32, int64], k kill) error {
		want := want
		if k.ended {
			want = want[len(want)-1:]
		}
		for range 2 {
			got, _, err := m.Load(1)
			if err != nil {
				return err
			}
			if err := oneOf(got, want...); err != nil {
				return err
			}
			want = []int64{got}
			if got, _, err = m.Load(2); err != nil || got != 20 {
				return fmt.Errorf("key 2 has %d, %v", got, err)
			}
			for k := int32(3); k <= 8; k++ {
				if err := m.Store(ctx, k, 5); err != nil {
					return err
				}
			}
		}
		if err := m.Store(ctx, 1, 7); err != nil {
			return err
		}
		if _, err := m.table.Region.Reap(); err != nil {
			return err
		}
		if n, err := m.Len(); err != nil || n != 8 {
			return fmt.Errorf("it has %d entries, %v; want 8", n, err)
		}
		return nil
	}
}

// checkCleared: keys 1 and 2 have their values or none, and all eight fit.
func checkCleared(ctx context.Context, m *Map[int32, int64], k kill) error {
	for key, value := range map[int32]int64{1: 10, 2: 20} {
		got, _, err := m.Load(key)
		if err != nil {
			return err
		}
		want := []int64{0, value}
		if k.ended {
			want = want[:1]
		}
		if err := oneOf(got, want...); err != nil {
			return fmt.Errorf("key %d: %w", key, err)
		}
	}
	return errors.Join(m.Store(ctx, 2, 20), checkMap(10, 0)(ctx, m, kill{}))
}

// checkDropped: the map is whole, or is gone and can be made again.
func checkDropped(ctx context.Context, r *Region, k kill) error {
	m, err := openMap(r)
	if err != nil {
		return err
	}
	n, err := m.Len()
	if err := errors.Join(err, oneOf(n, 0, 2)); err != nil {
		return err
	}
	if n == 2 && !k.ended {
		return checkMap(10)(ctx, m, kill{})
	}
	return errors.Join(oneOf(n, 0), m.Store(ctx, 2, 20), checkMap(0)(ctx, m, kill{}))
}

// checkDoc: the value is {1, 2}, or that which was set.
func checkDoc(after []int) func(ctx context.Context, d *Doc[[]int], k kill) error {
	return func(ctx context.Context, d *Doc[[]int], k kill) error {
		got, err := d.Load()
		if err != nil {
			return err
		}
		want := [][]int{{1, 2}, after}
		if k.ended {
			want = want[1:]
		}
		if err := oneOf(got, want...); err != nil {
			return err
		}
		if err := d.Store(ctx, []int{6}); err != nil {
			return err
		}
		if got, err = d.Load(); err != nil {
			return err
		}
		return oneOf(got, []int{6})
	}
}

// checkCounter: the value is 0 or that which was set, and counts on.
func checkCounter(after int64) func(_ context.Context, c *Counter, k kill) error {
	return func(_ context.Context, c *Counter, k kill) error {
		got, err := c.Load()
		if err != nil {
			return err
		}
		want := []int64{0, after}
		if k.ended {
			want = want[1:]
		}
		if err := oneOf(got, want...); err != nil {
			return err
		}
		more, err := c.Add(1)
		if err != nil {
			return err
		}
		return oneOf(more, got+1)
	}
}
