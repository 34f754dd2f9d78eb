package dashboard

import (
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
)

// kindWords are the kinds as the command calls them.
var kindWords = [kinds]string{"shm", "sem", "msg"}

var classes = [...]inspect.Class{inspect.InUse, inspect.Protected, inspect.Unknown, inspect.HasData, inspect.Candidate, inspect.Orphan}

func classIndex(c inspect.Class) int {
	for i, other := range classes {
		if c == other {
			return i
		}
	}
	return 2 // unknown, which nothing is removed for
}

var operations = [...]inspect.Operation{inspect.Operate, inspect.Send, inspect.Receive}

// totals are sums over all objects of a snapshot.
type totals struct {
	Bytes, Resident, Swapped int64 // of segments; the last two are -1 if not known of one
	Attaches, Destroyed      int
	Messages, MessageBytes   int
	Verdicts                 [kinds][len(classes)]int
}

func totalsOf(snap *inspect.Snapshot) (t totals) {
	for i := range snap.Objects {
		o := &snap.Objects[i]
		t.Verdicts[o.Kind-sysvipc.KindSegment][classIndex(o.Verdict.Class)]++
		switch {
		case o.Segment != nil:
			st := o.Segment
			t.Bytes += st.Size
			t.Attaches += st.Attaches
			if st.Destroyed {
				t.Destroyed++
			}
			if st.Resident < 0 || st.SwappedOut < 0 || t.Resident < 0 {
				t.Resident, t.Swapped = -1, -1
			} else {
				t.Resident += st.Resident
				t.Swapped += st.SwappedOut
			}
		case o.Queue != nil:
			t.Messages += o.Queue.Messages
			t.MessageBytes += o.Queue.Bytes
		}
	}
	return t
}

// waiting sums up who waits.
type waiting struct {
	Threads               [len(operations)]int
	Oldest                time.Duration
	UnknownAge            int
	Deadlocks, Deadlocked int
	StuckQueues           int
	FullQueues            int
	ForDead               int
}

// full is the share of its capacity from which a queue counts as full, as in "sysvipc doctor".
const full = 0.95

func waitsOf(snap *inspect.Snapshot) (t waiting) {
	stuck := map[int]bool{}
	for i := range snap.Waits {
		w := &snap.Waits[i]
		t.Threads[w.Operation-inspect.Operate]++
		if w.Since.IsZero() {
			t.UnknownAge++
		} else {
			t.Oldest = max(t.Oldest, snap.Time.Sub(w.Since))
		}
		if w.Cycle != 0 {
			t.Deadlocks = max(t.Deadlocks, w.Cycle)
			t.Deadlocked++
		}
		if w.Stuck() {
			stuck[w.ID] = true
		}
		if forDead(snap, w) {
			t.ForDead++
		}
	}
	t.StuckQueues = len(stuck)
	for i := range snap.Objects {
		if q := snap.Objects[i].Queue; q != nil && q.MaxBytes > 0 && float64(max(q.Bytes, q.Messages)) >= full*float64(q.MaxBytes) {
			t.FullQueues++
		}
	}
	return t
}

// forDead reports whether a wait is for a semaphore that a process operated on last which has ended:
// if that one held it without SEM_UNDO, nobody gives it back.
func forDead(snap *inspect.Snapshot, w *inspect.Wait) bool {
	o := snap.Object(w.Kind, w.ID)
	if w.Operation != inspect.Operate || w.Semaphore < 0 || o == nil || w.Semaphore >= len(o.Semaphores) {
		return false
	}
	last := o.Semaphores[w.Semaphore].LastPID
	for i := range o.Users {
		if u := &o.Users[i]; u.Role == inspect.Operator && u.PID == last && last != 0 {
			return u.Gone()
		}
	}
	return false
}

// sampleOf sums a look up.
func sampleOf(look *Look) history.Sample {
	t, w := totalsOf(look.Snapshot), waitsOf(look.Snapshot)
	s := history.Sample{
		Time: look.Time.UnixMilli(), Bytes: uint64(t.Bytes), Resident: uint64(t.Resident), Swapped: uint64(t.Swapped), MessageBytes: uint64(t.MessageBytes),
		Segments: uint32(look.Limits.Segments.InUse), Sets: uint32(look.Limits.Semaphores.InUse), Semaphores: uint32(look.Limits.Semaphores.InTotal),
		Queues: uint32(look.Limits.Queues.InUse), Attaches: uint32(t.Attaches), Messages: uint32(t.Messages), Waiting: uint32(len(look.Waits)),
		Oldest: uint32(w.Oldest / time.Second), Deadlocks: uint32(w.Deadlocks), Blocked: uint32(w.FullQueues + w.StuckQueues),
	}
	for k := range kinds {
		s.Candidates += uint32(t.Verdicts[k][4])
		s.Orphans += uint32(t.Verdicts[k][5])
	}
	return s
}
