package inspect

import (
	"errors"
	"fmt"

	"github.com/sysvipc/sysvipc"
)

// ErrChanged: the object is no longer as the snapshot showed it, or another one has its ID.
var ErrChanged = errors.New("changed meanwhile")

// Unchanged asks the kernel again, and returns nil if the object is still the one of the snapshot and
// no process has used it since: for the moment before it is removed. It must be called in the namespace of
// the snapshot. What it returns otherwise says what is different, and is [ErrChanged], or the
// kernel's error if the object is gone.
func (o *Object) Unchanged() error { return o.unchanged(0) }

// UnchangedHeld is Unchanged for a segment that the process with this pid has attached once since, to save its contents,
// and has attached still: no other process has attached or detached it. Its own detach would hide that. It is exact if the
// second of the last detach was over when Unchanged was asked before the attach, since the kernel's times are seconds.
func (o *Object) UnchangedHeld(pid int) error { return o.unchanged(pid) }

func (o *Object) unchanged(holder int) error {
	now := Object{}
	switch {
	case o.Segment != nil:
		st, err := sysvipc.SegmentByID(o.ID).Stat()
		if err != nil {
			return err
		}
		if holder != 0 {
			if st.LastPID != holder || !st.Attached.After(st.Detached) {
				return o.changed("process %d attached or detached it", st.LastPID)
			}
			st.Attaches, st.LastPID, st.Attached = st.Attaches-1, o.Segment.LastPID, o.Segment.Attached
		}
		if st.Attaches != o.Segment.Attaches || st.CreatorPID != o.Segment.CreatorPID || st.LastPID != o.Segment.LastPID {
			return o.changed("its attaches changed from %d to %d", o.Segment.Attaches, st.Attaches)
		}
		now.Object, now.Segment = st.Object, &st
	case o.Set != nil:
		st, err := sysvipc.SemaphoresByID(o.ID).Stat()
		if err != nil {
			return err
		}
		now.Object, now.Set = st.Object, &st
		if err := o.sameSemaphores(&now); err != nil {
			return err
		}
	default:
		st, err := sysvipc.QueueByID(o.ID).Stat()
		if err != nil {
			return err
		}
		if st.Messages != o.Queue.Messages || st.LastSendPID != o.Queue.LastSendPID || st.LastReceivePID != o.Queue.LastReceivePID {
			return o.changed("a process sent or received")
		}
		now.Object, now.Queue = st.Object, &st
	}
	a, b := o.times(), now.times()
	for i := range a {
		if !a[i].Equal(b[i]) {
			return o.changed("it was used or changed at %v", b[i])
		}
	}
	if now.Key != o.Key || now.CUID != o.CUID || now.CGID != o.CGID || now.UID != o.UID || now.GID != o.GID || now.Mode != o.Mode {
		return o.changed("another object has its ID, or it has another owner or mode")
	}
	return nil
}

// sameSemaphores compares what is known of each semaphore.
func (o *Object) sameSemaphores(now *Object) error {
	if o.Semaphores == nil || now.Set.Len != len(o.Semaphores) {
		return o.changed("its semaphores cannot be compared")
	}
	if err := now.readSemaphores(); err != nil {
		return err
	}
	for i, s := range now.Semaphores {
		switch {
		case s.Acquire+s.Zero > 0:
			return o.changed("a thread waits for semaphore %d", i)
		case s != o.Semaphores[i]:
			return o.changed("a process operated on semaphore %d", i)
		}
	}
	return nil
}

// readSemaphores reads all of a set, without changing it.
func (o *Object) readSemaphores() error {
	set := sysvipc.SemaphoresByID(o.ID)
	all := make([]Semaphore, o.Set.Len)
	for i := range all {
		var err error
		at, s := set.At(i), &all[i]
		if s.Value, err = at.Value(); err != nil {
			return err
		}
		if s.LastPID, err = at.LastPID(); err != nil {
			return err
		}
		if s.Acquire, s.Zero, err = at.Waiters(); err != nil {
			return err
		}
	}
	o.Semaphores = all
	return nil
}

func (o *Object) changed(format string, args ...any) error {
	return fmt.Errorf("%s has %w: %s", o.Ref(), ErrChanged, fmt.Sprintf(format, args...))
}
