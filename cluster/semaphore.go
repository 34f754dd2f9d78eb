package cluster

import (
	"context"
	"sync"

	"github.com/sysvipc/sysvipc"
)

// Semaphore is one semaphore of a set. Get it with [SemaphoreSet.At]. It is a small
// value; copy it freely. Safe for concurrent use.
type Semaphore struct {
	set   *SemaphoreSet
	index int
	undo  bool
}

// At returns the semaphore with this index, which is checked when it is used.
func (s *SemaphoreSet) At(index int) Semaphore { return Semaphore{set: s, index: index} }

// Undo returns the same semaphore, whose Acquire and Release are given back when this
// process ends, or its lease does. Use it for both, or for neither.
func (m Semaphore) Undo() Semaphore {
	m.undo = true
	return m
}

func (m Semaphore) op(n int) sysvipc.Op {
	op := sysvipc.Add(m.index, n)
	if m.undo {
		op = op.Undo()
	}
	return op
}

// Acquire takes n, and waits until there are n: all at once, never some of them. See
// [SemaphoreSet.Do] for what ends the wait.
func (m Semaphore) Acquire(ctx context.Context, n int) error {
	if err := m.check("acquire", n); err != nil {
		return err
	}
	_, err := m.set.do(ctx, "acquire", []sysvipc.Op{m.op(-n)}, true)
	return err
}

// TryAcquire takes n if there are n now, and reports whether it did.
func (m Semaphore) TryAcquire(ctx context.Context, n int) (bool, error) {
	if err := m.check("acquire", n); err != nil {
		return false, err
	}
	g, err := m.set.do(ctx, "acquire", []sysvipc.Op{m.op(-n)}, false)
	return g.ok, err
}

// Release gives n back, or n new ones. It never waits for others. Beyond 32,767 it fails
// with ErrTooBig.
func (m Semaphore) Release(ctx context.Context, n int) error {
	if err := m.check("release", n); err != nil {
		return err
	}
	_, err := m.set.do(ctx, "release", []sysvipc.Op{m.op(n)}, false)
	return err
}

// WaitZero waits until the value is 0, and changes nothing.
func (m Semaphore) WaitZero(ctx context.Context) error {
	_, err := m.set.do(ctx, "wait for zero on", []sysvipc.Op{sysvipc.WaitZero(m.index)}, true)
	return err
}

func (m Semaphore) check(op string, n int) error {
	if n < 1 || n > maxValue {
		return m.set.refuse(op, outside(n, 1), "%d: from 1 to %d can be taken or given", n, maxValue)
	}
	return nil
}

// Value returns the value now.
func (m Semaphore) Value(ctx context.Context) (int, error) {
	st, err := m.fresh(ctx, "read the value of")
	if err != nil {
		return 0, err
	}
	return st.Values[m.index], nil
}

func (m Semaphore) fresh(ctx context.Context, op string) (*semState, error) {
	st, err := m.set.fresh(ctx, op)
	if err == nil {
		err = m.set.check(op, st, []semOp{{m.index}})
	}
	return st, err
}

// SetValue sets the value, lets those go on who can, and forgets what was to be undone of
// it.
func (m Semaphore) SetValue(ctx context.Context, value int) error {
	const op = "set the value of"
	if err := m.set.checkValues(op, []int{value}); err != nil {
		return err
	}
	err := m.set.change(ctx, nil, func(st *semState) (bool, error) {
		if err := m.set.check(op, st, []semOp{{m.index}}); err != nil {
			return false, err
		}
		st.Values[m.index] = value
		for id, undo := range st.Hold {
			st.Hold[id] = undo.add(m.index, -undo.of(m.index))
		}
		return true, nil
	})
	return m.set.wrong(ctx, op, err)
}

// Waiters returns how many wait to acquire and how many wait for zero, of all processes:
// each for the first of its operations that cannot be made.
func (m Semaphore) Waiters(ctx context.Context) (acquire, zero int, err error) {
	st, err := m.fresh(ctx, "count the waiters of")
	if err != nil {
		return 0, 0, err
	}
	for _, w := range st.Wait {
		values := append([]int{}, st.Values...)
		for _, o := range w.Ops {
			if o[1] == 0 && values[o[0]] != 0 || values[o[0]]+o[1] < 0 {
				switch {
				case o[0] != m.index:
				case o[1] == 0:
					zero++
				default:
					acquire++
				}
				break
			}
			values[o[0]] += o[1]
		}
	}
	return acquire, zero, nil
}

// Grant is what [SemaphoreSet.Take] got: for as long as the lease lasts, nobody else has
// it.
type Grant struct {
	// Token is larger than that of every earlier grant of the set, to any holder. A
	// process that was stopped cannot know that its lease has ended meanwhile: it finds
	// out only later. So hand the token to whatever the grant protects, and let that
	// refuse one that is smaller than the largest it has seen. It is the time in
	// microseconds, or more, so that it is larger also after the servers lost the set.
	Token uint64

	set  *SemaphoreSet
	back request // nothing if there is nothing to give back
	own  *session
	once sync.Once
}

// Take is [SemaphoreSet.Do] with undo for every operation. It returns a grant with a
// fencing token.
func (s *SemaphoreSet) Take(ctx context.Context, ops ...sysvipc.Op) (*Grant, error) {
	return s.grant(ctx, ops, true)
}

// TryTake is Take if it is possible now; else it returns nil.
func (s *SemaphoreSet) TryTake(ctx context.Context, ops ...sysvipc.Op) (*Grant, error) {
	return s.grant(ctx, ops, false)
}

func (s *SemaphoreSet) grant(ctx context.Context, ops []sysvipc.Op, wait bool) (*Grant, error) {
	with := make([]sysvipc.Op, len(ops))
	for i, o := range ops {
		with[i] = o.Undo()
	}
	got, err := s.do(ctx, "take from", with, wait)
	if err != nil || !got.ok {
		return nil, err
	}
	g := &Grant{Token: got.token, set: s, own: got.own, back: request{op: "give back to", undo: true}}
	for _, o := range with {
		if r, err := readOp(o); err == nil && r[1] != 0 {
			g.back.ops = append(g.back.ops, semOp{r[0], -r[1], 1})
		}
	}
	return g, nil
}

// Lost is closed when the lease has ended: from then on others may have what was granted.
func (g *Grant) Lost() <-chan struct{} { return g.own.lost }

// Give gives back what was taken. A second call does nothing. It fails with ErrLeaseLost
// if the lease has ended, which has given it back. After another error it may have been
// given back, or is with the set's Close.
func (g *Grant) Give(ctx context.Context) (err error) {
	g.once.Do(func() {
		switch {
		case len(g.back.ops) == 0:
		case ctx.Err() != nil:
			err = g.set.cancelled(g.back.op, ctx)
		case !g.own.alive():
			g.own.lose()
			err = g.set.wrong(ctx, g.back.op, ErrLeaseLost)
		default:
			_, err = g.set.tryAs(ctx, g.own, g.back, false)
			err = g.set.wrong(ctx, g.back.op, err)
		}
	})
	return err
}
