package cluster

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc"
)

// SemaphoreSet is a set of counting semaphores that the servers keep: values from 0 to
// 32,767 that [SemaphoreSet.Do] changes together, all or none. Safe for concurrent use.
//
// It is one entry, changed by compare-and-swap. What this SemaphoreSet did with undo is
// given back when it is closed, or when the others have not heard of this process for as
// long as [Options.Lease]: the process that sees that does it. Then this SemaphoreSet cannot be
// used with undo any more: its calls fail with ErrLeaseLost, and it must be opened again.
type SemaphoreSet struct {
	object
	conn *Conn
	tok  string
	key  string
	made int64

	mu        sync.Mutex
	state     *semState // as last heard of, or nil
	revision  uint64
	session   *session
	lines     map[string]chan struct{} // by wait: closed when there is news of it
	turns     map[string]*turnOf       // those of this process who wait, by what for
	noticed   []string                 // waits whose grant is known here, and not yet said so
	abandoned []string                 // waits that nobody waits for, which may be in the entry
	watch     *watch
	done      bool

	starting sync.Mutex    // held while a session or a watch is made
	turn     chan struct{} // has room for one: writers of this process do not race with one another
}

// CreateSemaphores makes a set with these values. It fails with [fs.ErrExist] if there
// is one.
func (c *Conn) CreateSemaphores(ctx context.Context, name string, values ...int) (*SemaphoreSet, error) {
	return c.semaphores(ctx, "create", name, values)
}

// OpenSemaphores finds the set. It fails with [fs.ErrNotExist] if there is none.
func (c *Conn) OpenSemaphores(ctx context.Context, name string) (*SemaphoreSet, error) {
	return c.semaphores(ctx, "open", name, nil)
}

// EnsureSemaphores finds the set, or makes it with these values. A set that exists keeps
// its values, and must have at least as many semaphores.
func (c *Conn) EnsureSemaphores(ctx context.Context, name string, values ...int) (*SemaphoreSet, error) {
	return c.semaphores(ctx, "ensure", name, values)
}

// maxSemaphores is how many a set has at most: its entry is written whole.
const maxSemaphores = 4096

func (c *Conn) semaphores(ctx context.Context, op, name string, values []int) (*SemaphoreSet, error) {
	s := &SemaphoreSet{object: object{"semaphore set", name}, conn: c, lines: map[string]chan struct{}{}, turns: map[string]*turnOf{}, turn: make(chan struct{}, 1)}
	var err error
	if s.tok, err = token(name); err != nil {
		return nil, err
	}
	s.key = "sem." + s.tok
	if op != "open" && (len(values) < 1 || len(values) > maxSemaphores) {
		return nil, s.refuse(op, nil, "%d values: a set has from 1 to %d semaphores", len(values), maxSemaphores)
	}
	if err := s.checkValues(op, values); err != nil {
		return nil, err
	}
	if err := c.openBucket(ctx); err != nil {
		return nil, s.fail(op, err, "")
	}
	for {
		e, err := c.readLatest(ctx, s.key)
		if err != nil {
			return nil, s.fail(op, err, "")
		}
		fresh := &semState{Values: slices.Clone(values), Made: time.Now().UnixNano()}
		if e.revision > 0 && len(e.data) > 0 {
			old, err := decodeState(e.data)
			if err != nil {
				return nil, s.fail(op, err, "another program writes to bucket "+bucket)
			}
			switch {
			case old.Removed && op != "open":
				fresh.Token = old.Token // tokens never go back
			case old.Removed:
				return nil, s.fail(op, fs.ErrNotExist, "")
			case op == "create":
				return nil, s.fail(op, fs.ErrExist, "")
			case len(old.Values) < len(values):
				return nil, s.refuse(op, nil, "it has %d semaphores, not %d", len(old.Values), len(values))
			default:
				s.state, s.revision, s.made = old, e.revision, old.Made
				c.opened(s)
				return s, nil
			}
		} else if op == "open" {
			return nil, s.fail(op, fs.ErrNotExist, "")
		}
		revision, err := c.swap(ctx, s.key, fresh.encode(), e.revision, 0)
		if err != nil {
			return nil, s.fail(op, err, "")
		}
		if revision > 0 {
			s.state, s.revision, s.made = fresh, revision, fresh.Made
			c.opened(s)
			return s, nil
		}
	}
}

func (t object) checkValues(op string, values []int) error {
	for i, v := range values {
		if v < 0 || v > maxValue {
			return t.refuse(op, outside(v, 0), "value %d for semaphore %d: a value has from 0 to %d", v, i, maxValue)
		}
	}
	return nil
}

// Name returns the set's name.
func (s *SemaphoreSet) Name() string { return s.name }

// waits reports whether it still waits.
func (s *semState) waits(id string) bool {
	return slices.ContainsFunc(s.Wait, func(w *semWait) bool { return w.ID == id })
}

// holders returns how many sessions hold something.
func (s *semState) holders() (n int) {
	for _, undo := range s.Hold {
		if len(undo) > 0 {
			n++
		}
	}
	return n
}

// SemaphoreSetStat is what the servers keep of a set.
type SemaphoreSetStat struct {
	Len      int       // semaphores in the set
	Holders  int       // who hold something with undo
	Waiters  int       // who wait
	Token    uint64    // of the last grant
	Made     time.Time // when
	Operated time.Time // when last; zero if never
}

// Stat asks the servers for what they keep of the set.
func (s *SemaphoreSet) Stat(ctx context.Context) (SemaphoreSetStat, error) {
	st, err := s.fresh(ctx, "stat")
	if err != nil {
		return SemaphoreSetStat{}, err
	}
	stat := SemaphoreSetStat{Len: len(st.Values), Holders: st.holders(), Waiters: len(st.Wait), Token: st.Token, Made: time.Unix(0, st.Made)}
	if st.Operated != 0 {
		stat.Operated = time.Unix(0, st.Operated)
	}
	return stat, nil
}

func (s *SemaphoreSet) fresh(ctx context.Context, op string) (*semState, error) {
	st, revision, err := s.load(ctx)
	if err != nil {
		return nil, s.wrong(ctx, op, err)
	}
	s.heard(st, revision)
	return st, nil
}

// wrong wraps an error.
func (s *SemaphoreSet) wrong(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sysvipc.ErrRemoved):
		return s.removed(op)
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return s.ended(op, ctx, err)
	}
	return s.fail(op, err, "")
}

// Values returns all values at one instant.
func (s *SemaphoreSet) Values(ctx context.Context) ([]int, error) {
	st, err := s.fresh(ctx, "read the values of")
	if err != nil {
		return nil, err
	}
	return slices.Clone(st.Values), nil
}

// SetValues sets all values at one instant, and forgets all that was to be undone. There
// must be as many values as the set has semaphores.
func (s *SemaphoreSet) SetValues(ctx context.Context, values ...int) error {
	const op = "set the values of"
	if err := s.checkValues(op, values); err != nil {
		return err
	}
	err := s.change(ctx, nil, func(st *semState) (bool, error) {
		if len(values) != len(st.Values) {
			return false, s.refuse(op, nil, "a value for each of its %d semaphores is needed, not %d", len(st.Values), len(values))
		}
		copy(st.Values, values)
		for id := range st.Hold {
			st.Hold[id] = undos{}
		}
		return true, nil
	})
	return s.wrong(ctx, op, err)
}

// Remove removes the set. Its waiters get ErrRemoved.
func (s *SemaphoreSet) Remove(ctx context.Context) error {
	err := s.change(ctx, nil, func(st *semState) (bool, error) {
		*st = semState{Token: st.Token, Made: st.Made, Removed: true}
		return true, nil
	})
	return s.wrong(ctx, "remove", err)
}

// Close gives back what was done with undo, and forgets the set in this process.
func (s *SemaphoreSet) Close(ctx context.Context) error { return s.close(ctx) }

func (s *SemaphoreSet) close(ctx context.Context) error {
	s.mu.Lock()
	if s.done {
		s.mu.Unlock()
		return nil
	}
	s.done = true
	own, w := s.session, s.watch
	unsaid := len(s.noticed) + len(s.abandoned)
	s.mu.Unlock()
	s.conn.closed(s)
	if w != nil {
		w.stop()
	}
	var err error
	if own != nil || unsaid > 0 {
		err = s.change(ctx, nil, func(st *semState) (bool, error) {
			return own != nil && st.end(own.id) || unsaid > 0, nil
		})
		if errors.Is(err, sysvipc.ErrRemoved) {
			err = nil
		}
	}
	if own != nil {
		own.leave(ctx, err == nil)
	}
	return s.wrong(ctx, "close", err)
}
