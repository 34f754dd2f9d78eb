package dashboard

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc/internal/history"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Feed looks again and again, keeps the history, and tells the pages that are open. Safe for
// concurrent use.
type Feed struct {
	Looks   *Looks
	History *history.History
	// Interval is how long to wait between looks. Where a look takes long it is longer, up to 30
	// seconds, so that looks take one hundredth of the time.
	Interval time.Duration

	mu      sync.Mutex
	lost    error         // why the last events are not in the history
	latest  []byte        // the state as JSON
	changed chan struct{} // closed when there is another one
}

// rest is how many times as long as a look the time to the next one is. On a machine that is slow today
// it is no longer than longest, so that the page is not old.
const (
	rest    = 100
	longest = 30 * time.Second
)

// Run looks until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		limited, cancel := context.WithTimeout(ctx, lookTimeout)
		look, err := f.Looks.look(limited, next/2) // one that a scraper asked for will do
		cancel()
		if ctx.Err() != nil {
			return
		}
		next = f.Interval
		if err == nil && look.Err == nil {
			next = max(next, min(rest*look.Took, longest))
			note := ""
			if err := f.write(look); err != nil {
				note = "the history cannot be written: " + err.Error()
			}
			s := stateOf(look, next, note)
			s.Events = f.History.Noted()
			f.tell(s)
		} else {
			if err == nil {
				err = look.Err
			}
			f.tell(&state{Time: time.Now(), Error: err.Error()})
		}
		timer.Reset(next)
	}
}

// Note keeps what [Looks] tell of, until the next look says why that failed.
func (f *Feed) Note(events []history.Event) {
	if err := f.History.Note(events...); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lost = err
	}
}

// write adds what a look amounts to to the history.
func (f *Feed) write(look *Look) error {
	f.mu.Lock()
	lost := f.lost
	f.lost = nil
	f.mu.Unlock()
	sample := sampleOf(look)
	return errors.Join(lost, f.History.Add(&sample))
}

// tell hands a state to all pages.
func (f *Feed) tell(s *state) {
	s.Host, _ = os.Hostname()
	text := output.Append(nil, s)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latest = text
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// current returns the latest state, nil if there is none yet, and a channel that is closed when there
// is another one.
func (f *Feed) current() ([]byte, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.latest, f.changed
}

// state is what the page shows above the table. It is no part of the API.
type state struct {
	Time      time.Time         `json:"time"`
	Host      string            `json:"host"`
	Namespace uint64            `json:"namespace"`
	Error     string            `json:"error"` // why there is nothing to show; "" if there is
	Note      string            `json:"note"`
	Next      float64           `json:"next"` // seconds until the next state
	Complete  bool              `json:"complete"`
	Warnings  []string          `json:"warnings"`
	Limits    []output.Limit    `json:"limits"`
	Findings  []*output.Finding `json:"findings"`
	Waits     []*output.Wait    `json:"waits"` // the first of them
	Waiting   int               `json:"waiting"`
	Oldest    float64           `json:"oldest"` // seconds
	Bytes     int64             `json:"bytes"`
	Resident  int64             `json:"resident"` // -1: not known
	Swapped   int64             `json:"swapped"`
	Messages  int               `json:"messages"`
	MessageB  int               `json:"message_bytes"`
	Rows      string            `json:"rows"`   // changes when the table does
	Events    int64             `json:"events"` // how many there have been
}

// shownWaits is how many waits are drawn.
const shownWaits = 200

func stateOf(look *Look, next time.Duration, note string) *state {
	t := totalsOf(look.Snapshot)
	s := &state{
		Time: look.Time, Namespace: look.Namespace, Note: note, Next: next.Seconds(), Complete: look.Complete, Warnings: look.Warnings,
		Limits: output.Limits(look.Limits), Waiting: len(look.Waits), Oldest: waitsOf(look.Snapshot).Oldest.Seconds(), Bytes: t.Bytes, Resident: t.Resident,
		Swapped: t.Swapped, Messages: t.Messages, MessageB: t.MessageBytes, Rows: fingerprint(look),
	}
	for i := range look.Findings {
		s.Findings = append(s.Findings, output.FindingOf(&look.Findings[i]))
	}
	for i := range look.Waits[:min(len(look.Waits), shownWaits)] {
		s.Waits = append(s.Waits, output.WaitOf(look.Snapshot, &look.Waits[i]))
	}
	return s
}

// fingerprint differs when a row of the table does.
func fingerprint(look *Look) string {
	h := fnv.New64a()
	var buf []byte
	for i := range look.Objects {
		o := &look.Objects[i]
		r := rowOf(o)
		buf = buf[:0]
		for _, n := range []int64{int64(o.Kind), int64(o.ID), int64(o.Mode), int64(o.UID), r.size, r.use, r.capacity, r.used, int64(classIndex(o.Verdict.Class)), int64(len(o.Users))} {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(n))
		}
		h.Write(buf)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}
