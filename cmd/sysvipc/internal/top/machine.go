package top

import (
	"context"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// Machine is what top looks at, and the words of the command that it is part of. All functions are
// called from other goroutines than the model's, but for Filter, Owner, Size, Age and Escape.
type Machine struct {
	Name   string // of the host
	Take   func(context.Context) (*inspect.Snapshot, error)
	Limits func() (sysvipc.Limits, error)
	// Look returns what the kernel keeps of an object now: one of Segment, Set and Queue, and the
	// semaphores.
	Look func(*inspect.Object) (inspect.Object, error)
	// Read reads bytes of a segment without attaching it, and says through what.
	Read func(id int, p []byte, off int64) (n int, through string, err error)
	// Peek returns a message, which stays on its queue.
	Peek func(id, index int) (sysvipc.Message, error)
	// Check returns why an object is not to be removed; Remove removes it if Check still agrees,
	// and it is the one that was shown.
	Check, Remove func(context.Context, *inspect.Object) error

	// Filter makes a condition of its words.
	Filter func(string) (func(*inspect.Snapshot, *inspect.Object) bool, error)
	// Waits are the lines of the graph of waits.
	Waits func(*inspect.Snapshot) []string
	Owner func(uid int) string // the name of a user
	Size  func(int64) string   // bytes, shortened
	Age   func(int64) string   // seconds, shortened
	Text  func(string) string  // text of others, made harmless to a terminal
	CPU   func() time.Duration // what this process has used of the processor; nil if not known
}

// Share is the part of one processor that snapshots may use.
const Share = 0.03

// Look looks at one object again by its ID. It is what a [Machine] has for Look. Sets of more
// semaphores than that are only asked for what the kernel keeps of them whole.
func Look(o *inspect.Object) (inspect.Object, error) {
	now := inspect.Object{Object: o.Object}
	switch {
	case o.Segment != nil:
		st, err := sysvipc.SegmentByID(o.ID).Stat()
		if err != nil {
			return now, err
		}
		if st.Resident < 0 { // only the list of all knows
			st.Resident, st.SwappedOut = o.Segment.Resident, o.Segment.SwappedOut
		}
		now.Object, now.Segment = st.Object, &st
	case o.Set != nil:
		set := sysvipc.SemaphoresByID(o.ID)
		st, err := set.Stat()
		if err != nil {
			return now, err
		}
		now.Object, now.Set = st.Object, &st
		if o.Semaphores == nil || st.Len > manySemaphores {
			return now, nil
		}
		all := make([]inspect.Semaphore, st.Len)
		for i := range all {
			at, s := set.At(i), &all[i]
			if s.Value, err = at.Value(); err != nil {
				return now, err
			}
			if s.LastPID, err = at.LastPID(); err != nil {
				return now, err
			}
			if s.Acquire, s.Zero, err = at.Waiters(); err != nil {
				return now, err
			}
		}
		now.Semaphores = all
	case o.Queue != nil:
		st, err := sysvipc.QueueByID(o.ID).Stat()
		if err != nil {
			return now, err
		}
		now.Object, now.Queue = st.Object, &st
	}
	return now, nil
}

const manySemaphores = 512
