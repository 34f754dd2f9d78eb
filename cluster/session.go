package cluster

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"time"
)

// session is by what the others know that this process lives: a lease, which is an entry
// that ends by itself unless it is written again in time.
type session struct {
	conn  *Conn
	key   string
	id    string
	since time.Time
	lost  chan struct{} // closed when it must be taken for ended

	// entered is whether the set's entry has, or may have, named it. The set's turn guards it.
	entered bool

	mu       sync.Mutex
	revision uint64
	until    time.Time // when it is lost; sooner than for the servers, whose time begins later
	ended    bool
	undo     bool // something is, or was, held with it
	renewal  *time.Timer
	limit    *time.Timer
}

// newSession takes a lease on the set with this token.
func (c *Conn) newSession(ctx context.Context, tok string) (*session, error) {
	s := &session{conn: c, id: c.number(), since: time.Now(), lost: make(chan struct{})}
	s.key = "lease." + tok + "." + s.id
	sent := time.Now()
	revision, err := c.swap(ctx, s.key, s.entry(), 0, c.lease)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision, s.until = revision, sent.Add(c.lease)
	s.renewal = time.AfterFunc(c.lease/3, s.renew)
	s.limit = time.AfterFunc(time.Until(s.until), s.lose)
	return s, nil
}

// leaseEntry is what a lease says of its session.
type leaseEntry struct {
	Lease time.Duration `json:"lease"` // how long it lasts
	Host  string        `json:"host"`
	PID   int           `json:"pid"`
	Since time.Time     `json:"since"` // by the clock of the host
}

// hostName is asked for once.
var hostName = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return name
})

// entry is the lease as it is written.
func (s *session) entry() []byte {
	text, err := json.Marshal(leaseEntry{s.conn.lease, hostName(), os.Getpid(), s.since})
	if err != nil {
		panic(err) // it has nothing that JSON cannot hold
	}
	return text
}

// lease is what a watcher knows of a session.
type lease struct {
	revision uint64
	length   time.Duration // 0: of an earlier release, which does not say
	overdue  time.Time     // by our clock
}

// readLease reads a lease that was written just now.
func readLease(e *change) lease {
	var said leaseEntry
	if json.Unmarshal(e.data, &said) != nil {
		said.Lease = 0
	}
	return lease{e.revision, said.Lease, time.Now().Add(2 * said.Lease)}
}

// end ends a lease that is overdue, and reports whether it has ended: a server whose clock went
// back lets it last. The session has lost it by its own clock before, and cannot renew it after.
func (l *lease) end(ctx context.Context, c *Conn, key string) bool {
	if l.length <= 0 || time.Now().Before(l.overdue) {
		return false
	}
	l.overdue = time.Now().Add(l.length)
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return c.end(ctx, key, l.revision) == nil
}

// renew writes the lease again.
func (s *session) renew() {
	s.mu.Lock()
	sent := time.Now()
	if s.ended || !sent.Before(s.until) {
		s.mu.Unlock()
		s.lose()
		return
	}
	revision, until := s.revision, s.until
	s.mu.Unlock()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	next, err := s.conn.swap(ctx, s.key, s.entry(), revision, s.conn.lease)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case err != nil:
		s.renewal.Reset(s.conn.lease / 10)
	case next == 0: // it has ended, and another process may have seen that
		go s.lose()
	default:
		s.revision = next
		s.until = sent.Add(s.conn.lease)
		s.limit.Reset(time.Until(s.until))
		s.renewal.Reset(s.conn.lease / 3)
	}
}

// lose ends the session if it was not renewed in time.
func (s *session) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.renewal.Stop()
	s.limit.Stop()
	close(s.lost)
	tok := strings.TrimSuffix(strings.TrimPrefix(s.key, "lease."), "."+s.id)
	s.conn.metrics.Count("leases_lost", nameOf(tok), 1)
}

// alive reports whether it may be relied on now.
func (s *session) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && time.Now().Before(s.until)
}

// hold notes that something is held with it, and reports whether it may be relied on now.
func (s *session) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := !s.ended && time.Now().Before(s.until)
	s.undo = s.undo || ok
	return ok
}

// held reports whether something is, or was, held with it.
func (s *session) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.undo
}

// leave ends the session: at once if the set does not name it any more, and else with its
// lease, which is not renewed.
func (s *session) leave(ctx context.Context, out bool) {
	s.mu.Lock()
	ended := s.ended
	s.ended = true
	s.renewal.Stop()
	s.limit.Stop()
	revision := s.revision
	s.mu.Unlock()
	if !ended && out {
		s.conn.end(ctx, s.key, revision)
	}
}
