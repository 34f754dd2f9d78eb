package shared

import (
	"errors"
	"fmt"
	"os"
	"structs"
	"sync/atomic"
)

// slot is one participant: a process that has the region open. Its life word carries the
// participant's guardian for as long as that lives, so that anybody can tell by one load
// whether an owner lives, and the kernel marks it when the process ends.
type slot struct {
	_           structs.HostLayout
	life        node
	pid         int32
	incarnation uint32 // counts the owners of the slot: changed before a slot is given on
	uid         uint32
	started     int64  // Unix nanoseconds
	bell        uint32 // rung to wake the participant's waiting goroutines
	_           [60]byte
}

// owner names a participant for good: the number of its slot, and the slot's
// incarnation. It is what structures store of who is at work on them. Never 0.
type owner uint64

func ownerOf(index int, incarnation uint32) owner {
	return owner(incarnation)<<32 | owner(index+1)
}

func (v *view) slot(p plan, index int) *slot {
	return (*slot)(v.at(p.slots + uint64(index)*slotLen))
}

// alive reports whether o still has the region open. The slot of an owner that ended may
// belong to another participant by now, with another incarnation.
func (r *Region) alive(v *view, o owner) bool {
	index := int(uint32(o)) - 1
	if index < 0 || index >= int(r.config.slots) {
		return false // no participant wrote this
	}
	s := v.slot(r.plan, index)
	return atomic.LoadUint32(&s.life.word)&futexTIDMask != 0 && atomic.LoadUint32(&s.incarnation) == uint32(o>>32)
}

// join takes a slot: a free one, or that of a participant that died, after whose work is
// looked first.
func (r *Region) join(v *view) error {
	g := pick()
	for index := range int(r.config.slots) {
		s := v.slot(r.plan, index)
		ok, died := g.tryLock(&s.life, 0)
		if !ok {
			continue
		}
		if died {
			r.reap(v, ownerOf(index, atomic.LoadUint32(&s.incarnation)))
		}
		// From here on nothing that the last owner wrote counts as a living one's.
		n := atomic.AddUint32(&s.incarnation, 1)
		s.pid, s.uid = int32(os.Getpid()), uint32(os.Getuid())
		r.slot, r.id = index, ownerOf(index, n)
		r.guardian = g
		return nil
	}
	return fmt.Errorf("all %d participants are there: make it with more Participants", r.config.slots)
}

// leave gives the slot back.
func (r *Region) leave(v *view) {
	s := v.slot(r.plan, r.slot)
	atomic.AddUint32(&s.incarnation, 1)
	r.guardian.unlock(&s.life)
}

// reap brings into order what a participant that died has left at work. Each repair may
// be made twice: whoever makes it can be killed too.
func (r *Region) reap(v *view, dead owner) {}

var errNoSpace = errors.New("no space left in the region")
