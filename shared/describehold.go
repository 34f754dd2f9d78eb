package shared

import (
	"slices"
	"sync/atomic"
)

// Hold is why others wait for a participant at a thing, or may have to.
type Hold struct {
	// Slot is that of the participant, as [Region.Participants] has it, or -1: then TID is
	// that of none of them, such as of a C program that has not joined.
	Slot int
	Role HoldRole
	TID  int    // of a thread of the holder of a lock
	N    uint64 // how often a process reads, or how many messages a gated subscriber has yet to take
}

// HoldRole is in which way a thing is held.
type HoldRole string

const (
	HoldLocks      HoldRole = "locks"      // a mutex, or an rwmutex for writing; also who waits for its readers
	HoldReads      HoldRole = "reads"      // an rwmutex
	HoldSubscribes HoldRole = "subscribes" // to a topic, gated
)

// Holds returns who holds a mutex or an rwmutex, and who has gated subscriptions to a topic, at
// this moment. It returns none for other things.
func (a *Any) Holds() (holds []Hold, err error) {
	r := a.thing.region
	v, err := r.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	lock := func() {
		tid := atomic.LoadUint32((*uint32)(v.at(a.thing.offset))) & futexTIDMask
		if a.thing.size >= mutexBytes && tid != 0 {
			holds = append(holds, Hold{Slot: r.slotOf(v, tid), Role: HoldLocks, TID: int(tid)})
		}
	}
	switch a.kind {
	case kindMutex:
		lock()
	case kindRWMutex:
		lock()
		for i := range int(r.config.slots) {
			if a.thing.size < r.rwCounts()+uint64(r.config.slots)*line {
				break // no participant made this
			}
			n := atomic.LoadUint64((*uint64)(v.at(r.rwCount(a.thing, i))))
			if uint32(n) != 0 && r.alive(v, ownerOf(i, uint32(n>>32))) {
				holds = append(holds, Hold{Slot: i, Role: HoldReads, N: uint64(uint32(n))})
			}
		}
	case kindTopic:
		c, ok := topicOf(a.thing)
		if !ok {
			break
		}
		tail := atomic.LoadUint64(&c.head(v).tail)
		for i := range min(uint64(atomic.LoadUint32(&c.head(v).gates)), c.count) {
			g := c.gate(v, i)
			id, cursor := owner(atomic.LoadUint64(&g.owner)), atomic.LoadUint64(&g.cursor)
			if atomic.LoadUint64(&g.joined) != 0 && r.alive(v, id) {
				holds = append(holds, Hold{Slot: int(uint32(id)) - 1, Role: HoldSubscribes, N: max(tail, cursor) - cursor})
			}
		}
	}
	return holds, a.closed(v)
}

// slotOf returns the slot of the participant whose lock words carry this TID, or -1.
func (r *Region) slotOf(v *view, tid uint32) int {
	for i := range int(r.config.slots) {
		s := v.slot(r.plan, i)
		tids, _ := s.listed()
		life := atomic.LoadUint32(&s.life.word) & futexTIDMask
		if life != 0 && (life == tid || slices.Contains(tids[:], tid)) {
			return i
		}
	}
	return -1
}
