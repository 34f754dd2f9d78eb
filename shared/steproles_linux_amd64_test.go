//go:build !race

package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sysvipc/sysvipc"
)

// stepRole is one call that a participant makes, and may be killed in.
type stepRole struct {
	name string
	// before makes the region, as another participant; check is called after the kill, or
	// after the call's end.
	before func(t *testing.T, key sysvipc.Key) (check func(ctx context.Context, ended bool) error, r *Region, err error)
	// victim opens the region in a process of its own.
	victim func(key sysvipc.Key) (call func() error, err error)
}

func smallRegion(key sysvipc.Key) (*Region, error) {
	return EnsureKey(context.Background(), key, &Options{Size: 1 << 15, Entries: 16, Participants: 4})
}

// roleOf is a role on one thing.
func roleOf[H any](name string, open func(r *Region) (H, error), before, call func(ctx context.Context, h H) error, check func(ctx context.Context, h H, ended bool) error) stepRole {
	return stepRole{
		name: name,
		before: func(t *testing.T, key sysvipc.Key) (func(context.Context, bool) error, *Region, error) {
			r, err := smallRegion(key)
			if err != nil {
				return nil, nil, err
			}
			t.Cleanup(func() { _ = r.Close() })
			h, err := open(r)
			if err == nil && before != nil {
				err = before(t.Context(), h)
			}
			return func(ctx context.Context, ended bool) error {
				if err := check(ctx, h, ended); err != nil {
					return err
				}
				// Once more when the dead one's work is repaired, and beside a new participant.
				if _, err := r.Reap(); err != nil {
					return err
				}
				again, err := smallRegion(key)
				if err != nil {
					return err
				}
				defer again.Close()
				_, err = open(again)
				return err
			}, r, err
		},
		victim: func(key sysvipc.Key) (func() error, error) {
			r, err := smallRegion(key)
			if err != nil {
				return nil, err
			}
			h, err := open(r)
			return func() error { return call(context.Background(), h) }, err
		},
	}
}

func openMutex(r *Region) (*Mutex, error)           { return MutexOf(r, "x") }
func openRWMutex(r *Region) (*RWMutex, error)       { return RWMutexOf(r, "x") }
func openVar(r *Region) (*Var[[3]int64], error)     { return VarOf[[3]int64](r, "x") }
func openWord(r *Region) (*Var[int32], error)       { return VarOf[int32](r, "x") }
func openCounter(r *Region) (*Counter, error)       { return CounterOf(r, "x") }
func openChan(r *Region) (*Chan[int64], error)      { return ChanOf[int64](r, "x", 4) }
func openTopic(r *Region) (*Topic[int64], error)    { return TopicOf[int64](r, "x", 4) }
func openMap(r *Region) (*Map[int32, int64], error) { return MapOf[int32, int64](r, "x", 8) }
func openDoc(r *Region) (*Doc[[]int], error)        { return DocOf[[]int](r, "x", 64) }
func openRecords(r *Region) (*Records, error)       { return RecordsOf(r, "x", 256) }
func openNothing(r *Region) (*Region, error)        { return r, nil }

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
func unlessDied(err error, consistent func()) error {
	if errors.Is(err, ErrOwnerDied) {
		consistent()
		return nil
	}
	return err
}

// checkMutex: the lock can be had, and given back.
func checkMutex(ctx context.Context, m *Mutex, _ bool) error {
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

func checkRWMutex(ctx context.Context, m *RWMutex, _ bool) error {
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
func checkVar[T comparable](before, after, other T) func(ctx context.Context, x *Var[T], ended bool) error {
	return func(ctx context.Context, x *Var[T], ended bool) error {
		got, err := x.Load()
		if err != nil {
			return err
		}
		old := before
		if ended {
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

// drainTo sends 9, and returns all that comes up to it.
func drainTo(ctx context.Context, send func(context.Context) error, receive func(context.Context) (int64, error)) (got []int64, err error) {
	sent := make(chan error, 1)
	go func() { sent <- send(ctx) }()
	for {
		m, err := receive(ctx)
		if err != nil {
			return got, err
		}
		if m == 9 {
			return got, <-sent
		}
		got = append(got, m)
	}
}

// checkChan: of what was sent before and by the victim, one of these is left. A message that
// a receiver was killed at may come after later ones.
func checkChan(want ...[]int64) func(ctx context.Context, c *Chan[int64], ended bool) error {
	return func(ctx context.Context, c *Chan[int64], ended bool) error {
		got, err := drainTo(ctx, func(ctx context.Context) error { return c.Send(ctx, 9) }, c.Receive)
		if err != nil {
			return err
		}
		if ended {
			return oneOf(got, want[len(want)-1])
		}
		return oneOf(got, want...)
	}
}

func checkRecords(want ...[]int64) func(ctx context.Context, q *Records, ended bool) error {
	return func(ctx context.Context, q *Records, ended bool) error {
		got, err := drainTo(ctx, func(ctx context.Context) error { return q.Send(ctx, []byte{9, 9, 9, 9, 9, 9, 9, 9, 9}) }, func(ctx context.Context) (int64, error) {
			b, err := q.Receive(ctx, nil)
			if err != nil || len(b) != 9 || slices.ContainsFunc(b, func(x byte) bool { return x != b[0] }) {
				return 0, fmt.Errorf("record %v: %w", b, err)
			}
			return int64(b[0]), nil
		})
		if err != nil {
			return err
		}
		if ended {
			return oneOf(got, want[len(want)-1])
		}
		return oneOf(got, want...)
	}
}

func nine(n byte) []byte { return []byte{n, n, n, n, n, n, n, n, n} }

// checkTopic: a new subscriber gets what is published now.
func checkTopic(ctx context.Context, p *Topic[int64], _ bool) error {
	s, err := p.Subscribe(Gated)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = drainTo(ctx, func(ctx context.Context) error {
		for range 6 { // more than there are cells
			if err := p.Publish(ctx, 8); err != nil {
				return err
			}
		}
		return p.Publish(ctx, 9)
	}, func(ctx context.Context) (int64, error) {
		m, _, err := s.Next(ctx)
		return m, err
	})
	return err
}

// checkMap: key 1 has one of these values, 0 being none, key 2 has 20, and all eight fit.
func checkMap(want ...int64) func(ctx context.Context, m *Map[int32, int64], ended bool) error {
	return func(ctx context.Context, m *Map[int32, int64], ended bool) error {
		want := want
		if ended {
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
		if _, err := m.region.Reap(); err != nil {
			return err
		}
		if n, err := m.Len(); err != nil || n != 8 {
			return fmt.Errorf("it has %d entries, %v; want 8", n, err)
		}
		return nil
	}
}

func checkDoc(ctx context.Context, d *Doc[[]int], ended bool) error {
	got, err := d.Load()
	if err != nil {
		return err
	}
	want := [][]int{{1, 2}, {3, 4, 5}}
	if ended {
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

var stepRoles = []stepRole{
	roleOf("Mutex/Lock, Unlock", openMutex, nil, func(ctx context.Context, m *Mutex) error {
		return errors.Join(m.Lock(ctx), m.Unlock())
	}, checkMutex),
	roleOf("RWMutex/Lock, Unlock", openRWMutex, nil, func(ctx context.Context, m *RWMutex) error {
		return errors.Join(m.Lock(ctx), m.Unlock())
	}, checkRWMutex),
	roleOf("RWMutex/RLock, RUnlock", openRWMutex, nil, func(ctx context.Context, m *RWMutex) error {
		return errors.Join(m.RLock(ctx), m.RUnlock())
	}, checkRWMutex),
	roleOf("Var/Store", openVar, func(ctx context.Context, x *Var[[3]int64]) error { return x.Store(ctx, [3]int64{1, 2, 3}) },
		func(ctx context.Context, x *Var[[3]int64]) error { return x.Store(ctx, [3]int64{4, 5, 6}) },
		checkVar([3]int64{1, 2, 3}, [3]int64{4, 5, 6}, [3]int64{7, 8, 9})),
	roleOf("Var/Update", openVar, func(ctx context.Context, x *Var[[3]int64]) error { return x.Store(ctx, [3]int64{1, 2, 3}) },
		func(ctx context.Context, x *Var[[3]int64]) error {
			return x.Update(ctx, func(v *[3]int64) { v[0] = 4 })
		},
		checkVar([3]int64{1, 2, 3}, [3]int64{4, 2, 3}, [3]int64{7, 8, 9})),
	roleOf("Var/Store of one word", openWord, func(ctx context.Context, x *Var[int32]) error { return x.Store(ctx, 1) },
		func(ctx context.Context, x *Var[int32]) error { return x.Store(ctx, 2) }, checkVar[int32](1, 2, 3)),
	roleOf("Counter/Add", openCounter, nil, func(_ context.Context, c *Counter) error { _, err := c.Add(5); return err },
		func(_ context.Context, c *Counter, ended bool) error {
			n, err := c.Load()
			if err != nil {
				return err
			}
			return oneOf(n, 5) // it changes only once
		}),
	roleOf("Chan/Send", openChan, func(ctx context.Context, c *Chan[int64]) error { return c.Send(ctx, 1) },
		func(ctx context.Context, c *Chan[int64]) error { return c.Send(ctx, 2) }, checkChan([]int64{1}, []int64{1, 2})),
	roleOf("Chan/SendAll", openChan, nil,
		func(ctx context.Context, c *Chan[int64]) error {
			_, err := c.SendAll(ctx, []int64{1, 2, 3})
			return err
		},
		checkChan(nil, []int64{1}, []int64{1, 2}, []int64{1, 2, 3})),
	roleOf("Chan/Receive", openChan, func(ctx context.Context, c *Chan[int64]) error {
		_, err := c.SendAll(ctx, []int64{1, 2})
		return err
	}, func(ctx context.Context, c *Chan[int64]) error { _, err := c.Receive(ctx); return err }, checkChan([]int64{1, 2}, []int64{2, 1}, []int64{2})),
	roleOf("Chan/Handle", openChan, func(ctx context.Context, c *Chan[int64]) error {
		_, err := c.SendAll(ctx, []int64{1, 2})
		return err
	}, func(ctx context.Context, c *Chan[int64]) error {
		return c.Handle(ctx, func(int64) error { return nil })
	}, checkChan([]int64{1, 2}, []int64{2, 1}, []int64{2})),
	roleOf("Chan/Close", openChan, func(ctx context.Context, c *Chan[int64]) error { return c.Send(ctx, 1) },
		func(_ context.Context, c *Chan[int64]) error { return c.Close() }, func(ctx context.Context, c *Chan[int64], _ bool) error {
			if m, err := c.Receive(ctx); err != nil || m != 1 {
				return fmt.Errorf("received %d, %v; want 1", m, err)
			}
			if _, err := c.Receive(ctx); err == nil || err.Error() != "EOF" {
				return fmt.Errorf("received with %v; want the end", err)
			}
			return nil
		}),
	roleOf("Topic/Publish", openTopic, func(ctx context.Context, p *Topic[int64]) error { return p.Publish(ctx, 1) },
		func(ctx context.Context, p *Topic[int64]) error { return p.Publish(ctx, 2) }, checkTopic),
	roleOf("Topic/Subscribe, Close", openTopic, nil, func(_ context.Context, p *Topic[int64]) error {
		s, err := p.Subscribe(Gated)
		if err != nil {
			return err
		}
		return s.Close()
	}, checkTopic),
	roleOf("Topic/Next", openTopic, nil, func(ctx context.Context, p *Topic[int64]) error {
		s, err := p.Subscribe(Gated)
		if err != nil {
			return err
		}
		if err := p.Publish(ctx, 1); err != nil {
			return err
		}
		_, _, err = s.Next(ctx)
		return err
	}, checkTopic),
	roleOf("Map/Store of a new key", openMap, func(ctx context.Context, m *Map[int32, int64]) error { return m.Store(ctx, 2, 20) },
		func(ctx context.Context, m *Map[int32, int64]) error { return m.Store(ctx, 1, 10) }, checkMap(0, 10)),
	roleOf("Map/Store of another value", openMap, func(ctx context.Context, m *Map[int32, int64]) error {
		return errors.Join(m.Store(ctx, 2, 20), m.Store(ctx, 1, 10))
	}, func(ctx context.Context, m *Map[int32, int64]) error { return m.Store(ctx, 1, 11) }, checkMap(10, 11)),
	roleOf("Map/Delete", openMap, func(ctx context.Context, m *Map[int32, int64]) error {
		return errors.Join(m.Store(ctx, 2, 20), m.Store(ctx, 1, 10))
	}, func(ctx context.Context, m *Map[int32, int64]) error { _, err := m.Delete(ctx, 1); return err }, checkMap(10, 0)),
	roleOf("Doc/Store", openDoc, func(ctx context.Context, d *Doc[[]int]) error { return d.Store(ctx, []int{1, 2}) },
		func(ctx context.Context, d *Doc[[]int]) error { return d.Store(ctx, []int{3, 4, 5}) }, checkDoc),
	roleOf("Records/Send", openRecords, func(ctx context.Context, q *Records) error { return q.Send(ctx, nine(1)) },
		func(ctx context.Context, q *Records) error { return q.Send(ctx, nine(2)) }, checkRecords([]int64{1}, []int64{1, 2})),
	roleOf("Records/Receive", openRecords, func(ctx context.Context, q *Records) error {
		return errors.Join(q.Send(ctx, nine(1)), q.Send(ctx, nine(2)))
	}, func(ctx context.Context, q *Records) error { _, err := q.Receive(ctx, nil); return err }, checkRecords([]int64{1, 2}, []int64{2, 1}, []int64{2})),
	roleOf("Region/declare", openNothing, nil, func(_ context.Context, r *Region) error { _, err := openChan(r); return err },
		func(ctx context.Context, r *Region, _ bool) error {
			c, err := openChan(r)
			if err != nil {
				return err
			}
			return checkChan(nil)(ctx, c, false)
		}),
	roleOf("Region/Close", openNothing, nil, func(_ context.Context, r *Region) error { return r.Close() },
		func(_ context.Context, r *Region, _ bool) error {
			if _, err := r.Reap(); err != nil {
				return err
			}
			all, err := r.Participants()
			if err != nil {
				return err
			}
			if len(all) != 1 {
				return fmt.Errorf("%d participants are left, want 1: %+v", len(all), all)
			}
			return nil
		}),
	joiner,
	reaper("Region/Reap after a sender", func(r *Region, v *view) error {
		c, err := openChan(r)
		if err != nil {
			return err
		}
		c.ring.claimSend(v, true)
		return nil
	}, func(ctx context.Context, r *Region, _ bool) error {
		c, err := openChan(r)
		if err != nil {
			return err
		}
		return checkChan(nil)(ctx, c, false)
	}),
}

// joiner is the role of whoever opens a region that is there.
var joiner = func() stepRole {
	role := roleOf("Region/Ensure", openNothing, nil, nil, func(_ context.Context, r *Region, ended bool) error {
		if _, err := r.Reap(); err != nil {
			return err
		}
		all, err := r.Participants()
		if err == nil {
			err = oneOf(len(all), 1) // its process is dead in any case
		}
		return err
	})
	role.victim = func(key sysvipc.Key) (func() error, error) {
		return func() error { _, err := smallRegion(key); return err }, startGuardians()
	}
	return role
}()

// reaper is the role of whoever looks after a dead participant, who was at work as dies says.
// The victim is both: it marks the one dead as the kernel does.
func reaper(name string, dies func(r *Region, v *view) error, check func(ctx context.Context, r *Region, ended bool) error) stepRole {
	role := roleOf(name, openNothing, nil, func(_ context.Context, r *Region) error { _, err := r.Reap(); return err }, check)
	open := role.victim
	role.victim = func(key sysvipc.Key) (func() error, error) {
		dead, err := smallRegion(key)
		if err != nil {
			return nil, err
		}
		v := dead.view.Load()
		if err := dies(dead, v); err != nil {
			return nil, err
		}
		call, err := open(key)
		if err != nil {
			return nil, err
		}
		life := &v.slot(dead.plan, dead.slot).life
		dead.guardian.mu.Lock()
		dead.guardian.remove(life)
		dead.guardian.mu.Unlock()
		life.word = futexOwnerDied
		return call, nil
	}
	return role
}
