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
// long as [Options.Lease]: whoever sees that does it. Then this SemaphoreSet cannot be
// used with undo any more: its calls fail with ErrLeaseLost, and it is to be opened anew.
type SemaphoreSet struct {
	thing
	conn *Conn
	tok  string
	key  string
	made int64

	mu       sync.Mutex
	state    *semState // as last heard of, or nil
	revision uint64
	session  *session
	lines    map[string]chan struct{} // by wait: closed when there is news of it
	turns    map[string]*turnOf       // those of this process who wait, by what for
	noticed  []string                 // waits whose grant is known here, and not yet said so
	watch    *watch
	done     bool

	starting sync.Mutex // held while a session or a watch is made
	turn     sync.Mutex // writers of this process do not race with one another
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
	s := &SemaphoreSet{thing: thing{"semaphore set", name}, conn: c, lines: map[string]chan struct{}{}, turns: map[string]*turnOf{}}
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

func (t thing) checkValues(op string, values []int) error {
	for i, v := range values {
		if v < 0 || v > maxValue {
			return t.refuse(op, sysvipc.ErrTooBig, "value %d for semaphore %d: a value has from 0 to %d", v, i, maxValue)
		}
	}
	return nil
}

// Name returns the set's name.
func (s *SemaphoreSet) Name() string { return s.name }

// load returns the latest state.
func (s *SemaphoreSet) load(ctx context.Context) (*semState, uint64, error) {
	return s.stateOf(s.conn.readLatest(ctx, s.key))
}

// guess returns the state from the leader, for a change that fails if it is not the latest.
func (s *SemaphoreSet) guess(ctx context.Context) (*semState, uint64, error) {
	return s.stateOf(s.conn.read(ctx, s.key))
}

func (s *SemaphoreSet) stateOf(e entry, err error) (*semState, uint64, error) {
	if err != nil {
		return nil, 0, err
	}
	if e.revision == 0 || len(e.data) == 0 {
		return nil, 0, sysvipc.ErrRemoved
	}
	st, err := decodeState(e.data)
	if err != nil {
		return nil, 0, err
	}
	if st.Removed || st.Made != s.made {
		return nil, 0, sysvipc.ErrRemoved
	}
	return st, e.revision, nil
}

// current returns a copy of the state for the caller to change.
func (s *SemaphoreSet) current(ctx context.Context) (*semState, uint64, error) {
	s.mu.Lock()
	st, revision := s.state, s.revision
	s.mu.Unlock()
	if st != nil && (st.Removed || st.Made != s.made) {
		return nil, 0, sysvipc.ErrRemoved
	}
	if st != nil {
		return st.clone(), revision, nil
	}
	return s.load(ctx)
}

func (s *semState) clone() *semState {
	c := *s
	c.Values = slices.Clone(s.Values)
	c.Wait = slices.Clone(s.Wait)
	if len(s.Hold) > 0 {
		c.Hold = make(map[string][]int, len(s.Hold))
		for id, undo := range s.Hold {
			c.Hold[id] = undo
		}
	}
	if len(s.Done) > 0 {
		c.Done = make(map[string]*grant, len(s.Done))
		for id, g := range s.Done {
			c.Done[id] = g
		}
	}
	return &c
}

// change changes the state by f, as often as others come between, until f says that there
// is nothing to write.
func (s *SemaphoreSet) change(ctx context.Context, f func(*semState) (write bool, err error)) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	for {
		st, revision, err := s.current(ctx)
		if err != nil {
			return err
		}
		s.mu.Lock()
		noticed := slices.Clone(s.noticed)
		s.mu.Unlock()
		for _, id := range noticed {
			delete(st.Done, id)
		}
		write, err := f(st)
		if err != nil || !write {
			return err
		}
		st.settle()
		st.Operated = time.Now().UnixNano()
		next, err := s.conn.swap(ctx, s.key, st.encode(), revision, 0)
		if err != nil {
			s.heard(nil, 0)
			return err
		}
		if next > 0 {
			s.mu.Lock()
			s.noticed = slices.DeleteFunc(s.noticed, func(id string) bool { return slices.Contains(noticed, id) })
			s.mu.Unlock()
			s.heard(st, next)
			return nil
		}
		s.conn.metrics.Count("conflicts", s.name, 1)
		st, revision, err = s.guess(ctx)
		if err != nil {
			s.heard(nil, 0)
			return err
		}
		s.heard(st, revision)
	}
}

// heard notes a state, unless a later one is known. Nil: nothing is known any more.
func (s *SemaphoreSet) heard(st *semState, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st == nil {
		s.state = nil
		return
	}
	if revision < s.revision || s.state != nil && revision == s.revision {
		return
	}
	s.state, s.revision = st, revision
	for id, line := range s.lines {
		if st.Removed || st.Made != s.made || !st.waits(id) {
			close(line)
			delete(s.lines, id)
		}
	}
}

// waits reports whether it still waits.
func (s *semState) waits(id string) bool {
	return slices.ContainsFunc(s.Wait, func(w *semWait) bool { return w.ID == id })
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
	stat := SemaphoreSetStat{Len: len(st.Values), Holders: len(st.Hold), Waiters: len(st.Wait), Token: st.Token, Made: time.Unix(0, st.Made)}
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
		return s.cancelled(op, ctx)
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
	err := s.change(ctx, func(st *semState) (bool, error) {
		if len(values) != len(st.Values) {
			return false, s.refuse(op, nil, "a value for each of its %d semaphores is needed, not %d", len(st.Values), len(values))
		}
		copy(st.Values, values)
		clear(st.Hold)
		return true, nil
	})
	return s.wrong(ctx, op, err)
}

// Remove removes the set. Whoever waits on it gets ErrRemoved.
func (s *SemaphoreSet) Remove(ctx context.Context) error {
	err := s.change(ctx, func(st *semState) (bool, error) {
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
	noticed := len(s.noticed)
	s.mu.Unlock()
	s.conn.closed(s)
	if w != nil {
		w.stop()
	}
	var err error
	if own != nil || noticed > 0 {
		err = s.change(ctx, func(st *semState) (bool, error) {
			return own != nil && st.end(own.id) || noticed > 0, nil
		})
		if errors.Is(err, sysvipc.ErrRemoved) {
			err = nil
		}
	}
	if own != nil && err == nil {
		own.leave(ctx)
	}
	return s.wrong(ctx, "close", err)
}
