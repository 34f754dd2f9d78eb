package main

import (
	"iter"

	"github.com/sysvipc/sysvipc"
)

// entry is an object of any kind, with what the kernel keeps of it. One of the three
// pointers is set.
type entry struct {
	sysvipc.Object
	seg   *sysvipc.SegmentStat
	set   *sysvipc.SemaphoreSetStat
	queue *sysvipc.QueueStat
}

func segmentEntry(st sysvipc.SegmentStat) entry  { return entry{Object: st.Object, seg: &st} }
func setEntry(st sysvipc.SemaphoreSetStat) entry { return entry{Object: st.Object, set: &st} }
func queueEntry(st sysvipc.QueueStat) entry      { return entry{Object: st.Object, queue: &st} }

// list returns all objects of these kinds.
func list(kinds []sysvipc.Kind) ([]entry, error) {
	var all []entry
	for _, kind := range kinds {
		var err error
		switch kind {
		case sysvipc.KindSegment:
			all, err = collect(all, sysvipc.Segments(), segmentEntry)
		case sysvipc.KindSemaphores:
			all, err = collect(all, sysvipc.SemaphoreSets(), setEntry)
		case sysvipc.KindQueue:
			all, err = collect(all, sysvipc.Queues(), queueEntry)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func collect[T any](all []entry, more iter.Seq2[T, error], entryOf func(T) entry) ([]entry, error) {
	for st, err := range more {
		if err != nil {
			return nil, err
		}
		all = append(all, entryOf(st))
	}
	return all, nil
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
		return segmentEntry(st), err
	case sysvipc.KindSemaphores:
		st, err := sysvipc.SemaphoresByID(id).Stat()
		return setEntry(st), err
	default:
		st, err := sysvipc.QueueByID(id).Stat()
		return queueEntry(st), err
	}
}
