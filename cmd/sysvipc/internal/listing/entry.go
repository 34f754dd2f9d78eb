// Package listing is the list of objects that verbs show and choose from: [Entry] is one object of any type, [List] yields
// all, [ParseFilter] reads a condition, [Columns] are what there is to show, and [Format] writes the list.
package listing

import (
	"iter"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Entry is an object of any kind, with what the kernel keeps of it. One of the three
// pointers is set.
type Entry struct {
	*sysvipc.Object // that of the one that is set
	Segment         *sysvipc.SegmentStat
	Set             *sysvipc.SemaphoreSetStat
	Queue           *sysvipc.QueueStat
	Users           *inspect.Object // the same with its users; nil if nobody asked for them
	NS              uint64          // its IPC namespace; 0 for that of the view
	shown           *output.Object  // as it is published; nil until it is asked for
}

func segmentEntry(st *sysvipc.SegmentStat) Entry  { return Entry{Object: &st.Object, Segment: st} }
func setEntry(st *sysvipc.SemaphoreSetStat) Entry { return Entry{Object: &st.Object, Set: st} }
func queueEntry(st *sysvipc.QueueStat) Entry      { return Entry{Object: &st.Object, Queue: st} }

// Entries yields objects. Each is valid until the next one comes, so that a listing of
// many thousand needs no memory for them. An error ends it.
type Entries = iter.Seq2[*Entry, error]

// List yields all objects of these kinds.
func List(kinds []sysvipc.Kind) Entries {
	return func(yield func(*Entry, error) bool) {
		more := true
		for _, kind := range kinds {
			switch kind {
			case sysvipc.KindSegment:
				more = yieldAll(sysvipc.Segments(), segmentEntry, yield)
			case sysvipc.KindSemaphores:
				more = yieldAll(sysvipc.SemaphoreSets(), setEntry, yield)
			case sysvipc.KindQueue:
				more = yieldAll(sysvipc.Queues(), queueEntry, yield)
			}
			if !more {
				return
			}
		}
	}
}

// yieldAll yields the objects of one kind, and reports whether more are wanted.
func yieldAll[T any](all iter.Seq2[T, error], entryOf func(*T) Entry, yield func(*Entry, error) bool) bool {
	st := new(T)
	e := entryOf(st)
	for next, err := range all {
		*st, e.shown = next, nil
		if !yield(&e, err) || err != nil {
			return false
		}
	}
	return true
}

// Inspected is an object of a snapshot.
func Inspected(s *inspect.Snapshot, o *inspect.Object) Entry {
	return Entry{Object: &o.Object, Segment: o.Segment, Set: o.Set, Queue: o.Queue, Users: o, NS: s.Namespace}
}

// ListInspected yields the objects of a snapshot.
func ListInspected(s *inspect.Snapshot) Entries {
	return func(yield func(*Entry, error) bool) {
		for i := range s.Objects {
			e := Inspected(s, &s.Objects[i])
			if !yield(&e, nil) {
				return
			}
		}
	}
}

// Where leaves out the objects that do not meet a condition.
func Where(all Entries, keep func(*Entry) bool) Entries {
	return func(yield func(*Entry, error) bool) {
		for e, err := range all {
			if err != nil || keep(e) {
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// Clone returns a copy that stays valid.
func (e *Entry) Clone() Entry {
	switch {
	case e.Users != nil:
		return *e
	case e.Segment != nil:
		st := *e.Segment
		return segmentEntry(&st)
	case e.Set != nil:
		st := *e.Set
		return setEntry(&st)
	default:
		st := *e.Queue
		return queueEntry(&st)
	}
}

// Stat returns one object. The kernel keeps the memory in use of a segment only in its
// list of all.
func Stat(kind sysvipc.Kind, id int) (Entry, error) {
	switch kind {
	case sysvipc.KindSegment:
		st, err := sysvipc.SegmentByID(id).Stat()
		if err == nil && st.Resident < 0 {
			for listed, listErr := range sysvipc.Segments() {
				if listErr == nil && listed.ID == id {
					st.Resident, st.SwappedOut = listed.Resident, listed.SwappedOut
				}
			}
		}
		return segmentEntry(&st), err
	case sysvipc.KindSemaphores:
		st, err := sysvipc.SemaphoresByID(id).Stat()
		return setEntry(&st), err
	default:
		st, err := sysvipc.QueueByID(id).Stat()
		return queueEntry(&st), err
	}
}
