package cluster

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc"
)

// load returns the latest state.
func (s *SemaphoreSet) load(ctx context.Context) (*semState, uint64, error) {
	s.mu.Lock()
	known := s.revision
	s.mu.Unlock()
	e, err := s.conn.readLatest(ctx, s.key)
	if err == nil && e.revision < known {
		s.mu.Lock()
		s.state, s.revision = nil, 0
		s.mu.Unlock()
		s.conn.wentBack(s.object, known, e.revision)
	}
	return s.stateOf(e, err)
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
	c.Hold, c.Done = maps.Clone(s.Hold), maps.Clone(s.Done) // empty ones, too: they are written to
	return &c
}

// change changes the state by f, as often as others come between, until f says that there
// is nothing to write. With a session it fails with ErrLeaseLost unless that is in the very
// state that is written: so nothing that a session began is done after its end, however
// late it comes. Its first change takes it in.
func (s *SemaphoreSet) change(ctx context.Context, own *session, f func(*semState) (write bool, err error)) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	for {
		st, revision, err := s.current(ctx)
		if err != nil {
			return err
		}
		s.mu.Lock()
		noticed, abandoned := slices.Clone(s.noticed), slices.Clone(s.abandoned)
		s.mu.Unlock()
		for _, id := range noticed {
			delete(st.Done, id)
		}
		for _, id := range abandoned {
			st.abandon(id)
		}
		if own != nil && !own.enter(st) {
			own.lose()
			return ErrLeaseLost
		}
		write, err := f(st)
		if err != nil || !write {
			return err
		}
		st.grantWaiters()
		st.Operated = time.Now().UnixNano()
		next, err := s.conn.swap(ctx, s.key, st.encode(), revision, 0)
		if own != nil && (next > 0 || err != nil) {
			own.entered = true // or perhaps, which is the same: it may have been, and have ended since
		}
		if err != nil {
			s.heard(nil, 0)
			return err
		}
		if next > 0 {
			s.mu.Lock()
			known := func(ids []string) func(string) bool {
				return func(id string) bool { return slices.Contains(ids, id) }
			}
			s.noticed, s.abandoned = slices.DeleteFunc(s.noticed, known(noticed)), slices.DeleteFunc(s.abandoned, known(abandoned))
			s.mu.Unlock()
			s.heard(st, next)
			return nil
		}
		s.conn.metrics.Count("conflicts", s.name, 1)
		known := revision
		st, revision, err = s.guess(ctx)
		if err == nil && revision < known { // of a leader that is behind, or of servers that went back
			st, revision, err = s.load(ctx)
		}
		if err != nil {
			s.heard(nil, 0)
			return err
		}
		s.heard(st, revision)
	}
}

// enter takes the session into the state if it never was in one. It reports whether it is in.
func (s *session) enter(st *semState) bool {
	if _, in := st.Hold[s.id]; in || s.entered {
		return in
	}
	if st.Hold == nil {
		st.Hold = map[string]undos{}
	}
	st.Hold[s.id] = undos{}
	return true
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
