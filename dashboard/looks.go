package dashboard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
)

// Looks are the snapshots of this process's IPC namespace. Requests that come while one is taken
// share it, and so do those that come within Fresh after it: eight scrapers cost one snapshot. Safe
// for concurrent use.
type Looks struct {
	// Options are those of [inspect.Take]; nil for none.
	Options *inspect.Options
	// Fresh is for how long a snapshot serves further requests; 0 means one second.
	Fresh time.Duration

	mu     sync.Mutex
	flight *flight // the snapshot that is being taken; nil if none is
	last   *Look
	seen   map[identity]brief // the objects of the last snapshot
	found  map[string]bool    // the checks that found something in it
	counts Counts

	// Happened gets what happened from one snapshot to the next, one call after the other; nil for nobody.
	Happened func([]history.Event)

	take func(context.Context, *inspect.Options) (*inspect.Snapshot, error) // nil for inspect.Take
}

// flight is a snapshot that is being taken. Its look is set before done is closed.
type flight struct {
	began time.Time
	done  chan struct{}
	look  *Look
}

// Look is one snapshot, with what was found in it.
type Look struct {
	*inspect.Snapshot
	Findings []inspect.Finding
	Err      error         // why there is no snapshot
	Done     time.Time     // when it ended
	Took     time.Duration // how long it took
	Counts   Counts

	events []history.Event // at most maxEvents of objects
	more   int             // events beyond these
}

// Counts are what has happened from one snapshot to the next since the first. What appears and
// vanishes between two of them is not seen.
type Counts struct {
	Looks, Failed     int
	Appeared, Removed [kinds]int // by kind: segments, sets, queues
}

const kinds = 3

// identity tells objects apart: the kernel gives an ID again only after many others.
type identity struct {
	kind sysvipc.Kind
	id   int
}

// ErrNoAnswer: the machine has not answered in time. Reading /proc can hang, for example on the
// memory of a process that is stuck in the kernel; the snapshot goes on, and no second one begins.
var ErrNoAnswer = errors.New("the machine does not answer")

// Look returns a snapshot that is at most Fresh old. One that failed has Err set, and is shared
// likewise. The error is ErrNoAnswer if ctx ends first.
func (l *Looks) Look(ctx context.Context) (*Look, error) {
	fresh := l.Fresh
	if fresh == 0 {
		fresh = time.Second
	}
	return l.look(ctx, fresh)
}

// look returns a snapshot that is at most fresh old.
func (l *Looks) look(ctx context.Context, fresh time.Duration) (*Look, error) {
	l.mu.Lock()
	if l.last != nil && time.Since(l.last.Done) < fresh {
		defer l.mu.Unlock()
		return l.last, nil
	}
	if l.flight == nil {
		l.flight = &flight{began: time.Now(), done: make(chan struct{})}
		l.last = nil // two of them need not be kept at once
		go l.run(context.WithoutCancel(ctx), l.flight)
	}
	f := l.flight
	l.mu.Unlock()

	select {
	case <-f.done:
		return f.look, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: a snapshot that began %s ago is not complete", ErrNoAnswer, time.Since(f.began).Round(time.Millisecond))
	}
}

// run takes one snapshot for all who wait for it.
func (l *Looks) run(ctx context.Context, f *flight) {
	take := l.take
	if take == nil {
		take = inspect.Take
	}
	snap, err := take(ctx, l.Options)
	look := &Look{Snapshot: snap, Err: err}
	if err == nil {
		look.Findings = inspect.Diagnose(snap, "")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	look.Done = time.Now()
	look.Took = look.Done.Sub(f.began)
	l.count(look)
	l.report(look)
	f.look, l.last, l.flight = look, look, nil
	close(f.done)
}

// count compares a look with the one before it.
func (l *Looks) count(look *Look) {
	l.counts.Looks++
	if look.Err != nil {
		l.counts.Failed++
		look.Counts = l.counts
		return
	}
	now := make(map[identity]brief, len(look.Objects))
	for i := range look.Objects {
		o := &look.Objects[i]
		id := identity{o.Kind, o.ID}
		now[id] = brief{o.Key, o.UID, rowOf(o).size}
		if _, old := l.seen[id]; l.seen != nil && !old {
			l.counts.Appeared[o.Kind-sysvipc.KindSegment]++
			look.happened(history.Made, id, now[id])
		}
	}
	for id, was := range l.seen {
		if _, still := now[id]; !still {
			l.counts.Removed[id.kind-sysvipc.KindSegment]++
			look.happened(history.Removed, id, was)
		}
	}
	l.seen = now
	look.Counts = l.counts
}
