// Package guard says whether an object is in use, before a verb removes it or sets its values.
package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// Check returns nil for an object that nobody seems to use, and otherwise why it had
// better stay: an error with the exit code for refused, or for incomplete evidence. It is
// milder than gc: who names an object knows more of it than its attaches and pids say.
func Check(snap *inspect.Snapshot, o *inspect.Object) error {
	var err error
	switch {
	case o.Segment != nil:
		err = guardSegment(o)
	case o.Set != nil:
		err = guardSet(o, snap.Warnings)
	default:
		err = guardQueue(o, snap.Warnings)
	}
	if err == nil && o.Product != nil {
		return inUse("it belongs to %s (%s): %s", o.Product.Name, o.Product.Sign, o.Product.Tool)
	}
	return err
}

func inUse(format string, args ...any) error {
	return cli.Fail(cli.ExitRefused, "%s", terminal.Escape(fmt.Sprintf(format, args...)))
}

func notKnown(format string, args ...any) error {
	return cli.Fail(cli.ExitNotPermitted, "%s, so it may be in use", terminal.Escape(fmt.Sprintf(format, args...)))
}

// OrForce adds to what a guard refused that --force does it all the same.
func OrForce(err error, does string) error {
	var refused *cli.Error
	if errors.As(err, &refused) {
		return cli.Fail(refused.Code, "%w (--force %s it all the same)", err, does)
	}
	return err
}

// guardSegment: the kernel counts the attaches, of all processes.
func guardSegment(o *inspect.Object) error {
	if o.Segment.Attaches == 0 {
		return nil
	}
	last := ""
	for i := range o.Users {
		if u := &o.Users[i]; u.Role == inspect.LastUser && u.PID != 0 {
			last = ", last attached or detached by " + userName(u)
		}
	}
	return inUse("it is attached %s%s", plural.Times(o.Segment.Attaches), last)
}

// guardSet: the kernel counts those who wait for each semaphore, and keeps who operated
// on it last, and tells both to those who may read the set. It does not count
// waiters that are stopped.
func guardSet(o *inspect.Object, unseen []string) error {
	if o.Semaphores == nil {
		return notKnown("its mode does not let this user read who waits for it")
	}
	for i, s := range o.Semaphores {
		if s.Acquire > 0 {
			return inUse("%s to acquire semaphore %d", waiting(s.Acquire), i)
		}
		if s.Zero > 0 {
			return inUse("%s for semaphore %d to become zero", waiting(s.Zero), i)
		}
	}
	return guardWaiters(o, unseen)
}

// guardQueue: the kernel does not count who waits on a queue.
func guardQueue(o *inspect.Object, unseen []string) error {
	if q := o.Queue; q.Messages > 0 {
		return inUse("it holds %s, %s", plural.Of(q.Messages, "message"), plural.Of(q.Bytes, "byte"))
	}
	return guardWaiters(o, unseen)
}

// guardWaiters looks at the processes behind a set or queue, all of which must have been seen.
func guardWaiters(o *inspect.Object, unseen []string) error {
	if err := guardUsers(o); err != nil {
		return err
	}
	if slices.Contains(o.Unknown, "users") {
		return notKnown("not all can be seen that may wait on it (%s)", strings.Join(unseen, "; "))
	}
	return nil
}

// guardUsers looks at the processes behind a set or queue.
func guardUsers(o *inspect.Object) error {
	did := map[inspect.Role]string{inspect.Sender: "sent to it last", inspect.Receiver: "received from it last"}
	for i := range o.Users {
		u := &o.Users[i]
		what := did[u.Role]
		if u.Role == inspect.Operator {
			what = fmt.Sprintf("operated on semaphore %d last", u.FirstSemaphore)
		}
		switch {
		case u.Role == inspect.Waiting:
			return inUse("%s waits on it", userName(u))
		case u.Status == inspect.Alive:
			return inUse("%s, which %s, is alive", userName(u), what)
		case u.Status == inspect.Hidden:
			return notKnown("the process that %s cannot be seen from here", what)
		case u.Status == inspect.Reused && !u.Gone():
			return notKnown("process %d, which %s, has ended, or the clock was set: its pid belongs to a process that started later", u.PID, what)
		}
	}
	return nil
}

func waiting(n int) string {
	if n == 1 {
		return "one process or thread waits"
	}
	return fmt.Sprintf("%d processes or threads wait", n)
}

// userName is a pid with the name of its program, if there is one to read.
func userName(u *inspect.User) string {
	if u.Comm() == "" {
		return fmt.Sprintf("process %d", u.PID)
	}
	return u.Process.String()
}
