package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Do makes all operations at once, or waits until that is possible. It makes all or none.
// It fails with ErrRemoved if the set is removed, with the context's error if that ends
// first, with ErrTooBig for an index that is not there or a value beyond 32,767, and with
// ErrLeaseLost if the others have taken this process for dead.
//
// It does not poll: the process that makes way for it does its operations with its own. Goroutines
// that wait for the same with one SemaphoreSet stand in line, and count as one waiter.
func (s *SemaphoreSet) Do(ctx context.Context, ops ...sysvipc.Op) error {
	_, err := s.do(ctx, "operate on", ops, true)
	return err
}

// TryDo makes all operations at once if that is possible now, and reports whether it was.
func (s *SemaphoreSet) TryDo(ctx context.Context, ops ...sysvipc.Op) (bool, error) {
	g, err := s.do(ctx, "operate on", ops, false)
	return g.ok, err
}

// request is what one call is about.
type request struct {
	op   string
	ops  []semOp
	undo bool
}

// granted is what came of it.
type granted struct {
	ok    bool // false: not now
	token uint64
	own   *session // of operations with undo
}

// read checks operations.
func (s *SemaphoreSet) read(op string, ops []sysvipc.Op) (r request, err error) {
	if len(ops) == 0 {
		return r, s.refuse(op, nil, "no operation is given")
	}
	r = request{op: op, ops: make([]semOp, len(ops))}
	for i, o := range ops {
		if r.ops[i], err = readOp(o); err != nil {
			return r, s.refuse(op, nil, "%v", err)
		}
		if d := r.ops[i][1]; d > maxValue || d < -maxValue {
			return r, s.refuse(op, sysvipc.ErrTooBig, "operation %d adds %d: a value has from 0 to %d", i, d, maxValue)
		}
		r.undo = r.undo || r.ops[i][2] != 0
	}
	return r, nil
}

func (s *SemaphoreSet) do(ctx context.Context, op string, ops []sysvipc.Op, wait bool) (g granted, err error) {
	if ctx.Err() != nil {
		return g, s.cancelled(op, ctx)
	}
	r, err := s.read(op, ops)
	if err != nil {
		return g, err
	}
	g, err = s.try(ctx, r, !wait)
	if err == nil && !g.ok && (wait || s.held()) {
		// Those in the way may be dead, which the watch finds out.
		if err = s.begin(ctx); err == nil && wait {
			g, err = s.wait(ctx, r)
		} else if err == nil {
			g, err = s.try(ctx, r, true)
		}
	}
	if g.ok {
		s.conn.metrics.Count("operations", s.name, 1)
	}
	return g, s.wrong(ctx, op, err)
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
func (s *SemaphoreSet) try(ctx context.Context, r request, sure bool) (g granted, err error) {
	if !r.undo {
		return s.tryAs(ctx, nil, r, sure)
	}
	err = s.as(ctx, func(own *session) error {
		g, err = s.tryAs(ctx, own, r, sure)
		return err
	})
	return g, err
}

// tryAs is try with a session.
func (s *SemaphoreSet) tryAs(ctx context.Context, own *session, r request, sure bool) (granted, error) {
	id := ""
	if own != nil {
		id = own.id
	}
	for range 2 {
		g, stale := granted{own: own}, false
		err := s.change(ctx, own, func(st *semState) (bool, error) {
			g.ok = false
			if err := s.check(r.op, st, r.ops); err != nil {
				return false, err
			}
			switch st.apply(id, r.ops) {
			case tooBig:
				return false, s.tooBig(r.op)
			case blocked:
				stale = true
				return false, nil
			}
			g.ok, g.token = true, st.grants()
			return true, nil
		})
		switch {
		case err != nil:
			return granted{}, err
		case g.ok && own != nil && !own.hold(): // others give it back
			return granted{}, ErrLeaseLost
		case g.ok || !stale || !sure:
			return g, nil
		}
		// So it was when it was last heard of.
		st, revision, err := s.load(ctx)
		if err != nil {
			return granted{}, err
		}
		s.heard(st, revision)
	}
	return granted{}, nil
}

func (s *SemaphoreSet) tooBig(op string) error {
	return s.refuse(op, sysvipc.ErrTooBig, "a value would pass %d, or what is to be undone", maxValue)
}

// wait stands in line. Of those of this process that wait for the same, the servers know
// one at a time: so an entry stays small with whom a thousand goroutines wait.
func (s *SemaphoreSet) wait(ctx context.Context, r request) (granted, error) {
	key := fmt.Sprint(r.ops)
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
		return granted{}, ctx.Err()
	}
	defer func() { <-turn.here }()
	return s.waitFirst(ctx, r)
}

// turnOf is the line of those of this process that wait for the same.
type turnOf struct {
	here  chan struct{}
	users int
}

func (s *SemaphoreSet) waitFirst(ctx context.Context, r request) (granted, error) {
	w := &semWait{ID: s.conn.number(), Ops: r.ops}
	var own *session
	err := s.as(ctx, func(as *session) error {
		own, w.Session = as, as.id
		return s.change(ctx, own, func(st *semState) (bool, error) {
			if err := s.check(r.op, st, r.ops); err != nil {
				return false, err
			}
			// The one that can go on at once is granted so, by grantWaiters.
			st.Wait = append(st.Wait, w)
			return true, nil
		})
	})
	if err != nil {
		s.abandon(w.ID) // it may have been written
		return granted{}, err
	}
	line, err := s.stand(ctx, w)
	if err != nil {
		s.abandon(w.ID)
		return granted{}, err
	}
	defer func() {
		s.mu.Lock()
		delete(s.lines, w.ID)
		s.mu.Unlock()
	}()
	select {
	case <-line:
	case <-own.lost:
		return granted{}, ErrLeaseLost
	case <-ctx.Done():
		return s.leave(ctx, own, w, r)
	}
	return s.granted(ctx, own, w, r)
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
		err := beyond(ctx, func(ctx context.Context) error {
			st, revision, err := s.load(ctx)
			if err == nil {
				s.heard(st, revision)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
}

// granted finds out what came of a wait that has ended.
func (s *SemaphoreSet) granted(ctx context.Context, own *session, w *semWait, r request) (granted, error) {
	s.mu.Lock()
	st := s.state
	s.mu.Unlock()
	if st == nil || st.waits(w.ID) {
		err := beyond(ctx, func(ctx context.Context) (err error) {
			st, _, err = s.load(ctx)
			return err
		})
		if err != nil {
			s.abandon(w.ID)
			return granted{}, err
		}
	}
	if st.Removed || st.Made != s.made {
		return granted{}, sysvipc.ErrRemoved
	}
	g := st.Done[w.ID]
	switch {
	case g == nil:
		own.lose() // another process took this one for dead
		return granted{}, ErrLeaseLost
	case g.Range:
		s.notice(w.ID)
		return granted{}, s.tooBig(r.op)
	case !r.keeps():
		// It holds by undo, and is given back by the session's end, whether others know that we
		// know or not.
		s.notice(w.ID)
	default:
		// Else the session's end would take it back.
		err := beyond(ctx, func(ctx context.Context) error {
			return s.change(ctx, own, func(st *semState) (bool, error) {
				if st.Done[w.ID] == nil {
					return false, ErrLeaseLost
				}
				delete(st.Done, w.ID)
				return true, nil
			})
		})
		if err != nil {
			s.abandon(w.ID)
			return granted{}, err
		}
	}
	if r.undo && !own.hold() && !r.keeps() {
		return granted{}, ErrLeaseLost
	}
	return granted{ok: true, token: g.Token, own: own}, nil
}

// keeps reports whether there are operations that are not undone.
func (r request) keeps() bool {
	return slices.ContainsFunc(r.ops, func(o semOp) bool { return o[1] != 0 && o[2] == 0 })
}

// leave takes a wait out of the line. If it was granted meanwhile, that is a success.
func (s *SemaphoreSet) leave(ctx context.Context, own *session, w *semWait, r request) (granted, error) {
	err := beyond(ctx, func(ctx context.Context) error {
		return s.change(ctx, nil, func(st *semState) (bool, error) {
			n := len(st.Wait)
			st.Wait = slices.DeleteFunc(st.Wait, func(o *semWait) bool { return o.ID == w.ID })
			return len(st.Wait) < n, nil
		})
	})
	if err != nil {
		s.abandon(w.ID)
		if errors.Is(err, ctx.Err()) {
			return granted{}, err
		}
		return granted{}, errors.Join(ctx.Err(), err)
	}
	s.mu.Lock()
	granting := s.state != nil && s.state.Done[w.ID] != nil
	s.mu.Unlock()
	if granting {
		return s.granted(ctx, own, w, r)
	}
	return granted{}, ctx.Err()
}

// notice has the next change say that a grant is known here.
func (s *SemaphoreSet) notice(id string) { s.sayLater(&s.noticed, id) }

// abandon has the next change take a wait out, or back, that nobody waits for any more.
func (s *SemaphoreSet) abandon(id string) { s.sayLater(&s.abandoned, id) }

// sayLater adds to a list. If no operation says it before, an own one does: soon, and again
// until the set is closed.
func (s *SemaphoreSet) sayLater(list *[]string, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := len(s.noticed)+len(s.abandoned) == 0
	*list = append(*list, id)
	if first {
		time.AfterFunc(s.conn.lease/3, s.say)
	}
}

func (s *SemaphoreSet) say() {
	s.mu.Lock()
	n, closed := len(s.noticed)+len(s.abandoned), s.done
	s.mu.Unlock()
	if n == 0 || closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.conn.lease/3)
	defer cancel()
	err := s.change(ctx, nil, func(*semState) (bool, error) { return true, nil })
	if err != nil && !errors.Is(err, sysvipc.ErrRemoved) {
		time.AfterFunc(s.conn.lease/3, s.say)
	}
}
