package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/sysvipc/sysvipc"
)

// watch tells a set of its changes, and of the ends of sessions, for as long as it is
// open: a process that waits once will wait again.
type watch struct {
	set     *SemaphoreSet
	watcher *watcher
	cancel  context.CancelFunc
	ended   chan struct{}
}

// begin starts the watch if there is none, and returns when it has told what there is.
func (s *SemaphoreSet) begin(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	begun, closed := s.watch != nil, s.done
	s.mu.Unlock()
	if begun {
		return nil
	}
	if closed {
		return errClosed
	}
	own, cancel := context.WithCancel(context.Background())
	w := &watch{set: s, cancel: cancel}
	for {
		ready := make(chan struct{})
		err := s.conn.Retry(ctx, func(context.Context) (err error) {
			w.watcher, err = s.conn.watch(own, s.key, "lease."+s.tok+".*")
			return err
		})
		if err != nil {
			cancel()
			return err
		}
		w.ended = make(chan struct{})
		go w.run(own, ready)
		select {
		case <-ready:
		case <-w.ended: // the servers have refused to go on
			continue
		case <-ctx.Done():
			w.stop()
			return ctx.Err()
		}
		break
	}
	s.mu.Lock()
	s.watch = w
	closed = s.done
	s.mu.Unlock()
	if closed {
		w.stop()
	}
	return nil
}

// reconnected begins the watch again: the server that had the old one may be another now,
// or has forgotten it; or nats.go has given up, as it does if the servers refuse.
func (s *SemaphoreSet) reconnected() {
	s.starting.Lock()
	s.mu.Lock()
	w := s.watch
	s.watch = nil
	s.mu.Unlock()
	s.starting.Unlock()
	if w == nil {
		return
	}
	w.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.begin(ctx) // the next waiter would do it otherwise
}

func (w *watch) stop() {
	w.cancel()
	<-w.ended
	w.watcher.stop()
}

// run hears of the sessions and the set in the order of their writing: a session's lease
// is written before the set first names it, so one that is named and not known has ended,
// unless its latest lease is still to come. So it is when the watch begins, and when it was
// interrupted for a while: of what was written meanwhile only the last of each arrives.
//
// If the servers then say no more, though there was more to come, or what a dead session held
// could not be given back, the watch begins again: that tells all there is.
//
// The marks of ended sessions are taken away by the watch that gave back, and by each when it
// begins.
func (w *watch) run(ctx context.Context, ready chan struct{}) {
	defer close(w.ended)
	s := w.set
	prefix := "lease." + s.tok + "."
	alive := map[string]lease{}
	marks := map[string]uint64{} // revisions
	complete, sweeps := false, true
	clock := time.NewTicker(heartbeat)
	defer clock.Stop()
	var last *semState
	var stale <-chan time.Time
	for {
		var e *change
		tick := false
		select {
		case e = <-w.watcher.changes:
			stale = nil
		case <-clock.C:
			if tick = stale == nil && last != nil; !tick {
				continue // a renewal may be still to come
			}
		case <-w.watcher.closed:
			go s.reconnected()
			return
		case <-stale:
			go s.reconnected()
			return
		case <-ctx.Done():
			return
		}
		switch {
		case tick:
			ended := false
			for id, l := range alive {
				if last.in(id) && l.end(ctx, s.conn, prefix+id) {
					delete(alive, id)
					ended = true
					continue
				}
				alive[id] = l
			}
			if !ended {
				continue
			}
		case e == nil:
			complete = true
			close(ready)
		case e.key == s.key:
			st, err := decodeState(e.data)
			if err != nil {
				continue
			}
			last = st
			s.mu.Lock()
			earlier := e.revision < s.revision
			s.mu.Unlock()
			if earlier { // of a replica that is behind, or of servers that went back
				if st, revision, err := s.load(ctx); err == nil {
					s.heard(st, revision)
				}
				break
			}
			s.heard(st, e.revision)
		default:
			id := e.key[len(prefix):]
			if !e.gone {
				alive[id] = readLease(e)
				continue
			}
			delete(alive, id)
			if e.expired {
				marks[id] = e.revision
			}
		}
		if !complete || last == nil || last.Removed || last.Made != s.made {
			continue
		}
		if e != nil && !e.last {
			stale = time.After(3 * heartbeat)
			continue
		}
		var dead []string
		for id := range last.Hold {
			if _, ok := alive[id]; !ok {
				dead = append(dead, id)
			}
		}
		if len(dead) > 0 {
			reaped, err := s.reap(ctx, dead)
			if err != nil {
				stale = time.After(heartbeat)
			}
			sweeps = sweeps || reaped
			continue // the entry comes again, without them
		}
		for id, revision := range marks {
			if sweeps {
				s.conn.unmark(prefix+id, revision)
			}
			delete(marks, id)
		}
		sweeps = false
	}
}

// reap gives back what sessions held that have ended, and reports whether there was anything.
func (s *SemaphoreSet) reap(ctx context.Context, dead []string) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err = s.change(ctx, nil, func(st *semState) (bool, error) {
		found = false
		for _, id := range dead {
			found = st.end(id) || found
		}
		if found {
			s.conn.metrics.Count("reaped", s.name, len(dead))
		}
		return found, nil
	})
	if errors.Is(err, sysvipc.ErrRemoved) {
		err = nil
	}
	return found, err
}

// as calls f with the set's session. If that ends under f and held nothing, it does so once
// more, with a new one.
func (s *SemaphoreSet) as(ctx context.Context, f func(*session) error) error {
	for again := true; ; again = false {
		own, err := s.live(ctx)
		if err == nil {
			err = f(own)
		}
		if !again || !errors.Is(err, ErrLeaseLost) || own == nil || own.held() {
			return err
		}
	}
}

// live returns the set's session, and takes a lease if there is none.
func (s *SemaphoreSet) live(ctx context.Context) (*session, error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	own, closed := s.session, s.done
	s.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case own != nil && own.alive():
		return own, nil
	case own != nil:
		own.lose()
		if own.held() {
			return nil, ErrLeaseLost
		}
	}
	own, err := s.conn.newSession(ctx, s.tok)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.session = own
	s.mu.Unlock()
	return own, nil
}
