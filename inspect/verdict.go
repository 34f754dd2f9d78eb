package inspect

import (
	"fmt"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/internal/plural"
)

// Class says whether an object can be removed. One table decides, and its first row that matches does:
//
//	1   a segment is attached                                            in use
//	2   a set or queue has a blocked thread, or its last user lives      in use
//	3   it belongs to a known product                                    protected
//	4   a set or queue of which not all can be seen                      unknown
//	5   a queue has messages                                             has data
//	6   the creator or the last user of a segment lives, or is hidden    unknown
//	7   it was used a short time ago                                     unknown
//	8   a segment without a key, whose owner has no process              orphan
//	9   a segment with a key                                             orphan
//	10  a set or queue without a key, whose owner has no process         orphan
//	11  any other object                                                 candidate
//
// Row 4 is for a set that this user may not read, for a queue if a thread of any process cannot be
// seen, since it may be waiting, and for both if there may be processes out of sight. The threads
// that wait on a set are counted by the kernel, those of every user, but for those that are
// stopped. It is also for a set that is young and was never operated on.
type Class string

// The classes.
const (
	InUse     Class = "in-use"    // never to be removed
	Protected Class = "protected" // a product's own tool removes it
	Unknown   Class = "unknown"   // to be kept
	HasData   Class = "has-data"  // to be kept, until its messages are read
	Orphan    Class = "orphan"    // no process can have a use for it, as far as can be known
	Candidate Class = "candidate" // no process seems to use it; its owner must say
)

// Verdict is what is to be thought of an object, and why.
type Verdict struct {
	Class   Class
	Rule    int      // the row of the table, from 1; 0 if it was not judged
	Reasons []string // sentences, the decisive one first
}

// judge gives every object its verdict.
func (s *Snapshot) judge(minAge time.Duration, unlisted bool, owners func() (map[int]bool, error)) {
	var r recognizer
	j := &judge{Snapshot: s, minAge: minAge, unlisted: unlisted, owners: owners}
	for i := range s.Objects {
		o := &s.Objects[i]
		o.Product = r.product(o)
		j.decide(o)
	}
}

// judge decides on objects.
type judge struct {
	*Snapshot
	minAge   time.Duration
	unlisted bool // there may be processes out of sight
	// owners reads which users have a process. It is called when it is first needed, since most
	// snapshots need not know.
	owners func() (map[int]bool, error)
	active map[int]bool
	failed error
}

func (v *Verdict) set(class Class, rule int, format string, args ...any) {
	v.Class, v.Rule = class, rule
	v.because(format, args...)
}

func (v *Verdict) because(format string, args ...any) {
	v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
}

// decide goes through the table.
func (j *judge) decide(o *Object) {
	v := &o.Verdict
	*v = Verdict{}
	switch {
	case o.Segment != nil && o.Segment.Attaches > 0:
		v.set(InUse, 1, "it is attached %s", plural.Times(o.Segment.Attaches))
		if o.Explained != o.Segment.Attaches {
			v.because("%d of these attaches can be seen", o.Explained)
		}
	case o.Segment == nil && j.used(o):
	case o.Product != nil:
		v.set(Protected, 3, "%s: %s", o.Product.Name, o.Product.Sign)
		v.because("%s", o.Product.Tool)
	case o.Segment == nil && j.unseen(o):
	case o.Queue != nil && o.Queue.Messages > 0:
		v.set(HasData, 5, "it holds %s, %s", plural.Of(o.Queue.Messages, "message"), plural.Of(o.Queue.Bytes, "byte"))
	case o.Segment != nil && j.remembered(o):
	case j.Time.Sub(o.LastUse()) < j.minAge:
		v.set(Unknown, 7, "it was used %s ago, which is less than %s", j.Time.Sub(o.LastUse()).Round(time.Second), j.minAge)
	case o.Segment != nil && o.Key == 0 && !j.ownerActive(o):
		v.set(Orphan, 8, "nobody has it attached, it has no key, and no process runs as its owner")
		j.gone(o)
	case o.Segment != nil && o.Key != 0:
		v.set(Orphan, 9, "nobody has it attached")
		j.gone(o)
	case o.Key == 0 && !j.ownerActive(o):
		v.set(Orphan, 10, "nobody waits on it, it has no key, and no process runs as its owner")
		j.gone(o)
	default:
		v.set(Candidate, 11, "nobody is seen to use it")
		if o.Key != 0 {
			v.because("it has a key, by which a program may look for it")
		} else {
			v.because("processes of its owner run, and may know its ID")
		}
		j.gone(o)
	}
}

// used is row 2.
func (j *judge) used(o *Object) bool {
	v := &o.Verdict
	for i := range o.Semaphores {
		if n := o.Semaphores[i].Acquire; n > 0 {
			v.set(InUse, 2, "%s to acquire semaphore %d", plural.Forms(n, "thread waits", "threads wait"), i)
			return true
		}
		if n := o.Semaphores[i].Zero; n > 0 {
			v.set(InUse, 2, "%s for semaphore %d to become zero", plural.Forms(n, "thread waits", "threads wait"), i)
			return true
		}
	}
	for i := range o.Users {
		u := &o.Users[i]
		if u.Role == Waiting {
			v.set(InUse, 2, "%s waits on it", u.who())
			return true
		}
		if u.Status == Alive {
			v.set(InUse, 2, "%s, which %s, is alive", u.who(), u.did())
			return true
		}
	}
	return false
}

// who names a user.
func (u *User) who() string {
	if u.Process != nil && u.Status != Reused {
		return u.Process.String()
	}
	return fmt.Sprintf("process %d", u.PID)
}

// did says what a user did.
func (u *User) did() string {
	switch u.Role {
	case Creator:
		return "made it"
	case LastUser:
		return "attached or detached it last"
	case Sender:
		return "sent to it last"
	case Receiver:
		return "received from it last"
	case Holds:
		return "was " + u.Taken.text()
	case Operator:
		return fmt.Sprintf("operated on semaphore %d last", u.FirstSemaphore)
	}
	return "uses it"
}

// unseen is row 4.
func (j *judge) unseen(o *Object) bool {
	v := &o.Verdict
	switch {
	case o.Set != nil && o.Semaphores == nil:
		v.set(Unknown, 4, "its mode does not let this user read its waiters and its last operators")
	case o.hiddenUser() != nil:
		u := o.hiddenUser()
		v.set(Unknown, 4, "who %s cannot be seen: %s", u.did(), u.Evidence())
	case j.unlisted || o.Queue != nil && !j.Complete || slices.Contains(o.Unknown, "users"):
		v.set(Unknown, 4, "not all can be seen that may use it")
		v.Reasons = append(v.Reasons, j.Warnings...)
	case o.Set != nil && o.Set.Operated.IsZero() && j.Time.Sub(o.Changed) < j.minAge:
		v.set(Unknown, 4, "it was made %s ago, and no process has operated on it yet", j.Time.Sub(o.Changed).Round(time.Second))
	default:
		return false
	}
	return true
}

func (o *Object) hiddenUser() *User {
	for i := range o.Users {
		if o.Users[i].unsure() {
			return &o.Users[i]
		}
	}
	return nil
}

// remembered is row 6.
func (j *judge) remembered(o *Object) bool {
	v := &o.Verdict
	for i := range o.Users {
		u := &o.Users[i]
		switch {
		case u.Status == Alive:
			v.set(Unknown, 6, "nobody has it attached, but %s, which %s, is alive", u.who(), u.did())
			return true
		case u.unsure():
			v.set(Unknown, 6, "nobody has it attached, but who %s cannot be seen: %s", u.did(), u.Evidence())
			return true
		}
	}
	return false
}

// gone adds the processes that used it once.
func (j *judge) gone(o *Object) {
	v := &o.Verdict
	for i := range o.Users {
		u := &o.Users[i]
		switch u.Status {
		case Dead:
			v.because("process %d, which %s, has ended", u.PID, u.did())
		case Reused:
			v.because("process %d, which %s, has ended, and its pid was reused", u.PID, u.did())
		}
	}
	if len(o.Users) == 0 {
		v.because("nobody has used it yet")
	}
	v.because("its last use was %s ago", j.Time.Sub(o.LastUse()).Round(time.Second))
}

// ownerActive reports whether a process runs as the owner or the creator, or may do so.
func (j *judge) ownerActive(o *Object) bool {
	if j.active == nil && j.failed == nil {
		j.active, j.failed = j.owners()
	}
	return j.failed != nil || j.active[o.UID] || j.active[o.CUID]
}
