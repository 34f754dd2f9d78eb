package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sysvipc/sysvipc"
)

// Do makes all operations at once, or waits until that is possible. It makes all or none.
// It fails with ErrRemoved if the set is removed, with the context's error if that ends
// first, with ErrTooBig for an index that is not there or a value beyond 32,767, and with
// ErrLeaseLost if the others have taken this process for dead.
//
// It does not poll: whoever makes way for it does its operations with its own. Goroutines
// that wait for the same with one SemaphoreSet stand in line, and count as one waiter.
func (s *SemaphoreSet) Do(ctx context.Context, ops ...sysvipc.Op) error {
	_, _, err := s.do(ctx, "operate on", ops, true)
	return err
}

// TryDo makes all operations at once if that is possible now, and reports whether it was.
func (s *SemaphoreSet) TryDo(ctx context.Context, ops ...sysvipc.Op) (bool, error) {
	_, ok, err := s.do(ctx, "operate on", ops, false)
	return ok, err
}

// do returns the token of the grant.
func (s *SemaphoreSet) do(ctx context.Context, op string, ops []sysvipc.Op, wait bool) (token uint64, ok bool, err error) {
	if ctx.Err() != nil {
		return 0, false, s.cancelled(op, ctx)
	}
	all := make([]semOp, len(ops))
	undo := false
	for i, o := range ops {
		if all[i], err = readOp(o); err != nil {
			return 0, false, s.refuse(op, nil, "%v", err)
		}
		if d := all[i][1]; d > maxValue || d < -maxValue {
			return 0, false, s.refuse(op, sysvipc.ErrTooBig, "operation %d adds %d: a value has from 0 to %d", i, d, maxValue)
		}
		undo = undo || all[i][2] != 0
	}
	if len(ops) == 0 {
		return 0, false, s.refuse(op, nil, "no operation is given")
	}
	token, ok, err = s.try(ctx, op, all, undo, !wait)
	if err == nil && !ok && (wait || s.held()) {
		// Those in the way may be dead, which the watch finds out.
		if err = s.begin(ctx); err == nil && wait {
			token, ok, err = s.wait(ctx, op, all, undo)
		} else if err == nil {
			token, ok, err = s.try(ctx, op, all, undo, true)
		}
	}
	if ok {
		s.conn.metrics.Count("operations", s.name, 1)
	}
	return token, ok, s.wrong(ctx, op, err)
}

// held reports whether anybody holds something with undo.
func (s *SemaphoreSet) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != nil && (len(s.state.Hold) > 0 || len(s.state.Done) > 0)
}

// check refuses operations on semaphores that are not there.
func (s *SemaphoreSet) check(op string, st *semState, ops []semOp) error {
	for i, o := range ops {
		if o[0] < 0 || o[0] >= len(st.Values) {
			return s.refuse(op, outside(o[0], 0), "operation %d is on semaphore %d: the set has those from 0 to %d", i, o[0], len(st.Values)-1)
		}
	}
	return nil
}

// try makes the operations if that is possible now. With sure it asks the leader before it
// says that it is not.
func (s *SemaphoreSet) try(ctx context.Context, op string, ops []semOp, undo, sure bool) (token uint64, ok bool, err error) {
	id := ""
	if undo {
		own, err := s.live(ctx, true)
		if err != nil {
			return 0, false, err
		}
		id = own.id
	}
	for range 2 {
		stale := false
		err = s.change(ctx, func(st *semState) (bool, error) {
			ok = false
			if err := s.check(op, st, ops); err != nil {
				return false, err
			}
			switch st.apply(id, ops) {
			case tooBig:
				return false, s.refuse(op, sysvipc.ErrTooBig, "a value would pass %d, or what is to be undone", maxValue)
			case blocked:
				stale = true
				return false, nil
			}
			st.Token++
			token, ok = st.Token, true
			return true, nil
		})
		if err != nil || !stale || !sure {
			return token, ok && err == nil, err
		}
		// So it was when it was last heard of.
		st, revision, err := s.load(ctx)
		if err != nil {
			return 0, false, err
		}
		s.heard(st, revision)
	}
	return 0, false, nil
}

// wait stands in line. Of those of this process that wait for the same, the servers know
// one at a time: so an entry stays small with whom a thousand goroutines wait.
func (s *SemaphoreSet) wait(ctx context.Context, op string, ops []semOp, undo bool) (token uint64, ok bool, err error) {
	key := fmt.Sprint(ops)
	s.mu.Lock()
	turn := s.turns[key]
	if turn == nil {
		turn = &turnOf{here: make(chan struct{}, 1)}
		s.turns[key] = turn
	}
	turn.users++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		if turn.users--; turn.users == 0 {
			delete(s.turns, key)
		}
		s.mu.Unlock()
	}()
	select {
	case turn.here <- struct{}{}:
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	defer func() { <-turn.here }()
	return s.waitFirst(ctx, op, ops, undo)
}

// turnOf is the line of those of this process that wait for the same.
type turnOf struct {
	here  chan struct{}
	users int
}

func (s *SemaphoreSet) waitFirst(ctx context.Context, op string, ops []semOp, undo bool) (token uint64, ok bool, err error) {
	own, err := s.live(ctx, undo)
	if err != nil {
		return 0, false, err
	}
	w := &semWait{ID: s.conn.number(), Session: own.id, Ops: ops}
	entered := false
	err = s.change(ctx, func(st *semState) (bool, error) {
		if err := s.check(op, st, ops); err != nil {
			return false, err
		}
		if entered = st.Done[w.ID] == nil && !st.waits(w.ID); entered {
			// The one that can go on at once is granted so, by settle.
			st.Wait = append(st.Wait, w)
		}
		return entered, nil
	})
	if err != nil {
		// What was written is not certain, but it names this session.
		return 0, false, err
	}
	line, err := s.stand(ctx, w)
	if err != nil {
		return 0, false, err
	}
	defer func() {
		s.mu.Lock()
		delete(s.lines, w.ID)
		s.mu.Unlock()
	}()
	select {
	case <-line:
	case <-own.lost:
		return 0, false, ErrLeaseLost
	case <-ctx.Done():
		return s.leave(ctx, w)
	}
	return s.granted(ctx, w)
}

// stand returns what is closed when there is news of a wait that was written.
func (s *SemaphoreSet) stand(ctx context.Context, w *semWait) (<-chan struct{}, error) {
	line := make(chan struct{})
	for {
		s.mu.Lock()
		switch {
		case s.state == nil:
		case s.state.waits(w.ID):
			s.lines[w.ID] = line
			s.mu.Unlock()
			return line, nil
		default: // it is over already
			s.mu.Unlock()
			close(line)
			return line, nil
		}
		s.mu.Unlock()
		st, revision, err := s.load(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		s.heard(st, revision)
	}
}

// granted finds out what came of a wait that has ended.
func (s *SemaphoreSet) granted(ctx context.Context, w *semWait) (uint64, bool, error) {
	s.mu.Lock()
	st := s.state
	s.mu.Unlock()
	if st == nil || st.waits(w.ID) {
		var err error
		if st, _, err = s.load(context.WithoutCancel(ctx)); err != nil {
			return 0, false, err
		}
	}
	if st.Removed || st.Made != s.made {
		return 0, false, sysvipc.ErrRemoved
	}
	g := st.Done[w.ID]
	if g == nil {
		return 0, false, ErrLeaseLost // somebody took this process for dead
	}
	s.mu.Lock()
	s.noticed = append(s.noticed, w.ID)
	first := len(s.noticed) == 1
	s.mu.Unlock()
	if first {
		s.sayNoticed()
	}
	if g.Range {
		return 0, false, s.refuse("operate on", sysvipc.ErrTooBig, "a value would pass %d, or what is to be undone", maxValue)
	}
	return g.Token, true, nil
}

// leave takes a wait out of the line. If it was granted meanwhile, that is a success.
func (s *SemaphoreSet) leave(ctx context.Context, w *semWait) (uint64, bool, error) {
	err := s.change(context.WithoutCancel(ctx), func(st *semState) (bool, error) {
		n := len(st.Wait)
		st.Wait = slices.DeleteFunc(st.Wait, func(o *semWait) bool { return o.ID == w.ID })
		return len(st.Wait) < n, nil
	})
	if err != nil {
		return 0, false, errors.Join(ctx.Err(), err)
	}
	s.mu.Lock()
	granted := s.state != nil && s.state.Done[w.ID] != nil
	s.mu.Unlock()
	if granted {
		return s.granted(ctx, w)
	}
	return 0, false, ctx.Err()
}
