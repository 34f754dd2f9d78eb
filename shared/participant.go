package shared

import (
	"errors"
	"fmt"
	"os"
	"structs"
	"sync/atomic"
	"time"
)

// slot is one participant: a process that has the region open. Its life word carries the
// participant's guardian for as long as that lives, so that anybody can tell by one load
// whether an owner lives, and the kernel marks it when the process ends. Beside it stand the
// TIDs of all guardians of the process, which its locks carry: see burial.go.
type slot struct {
	_           structs.HostLayout
	life        node
	pid         int32
	incarnation uint32 // counts the owners of the slot: changed before a slot is given on
	uid         uint32
	started     int64     // Unix nanoseconds
	bell        uint32    // rung to wake the participant's waiting goroutines
	many        uint32    // it may sleep on locks that are not in the list
	asleep      [7]uint64 // the offsets of locks on which it sleeps
	tids        [guardianCount]uint32
	pidns       uint64 // the PID namespace of its guardians' TIDs, or 0
	_           [40]byte
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
	if err := tooMany(); err != nil {
		return err
	}
	if err := r.elsewhere(v); err != nil {
		return err
	}
	g := pick()
	for index := range int(r.config.slots) {
		s := v.slot(r.plan, index)
		ok, died := g.tryLock(&s.life, 0, door{})
		if !ok {
			continue
		}
		if died {
			r.recover(v, index, true)
		}
		// From here on nothing that the last owner wrote counts as a living one's.
		n := atomic.AddUint32(&s.incarnation, 1)
		s.pid, s.uid, s.started = int32(os.Getpid()), uint32(os.Getuid()), time.Now().UnixNano()
		s.list()
		// Of two who come at once from two PID namespaces, each says so and then looks.
		if err := r.elsewhere(v); err != nil {
			s.unlist()
			g.unlock(&s.life)
			return err
		}
		r.slot, r.id, r.guardian = index, ownerOf(index, n), g
		// Whoever sleeps shall watch over this participant, too.
		r.alarm(v)
		return nil
	}
	return fmt.Errorf("all %d participants are there: make it with more Participants", r.config.slots)
}

// leave gives the slot back and the memory away. Goroutines of this process may be at work
// yet: so the memory is taken from under them first, and then what they have left is
// brought into order like that of a dead owner, through a second mapping.
func (r *Region) leave(v *view) error {
	first := &v.slot(r.plan, r.slot).life
	second, err := r.attach()
	if err != nil { // no room for it: others bring the work into order, as if this one were dead
		r.guardian.abandon(first)
		r.alarm(v)
		return r.memory.Close()
	}
	defer second.Close()
	bytes, hold := second.Hold()
	w := &view{bytes: bytes, hold: hold}
	defer w.done()
	life := &w.slot(r.plan, r.slot).life
	r.guardian.move(first, life)
	err = r.memory.Close()
	r.recover(w, r.slot, false)
	r.alarm(w) // also whoever of this process leads shall see it
	r.guardian.unlock(life)
	return err
}

// reapDead brings into order what participants that died have left at work, and reports
// whether there were any.
func (r *Region) reapDead(v *view) (found bool) {
	for index := range int(r.config.slots) {
		s := v.slot(r.plan, index)
		if atomic.LoadUint32(&s.life.word)&futexOwnerDied == 0 {
			continue
		}
		g := pick()
		ok, died := g.tryLock(&s.life, 0, door{r, v})
		if ok && died {
			r.recover(v, index, true)
			found = true
		}
		if ok {
			g.unlock(&s.life)
		}
	}
	if found {
		r.alarm(v)
	}
	return found
}

// recover brings into order what the owner of this slot has left at work. The slot's lock
// is held: taken from the dead owner, or by the owner itself, which leaves. Each repair may
// be made twice: whoever makes it can be killed too, and then the slot is as before. The last
// step makes the owner's name void.
func (r *Region) recover(v *view, index int, died bool) {
	s := v.slot(r.plan, index)
	dead := ownerOf(index, atomic.LoadUint32(&s.incarnation))
	r.eachMarked(v, r.plan.marks, func(kind uint32, t thing) {
		if repair := repairs[kind]; repair != nil {
			repair(r, v, t, dead)
		}
	})
	slept := r.wakeOthers(v, s)
	if died {
		r.bury(v, index, slept)
	}
	s.forgetSleep()
	s.unlist()
	atomic.AddUint32(&s.incarnation, 1)
}

// repairs are what to do for each kind of thing when a participant has died.
var repairs = map[uint32]func(r *Region, v *view, t thing, dead owner){
	kindRWMutex: repairRWMutex,
	kindMap:     repairMap,
	kindChan:    repairChan,
	kindTopic:   repairTopic,
	kindRecords: repairRecords,
}

var errNoSpace = errors.New("no space left in the region")
