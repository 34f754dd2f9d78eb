package inspect

import (
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// Explain says in one paragraph what an object of the snapshot is, which processes use it, which threads wait how long for
// what and because of which process, whether anything is stuck, and what to do.
func (s *Snapshot) Explain(o *Object) string {
	e := &explanation{Snapshot: s, o: o}
	e.what()
	e.users()
	e.generations()
	e.waits()
	e.advice()
	return strings.Join(e.sentences, " ")
}

// explanation is a paragraph about an object.
type explanation struct {
	*Snapshot
	o         *Object
	sentences []string
}

// mostNamed is how many processes, threads or values a paragraph names.
const mostNamed = 5

func (e *explanation) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	e.sentences = append(e.sentences, strings.ToUpper(text[:1])+text[1:]+".")
}

// what says what the object is.
func (e *explanation) what() {
	o := e.o
	var is string
	switch {
	case o.Segment != nil:
		is = "a segment of " + plural.Of(int(o.Segment.Size), "byte")
	case o.Set != nil:
		is = "a semaphore set with " + o.values()
	default:
		is = fmt.Sprintf("a queue with %s, %d of %s", plural.Of(o.Queue.Messages, "message"), o.Queue.Bytes, plural.Of(o.Queue.MaxBytes, "byte"))
	}
	key := "without a key"
	if o.Key != sysvipc.Private {
		key = "with the key " + o.Key.String()
	}
	owner := "owned by " + userName(o.UID)
	if o.CUID != o.UID {
		owner += ", made by " + userName(o.CUID)
	}
	// The reference comes first as it is typed.
	e.sentences = append(e.sentences, fmt.Sprintf("%s is %s, %s, %s, mode %04o.", o.Ref(), is, key, owner, o.Mode))
}

// values are those of a set's semaphores.
func (o *Object) values() string {
	if o.Semaphores == nil {
		return plural.Of(o.Set.Len, "semaphore") + ", whose values this user may not read"
	}
	words := make([]string, 0, mostNamed+1)
	for i, sem := range o.Semaphores {
		if i == 2*mostNamed {
			words = append(words, "…")
			break
		}
		words = append(words, strconv.Itoa(sem.Value))
	}
	return plural.Of(o.Set.Len, "semaphore") + " (" + strings.Join(words, ", ") + ")"
}

// users says which processes use the object, and which used it last.
func (e *explanation) users() {
	o := e.o
	if o.Segment != nil {
		e.attached()
	}
	n := 0
	for i := range o.Users {
		u := &o.Users[i]
		if u.Role == Attached || u.Role == Waiting {
			continue
		}
		if n++; n > mostNamed {
			continue
		}
		when := ""
		if !u.At.IsZero() && u.Role != Holds {
			when = ", " + e.since(u.At) + " ago"
		}
		switch {
		case u.PID == 0:
			e.say("which process %s%s cannot be seen from here", u.did(), when)
		case u.Status == Alive:
			e.say("%s %s%s, and is alive", u.who(), u.did(), when)
		case u.Gone():
			e.say("%s, which %s%s, has ended", u.who(), u.did(), when)
		case u.Status == Reused:
			e.say("process %d, which %s%s, has ended, or the clock was set", u.PID, u.did(), when)
		default:
			e.say("whether %s, which %s%s, is alive cannot be seen", u.who(), u.did(), when)
		}
	}
	if n > mostNamed {
		e.say("%s it last", plural.Forms(n-mostNamed, "other process used", "other processes used"))
	}
	switch {
	case o.Set != nil && o.Set.Operated.IsZero():
		e.say("no process has operated on it yet")
	case o.Queue != nil && o.Queue.Sent.IsZero():
		e.say("no process has sent to it yet")
	}
}

// attached says which processes have a segment attached.
func (e *explanation) attached() {
	o := e.o
	var names []string
	n := 0
	for i := range o.Users {
		u := &o.Users[i]
		if u.Role != Attached {
			continue
		}
		if n++; n > mostNamed {
			continue
		}
		name := u.who()
		if u.ReadOnly == u.Mappings {
			name += " read-only"
		}
		if u.Process != nil && u.Process.Container != "" {
			name += " in " + u.Process.Container
		}
		names = append(names, name)
	}
	switch {
	case o.Segment.Attaches == 0:
		e.say("no process has it attached")
	case n == 0:
		e.say("it is attached %s, by processes that cannot be seen from here", plural.Times(o.Segment.Attaches))
	default:
		text := plural.Forms(n, "process has", "processes have") + " it attached: " + and(names, n)
		if o.Explained < o.Segment.Attaches {
			text += fmt.Sprintf("; %d of its %d attaches belong to processes that cannot be seen", o.Segment.Attaches-o.Explained, o.Segment.Attaches)
		}
		e.say("%s", text)
	}
	if o.Segment.Destroyed {
		e.say("it is removed: its memory goes with the last detach")
	}
}

// generations says that a key has another segment by now, or had.
func (e *explanation) generations() {
	for _, g := range e.Generations {
		switch e.o {
		case g.Removed:
			e.say("its key was %s, which %s has now: programs that ask for the key get that one, and do not share memory with the users of this one", g.Removed.FormerKey, g.Current.Ref())
		case g.Current:
			e.say("an older segment with this key, %s, is removed and still attached: its users do not share memory with the users of this one", g.Removed.Ref())
		}
	}
}

// waits says which threads wait, for what, because of which process, and whether they are stuck.
func (e *explanation) waits() {
	n, stuck := 0, false
	cycles := map[int]bool{}
	for i := range e.Waits {
		w := &e.Waits[i]
		if w.Kind != e.o.Kind || w.ID != e.o.ID {
			continue
		}
		stuck = stuck || e.stuck(w, map[int]bool{})
		if n++; n <= mostNamed {
			e.wait(w)
		}
		if w.Cycle != 0 && !cycles[w.Cycle] {
			cycles[w.Cycle] = true
			e.deadlock(w.Cycle)
		}
	}
	switch {
	case n == 0:
		if e.o.Set != nil && e.o.Semaphores != nil || e.o.Queue != nil {
			e.say("no thread is seen to wait on it")
		}
		return
	case n > mostNamed:
		e.say("%s more", plural.Forms(n-mostNamed, "thread waits", "threads wait"))
	}
	if stuck {
		e.say("nothing that is seen ends this by itself")
	} else {
		e.say("nothing is seen to be stuck")
	}
}

// stuck reports whether nothing seen can end a wait, or one of the process that it waits for.
func (e *explanation) stuck(w *Wait, seen map[int]bool) bool {
	if w.Stuck() || w.Cycle != 0 || w.ForDead() {
		return true
	}
	seen[w.PID] = true
	for i := range w.Holders {
		for j := range e.Waits {
			if h, next := &w.Holders[i], &e.Waits[j]; !h.Ended && next.PID == h.PID && !seen[h.PID] && e.stuck(next, seen) {
				return true
			}
		}
	}
	return false
}

// wait says what one thread waits for.
func (e *explanation) wait(w *Wait) {
	text := fmt.Sprintf("process %d", w.PID)
	if w.Process != nil {
		text = w.Process.String()
	}
	if w.TID != w.PID {
		text += fmt.Sprintf(", thread %d,", w.TID)
	}
	if w.Since.IsZero() {
		text += " waits"
	} else {
		text += " has waited " + e.since(w.Since)
	}
	if w.Timeout > 0 {
		text += " of at most " + w.Timeout.String()
	}
	if w.Operation == Operate && w.Semaphore >= 0 && w.stuckAt().Delta == 0 {
		text += " for " + w.What()
	} else {
		text += " to " + w.What()
	}
	e.say("%s%s", text, e.because(w))
}

// because says for which process a thread waits, and whether it is stuck.
func (e *explanation) because(w *Wait) string {
	switch {
	case w.Stuck():
		types := make([]string, 0, mostNamed)
		for _, typ := range slices.Sorted(maps.Keys(w.Queued)) {
			if types = append(types, strconv.FormatInt(typ, 10)); len(types) == mostNamed {
				break
			}
		}
		return ": it is stuck, since the messages on the queue have type " + and(types, len(w.Queued))
	case w.ForDead() && w.Operation == Operate:
		h := &w.Holders[0]
		if h.Certain {
			return fmt.Sprintf(": it waits for the dead: %s %s; what it took without undo stays taken", h, h.Why)
		}
		return fmt.Sprintf(": it waits for the dead, probably, since %s %s: what it took without undo stays taken", h, h.Why)
	case w.ForDead() && w.Operation == Receive:
		return fmt.Sprintf(": it waits for an answer of the dead, probably, since %s %s", &w.Holders[0], w.Holders[0].Why)
	case w.ForDead():
		return fmt.Sprintf(": the queue is full, and %s %s", &w.Holders[0], w.Holders[0].Why)
	case len(w.Holders) == 0:
		switch w.Operation {
		case Send:
			return ": the queue has no room for it, and no process is seen that receives"
		case Receive:
			return ": the queue has no such message, and no process is seen that sends one"
		}
		return ": no process is seen that it waits for"
	}
	for i := range w.Holders {
		h := &w.Holders[i]
		switch {
		case h.Ended:
		case h.Self && len(w.Holders) > 1:
		case h.Self:
			return "; it " + h.Why + " itself, so it waits for itself or for a process that gives without having taken"
		default:
			return fmt.Sprintf(", %sbecause of %s, which %s%s", h.probably(), h, h.Why, e.chain(h.PID, w.PID))
		}
	}
	return ""
}

// chain follows the waits from a holder to the process at their end.
func (e *explanation) chain(pid, from int) string {
	seen := map[int]bool{from: true}
	text := ""
	for !seen[pid] {
		seen[pid] = true
		i := slices.IndexFunc(e.Waits, func(w Wait) bool { return w.PID == pid && w.Cycle == 0 })
		if i < 0 {
			break
		}
		w := &e.Waits[i]
		text += " and itself waits on " + w.Ref()
		j := slices.IndexFunc(w.Holders, func(h Holder) bool { return !h.Self })
		if j < 0 {
			break
		}
		text += " because of " + w.Holders[j].String() + ", which " + w.Holders[j].Why
		pid = w.Holders[j].PID
	}
	return text
}

// deadlock names the processes of a ring.
func (e *explanation) deadlock(cycle int) {
	var ring []string
	for i := range e.Waits {
		if w := &e.Waits[i]; w.Cycle == cycle {
			ring = append(ring, fmt.Sprintf("process %d on %s", w.PID, w.Ref()))
		}
	}
	e.say("it is a deadlock, probably: %s wait for one another, until one of them ends", and(ring[:min(len(ring), mostNamed)], len(ring)))
}

// advice says whether the object can be removed, and what to do.
func (e *explanation) advice() {
	o := e.o
	reason := ""
	if len(o.Verdict.Reasons) > 0 {
		reason = o.Verdict.Reasons[0]
	}
	full := false
	for i := range e.Waits {
		w := &e.Waits[i]
		if w.Kind != o.Kind || w.ID != o.ID {
			continue
		}
		if w.Operation != Send && w.ForDead() {
			e.say("to end the wait, %s", endOf(w))
			return
		}
		full = full || w.Operation == Send
	}
	if full {
		e.say(`to make room, receive ("sysvipc msg recv %s" takes one message off, "msg drain" saves all), or give it more: "sysvipc set %s --qbytes N"`, o.Ref(), o.Ref())
	}
	switch o.Verdict.Class {
	case InUse:
		e.say("it is in use, so leave it: %s", reason)
	case Protected:
		e.say("it is protected (%s), so leave it to its own tool: %s", reason, o.Product.Tool)
	case HasData:
		e.say(`no process is seen to use it, and it has messages: read them with "sysvipc msg peek %s", and keep it until its owner agrees`, o.Ref())
	case Orphan:
		e.say(`no process uses it any more: "sysvipc rm %s" removes it, and "sysvipc undo" brings it back`, o.Ref())
	case Candidate:
		e.say(`no process is seen to use it; if its owner agrees, "sysvipc rm %s" removes it, and "sysvipc undo" brings it back`, o.Ref())
	case Unknown:
		e.say("keep it: %s", reason)
	}
}

// endOf says what ends a wait for a dead process.
func endOf(w *Wait) string {
	const unguarded = "once no process uses what the semaphore guards: "
	switch {
	case w.Operation == Receive:
		return fmt.Sprintf("start the server again, or end process %d", w.PID)
	case w.stuckAt().Delta < 0:
		return unguarded + fmt.Sprintf("sysvipc sem give %s -n %d --by %d", w.Ref(), w.Semaphore, -w.stuckAt().Delta)
	}
	return unguarded + fmt.Sprintf("sysvipc sem set %s -n %d 0", w.Ref(), w.Semaphore)
}

// since is how long ago a time is, in one unit.
func (e *explanation) since(at time.Time) string {
	switch d := max(0, e.Time.Sub(at)); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

// and joins the first of n names.
func and(names []string, n int) string {
	if n > len(names) {
		return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", n-len(names))
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}

// userName is the name of a user, or "user 1000".
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}
