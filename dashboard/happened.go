package dashboard

import (
	"fmt"
	"strconv"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// brief is what an event says of an object, which is gone when its removal is seen.
type brief struct {
	key  sysvipc.Key
	uid  int
	size int64 // bytes, semaphores or bytes of messages
}

// maxEvents is how many events of one look are kept one by one.
const maxEvents = 100

// happened notes that an object came or went.
func (look *Look) happened(what history.What, id identity, b brief) {
	if len(look.events) == maxEvents {
		look.more++
		return
	}
	size := strconv.FormatInt(b.size, 10) + " bytes"
	if id.kind == sysvipc.KindSemaphores {
		size = plural.Of(int(b.size), "semaphore")
	}
	key := "no key"
	if b.key != sysvipc.Private {
		key = "key " + b.key.String()
	}
	owner := userNames.number(b.uid)
	if owner == "" {
		owner = strconv.Itoa(b.uid)
	}
	look.events = append(look.events, history.Event{
		Time: look.Time, What: what, Ref: kindWords[id.kind-sysvipc.KindSegment] + ":" + strconv.Itoa(id.id),
		Text: fmt.Sprintf("%s, %s, owner %s", size, key, owner),
	})
}

// report tells what happened since the look before: objects that came and went, and checks whose result is
// another one. The first look tells what the checks find.
func (l *Looks) report(look *Look) {
	if look.Err != nil {
		return
	}
	events := look.events
	if look.more > 0 {
		events = append(events, history.Event{Time: look.Time, What: history.More, Text: plural.Of(look.more, "more object") + " came or went"})
	}
	found := map[string]bool{}
	for i := range look.Findings {
		f := &look.Findings[i]
		if !found[f.Check] && !l.found[f.Check] && f.Severity > inspect.Fine {
			events = append(events, history.Event{Time: look.Time, What: history.Found, Text: f.Check + ": " + f.Text})
		}
		found[f.Check] = found[f.Check] || f.Severity > inspect.Fine
	}
	for check := range l.found {
		if !found[check] {
			events = append(events, history.Event{Time: look.Time, What: history.Solved, Text: check})
		}
	}
	l.found, look.events = found, nil
	if l.Happened != nil && len(events) > 0 {
		l.Happened(events)
	}
}
