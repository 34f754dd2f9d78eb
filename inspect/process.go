package inspect

import (
	"fmt"
	"time"
)

// Process is what is known of a process that an object or a wait has to do with.
type Process struct {
	PID       int
	Comm      string    // the name of its program; it may hold anything, also control characters
	UID       int       // its user; root for a program that protects itself, -1 if not known
	Started   time.Time // by the clock of now; zero if not known
	Namespace uint64    // its IPC namespace, 0 if not known
	Container string    // "docker:0123456789ab", "lxc:NAME"; "" if none is known
	Unit      string    // the innermost systemd unit, or ""

	kernel bool // a thread of the kernel, which has never used an object
}

// String returns "process 17 (postgres)".
func (p *Process) String() string { return fmt.Sprintf("process %d (%s)", p.PID, p.Comm) }

// Status says what became of a process that the kernel noted.
type Status uint8

// What can have become of it.
const (
	// None: no process has done it yet.
	None Status = iota
	// Hidden: a process did, or it is not known whether; which one it was, or whether it lives,
	// cannot be seen from here.
	Hidden
	// Dead: it has ended, and its pid is free. A zombie has ended, too.
	Dead
	// Reused: its pid belongs to a process that started more than two seconds after the time that the kernel
	// noted. If the clock was set in between, that may be the same process, unless [User.Gone].
	Reused
	// Alive: it lives, as far as the times tell.
	Alive
)

// String returns "none", "hidden", "dead", "reused" or "alive".
func (s Status) String() string {
	if int(s) < len(statusWords) {
		return statusWords[s]
	}
	return "unknown"
}

var statusWords = [...]string{"none", "hidden", "dead", "reused", "alive"}

// reuseMargin is how much later than the kernel's note a process must have started to be another
// one. The notes have whole seconds, and so has the start of the machine.
const reuseMargin = 2 * time.Second

// statusOf says what became of a process that was noted at a time. A proc of nil means that there
// is none with this pid now.
func (c *clock) statusOf(pid int, proc *Process, hidden, happened bool, at time.Time) Status {
	switch {
	case pid == 0 && !happened:
		return None
	case pid == 0 || hidden:
		return Hidden
	case proc == nil:
		return Dead
	case !c.set && !at.IsZero() && !proc.Started.IsZero() && proc.Started.After(at.Add(reuseMargin)):
		return Reused
	}
	return Alive
}

// clock is what is known of the machine's time. Starts of processes are counted from the start of
// the machine, and notes on objects have the time of day: they can be compared if the clock was not
// set between.
type clock struct {
	boot time.Time // zero if not known
	set  bool      // the clock was set meanwhile
}

// check looks for times that cannot be: those before the start of the machine, or in the future.
func (c *clock) check(now time.Time, times ...time.Time) {
	for _, t := range times {
		if t.IsZero() {
			continue
		}
		if t.After(now.Add(reuseMargin)) || !c.boot.IsZero() && t.Before(c.boot.Add(-reuseMargin)) {
			c.set = true
		}
	}
}
