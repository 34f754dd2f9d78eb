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
	c.Hold, c.Done = maps.Clone(s.Hold), maps.Clone(s.Done) // empty ones, too: they are written to
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
