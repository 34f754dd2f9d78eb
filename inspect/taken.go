package inspect

import (
	"fmt"
	"time"
)

// Taken is what a process was seen taking from a semaphore and not giving back, by a trace of all calls: see
// [Options.Taken].
type Taken struct {
	ID, Semaphore int // of the set, and in it
	PID           int
	Comm          string
	Taken         int  // how much more it took than it gave
	Zero          bool // processes lock the semaphore by adding to it: it is what this one added
	Certain       bool // nothing else can have happened
	Ended         bool // the process has ended, and nothing gave it back
	Last          time.Time
	Began         time.Time // since when the trace has seen all operations
}

// text says what was seen: "seen taking 1 of semaphore 0 at 12:00:05, and not giving it back".
func (t *Taken) text() string {
	took := fmt.Sprintf("taking %d of semaphore %d", t.Taken, t.Semaphore)
	if t.Zero {
		took = fmt.Sprintf("adding %d to semaphore %d", t.Taken, t.Semaphore)
	}
	const clock = "15:04:05"
	if t.Certain {
		return fmt.Sprintf("seen %s at %s, and not giving it back", took, t.Last.Format(clock))
	}
	return fmt.Sprintf("seen %s since %s", took, t.Began.Format(clock))
}

// heldBySeen makes those the holders whom a trace has seen taking what the wait is for, and reports whether that is
// certain: then nothing else needs to be said.
func (w *Wait) heldBySeen(o *Object) (certain bool) {
	if w.Operation != Operate || w.Semaphore < 0 {
		return false
	}
	for i := range o.Users {
		u := &o.Users[i]
		if u.Role == Holds && u.Taken.Semaphore == w.Semaphore && u.Taken.Zero == (w.stuckAt().Delta == 0) {
			w.heldBy(u, "was "+u.Taken.text())
			certain = certain || u.Taken.Certain
		}
	}
	for i := range w.Holders {
		w.Holders[i].Certain = certain
	}
	return certain
}
