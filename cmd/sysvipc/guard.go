package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sysvipc/sysvipc"
)

// guard returns nil for an object that nobody seems to use, and otherwise why it had
// better stay: an error with the exit code for refused, or for incomplete evidence.
func guard(e *entry) error {
	switch {
	case e.seg != nil:
		return guardSegment(e.seg)
	case e.set != nil:
		return guardSet(e.set)
	default:
		return guardQueue(e.queue)
	}
}

func inUse(format string, args ...any) error {
	return fail(exitRefused, "%s (--force removes it all the same)", fmt.Sprintf(format, args...))
}

func notKnown(format string, args ...any) error {
	return fail(exitNotPermitted, "%s, so it may be in use (--force removes it all the same)", fmt.Sprintf(format, args...))
}

// guardSegment: the kernel counts the attaches, of all processes.
func guardSegment(s *sysvipc.SegmentStat) error {
	if s.Attaches == 0 {
		return nil
	}
	last := ""
	if s.LastPID != 0 {
		last = ", last attached or detached by " + processName(s.LastPID)
	}
	return inUse("it is attached %s%s", times(s.Attaches), last)
}

// guardSet: the kernel counts those who wait for each semaphore, and keeps who operated
// on it last, and tells both to those who may read the set.
func guardSet(st *sysvipc.SemaphoreSetStat) error {
	set := sysvipc.SemaphoresByID(st.ID)
	hidden := false
	for i := range st.Len {
		acquire, zero, err := set.At(i).Waiters()
		if errors.Is(err, fs.ErrPermission) {
			return notKnown("its mode does not let this user read who waits for it")
		}
		if err != nil {
			return err
		}
		if acquire > 0 {
			return inUse("%s to acquire semaphore %d", waiting(acquire), i)
		}
		if zero > 0 {
			return inUse("%s for semaphore %d to become zero", waiting(zero), i)
		}
		pid, err := set.At(i).LastPID()
		if err != nil {
			return err
		}
		if alive(pid) {
			return inUse("%s, which operated on semaphore %d last, is alive", processName(pid), i)
		}
		hidden = hidden || pid != 0
	}
	if !st.Operated.IsZero() && !hidden {
		return notKnown("the process that operated on it last is not visible from this PID namespace")
	}
	return nil
}

func guardQueue(q *sysvipc.QueueStat) error {
	if q.Messages > 0 {
		return inUse("it holds %s, %s", plural(q.Messages, "message"), plural(q.Bytes, "byte"))
	}
	if pid := blockedOnQueue(q.ID); pid != 0 {
		return inUse("%s waits on it", processName(pid))
	}
	for _, last := range []struct {
		pid  int
		what string
		ever bool
	}{{q.LastSendPID, "sent to", !q.Sent.IsZero()}, {q.LastReceivePID, "received from", !q.Received.IsZero()}} {
		if alive(last.pid) {
			return inUse("%s, which %s it last, is alive", processName(last.pid), last.what)
		}
		if last.pid == 0 && last.ever {
			return notKnown("the process that %s it last is not visible from this PID namespace", last.what)
		}
	}
	return nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func waiting(n int) string {
	if n == 1 {
		return "one process or thread waits"
	}
	return fmt.Sprintf("%d processes or threads wait", n)
}

// processName is a pid with the name of its program, if there is one to read.
func processName(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, escapeText(strings.TrimSuffix(string(comm), "\n")))
}
