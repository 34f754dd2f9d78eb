package main

import (
	"iter"

	"github.com/sysvipc/sysvipc/internal/output"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// entry is an object of any kind, with what the kernel keeps of it. One of the three
// pointers is set.
type entry struct {
	*sysvipc.Object // that of the one that is set
	seg             *sysvipc.SegmentStat
	set             *sysvipc.SemaphoreSetStat
	queue           *sysvipc.QueueStat
	users           *inspect.Object // the same with its users; nil if nobody asked for them
	ns              uint64          // its IPC namespace; 0 for that of the view
	shown           *output.Object  // as it is published; nil until it is asked for
}

func segmentEntry(st *sysvipc.SegmentStat) entry  { return entry{Object: &st.Object, seg: st} }
func setEntry(st *sysvipc.SemaphoreSetStat) entry { return entry{Object: &st.Object, set: st} }
func queueEntry(st *sysvipc.QueueStat) entry      { return entry{Object: &st.Object, queue: st} }

// entries yields objects. Each is valid until the next one comes, so that a listing of
// many thousand needs no memory for them. An error ends it.
type entries = iter.Seq2[*entry, error]

// list yields all objects of these kinds.
func list(kinds []sysvipc.Kind) entries {
	return func(yield func(*entry, error) bool) {
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
func yieldAll[T any](all iter.Seq2[T, error], entryOf func(*T) entry, yield func(*entry, error) bool) bool {
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

// inspected is an object of a snapshot.
func inspected(s *inspect.Snapshot, o *inspect.Object) entry {
	return entry{Object: &o.Object, seg: o.Segment, set: o.Set, queue: o.Queue, users: o, ns: s.Namespace}
}

// listInspected yields the objects of a snapshot.
func listInspected(s *inspect.Snapshot) entries {
	return func(yield func(*entry, error) bool) {
		for i := range s.Objects {
			e := inspected(s, &s.Objects[i])
			if !yield(&e, nil) {
				return
			}
		}
	}
}

// where leaves out the objects that do not meet a condition.
func where(all entries, keep func(*entry) bool) entries {
	return func(yield func(*entry, error) bool) {
		for e, err := range all {
			if err != nil || keep(e) {
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// clone returns a copy that stays valid.
func (e *entry) clone() entry {
	switch {
	case e.users != nil:
		return *e
	case e.seg != nil:
		st := *e.seg
		return segmentEntry(&st)
	case e.set != nil:
		st := *e.set
		return setEntry(&st)
	default:
		st := *e.queue
		return queueEntry(&st)
	}
}

// stat returns one object. The kernel keeps the memory in use of a segment only in its
// list of all.
func stat(kind sysvipc.Kind, id int) (entry, error) {
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
