package history

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Event is something that happened between two looks.
type Event struct {
	Time time.Time // of the look that saw it
	What What
	Ref  string // the object, such as "shm:5"; "" for a finding
	Text string // what it was, or what was found; cut to some 100 bytes
}

// What is what happened.
type What uint8

// The events.
const (
	_       What = iota
	Made         // an object is there that was not
	Removed      // an object that was there is not any more
	Found        // a check of "sysvipc doctor" finds something
	Solved       // it finds nothing any more
	More         // more happened than is kept: Text says how much
)

var whats = [...]string{"", "made", "removed", "found", "solved", "more"}

// String returns the word for it.
func (w What) String() string { return whats[w] }

// ParseWhat returns what a word stands for.
func ParseWhat(word string) (What, bool) {
	at := slices.Index(whats[1:], word)
	return What(at + 1), at >= 0
}

// eventRecord is an event in its slot.
type eventRecord struct {
	Time int64 // Unix time in milliseconds
	What What
	Ref  [15]byte
	Text [112]byte
}

// text returns what an array holds up to its first zero.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(s, "\uFFFD")
}

// put copies as much of a text as has room, in whole characters.
func put(b []byte, s string) {
	n := min(len(s), len(b))
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	copy(b, s[:n])
}

func (e *Event) record() *eventRecord {
	r := &eventRecord{Time: e.Time.UnixMilli(), What: e.What}
	put(r.Ref[:], e.Ref)
	put(r.Text[:], e.Text)
	return r
}

func (r *eventRecord) event() Event {
	return Event{Time: time.UnixMilli(r.Time), What: min(r.What, More), Ref: text(r.Ref[:]), Text: text(r.Text[:])}
}
