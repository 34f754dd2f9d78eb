package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// event is that an object came, went or changed.
type event struct {
	at   time.Time
	kind string // "created", "removed", "changed"
	ref  string
	text string
}

// maxEvents is how many are kept.
const maxEvents = 1000

func (m *Model) happened(kind string, o *inspect.Object, text string) {
	at := m.now
	m.events = append(m.events, event{at, kind, o.Ref(), text})
	if extra := len(m.events) - maxEvents; extra > 0 {
		m.events = append(m.events[:0], m.events[extra:]...)
	}
	if m.eventsUp > 0 { // what is being read stays where it is
		m.eventsUp = min(m.eventsUp+1, len(m.events)-1)
	}
}

// describe says what an object is.
func (m *Model) describe(o *inspect.Object) string {
	key := "no key"
	if o.Key != 0 {
		key = "key " + o.Key.String()
	}
	return fmt.Sprintf("%s, %s, owner %s", m.amount(o), key, m.machine.Owner(o.UID))
}

// amount is how much of it there is.
func (m *Model) amount(o *inspect.Object) string {
	switch {
	case o.Segment != nil:
		return m.machine.Size(o.Segment.Size) + " bytes"
	case o.Set != nil:
		return plural.Of(o.Set.Len, "semaphore")
	}
	return plural.Of(o.Queue.Messages, "message")
}

// differences says in words what changed between two looks at an object.
func (m *Model) differences(a, b *inspect.Object) string {
	var words []string
	number := func(name string, x, y int64) {
		if x != y {
			words = append(words, fmt.Sprintf("%s %d→%d", name, x, y))
		}
	}
	for i, metric := range metrics[b.Kind] {
		if i == 0 || b.Queue != nil {
			number(metric.name, metric.of(a), metric.of(b))
		}
	}
	switch {
	case b.Segment != nil:
		if b.Segment.Destroyed && !a.Segment.Destroyed {
			words = append(words, "removed, and gone with its last detach")
		}
	case b.Set != nil:
		number("semaphores", int64(a.Set.Len), int64(b.Set.Len))
		words = append(words, changedValues(a.Semaphores, b.Semaphores)...)
	default:
		number("capacity", int64(a.Queue.MaxBytes), int64(b.Queue.MaxBytes))
	}
	if a.Mode != b.Mode {
		words = append(words, fmt.Sprintf("mode %04o→%04o", a.Mode, b.Mode))
	}
	if a.UID != b.UID {
		words = append(words, fmt.Sprintf("owner %s→%s", m.machine.Owner(a.UID), m.machine.Owner(b.UID)))
	}
	if a.Verdict.Class != b.Verdict.Class && a.Verdict.Class != "" && b.Verdict.Class != "" {
		words = append(words, fmt.Sprintf("%s→%s", a.Verdict.Class, b.Verdict.Class))
	}
	return strings.Join(words, ", ")
}

// changedValues are the first semaphores whose values changed.
func changedValues(a, b []inspect.Semaphore) (words []string) {
	if len(a) != len(b) {
		return nil
	}
	const shown = 4
	more := 0
	for i := range b {
		if a[i].Value == b[i].Value {
			continue
		}
		if len(words) == shown {
			more++
			continue
		}
		words = append(words, fmt.Sprintf("#%d %d→%d", i, a[i].Value, b[i].Value))
	}
	if more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return words
}
