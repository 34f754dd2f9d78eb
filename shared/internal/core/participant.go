package core

import (
	"errors"
	"fmt"
	"os"
	"structs"
	"sync/atomic"
	"time"
)

// Slot is one participant: a process that has the region open. Its life word carries the
// participant's robust owner for as long as that lives, so that anybody can tell by one load
// whether an owner lives, and the kernel marks it when the process ends. Beside it stand the
// TIDs of all robust owners of the process, which its locks carry: see reap.go.
type Slot struct {
	_           structs.HostLayout
	Life        Node
	PID         int32
	incarnation uint32 // counts the owners of the slot: changed before a slot is given on
	uid         uint32
	started     int64     // Unix nanoseconds
	Wakes       uint32    // changed to wake the participant's waiting goroutines
	Many        uint32    // it may sleep on locks that are not in the list
	Asleep      [7]uint64 // the offsets of locks on which it sleeps
	TIDs        [RobustOwnerCount]uint32
	PIDNS       uint64 // the PID namespace of its robust owners' TIDs, or 0
	left        uint64 // how many removals of structures its users know of: see remove.go
	_           [32]byte
}

// Owner names a participant for good: the number of its slot, and the slot's
// incarnation. It is what structures store of the process that changes them. Never 0.
type Owner uint64

func OwnerOf(index int, incarnation uint32) Owner {
	return Owner(incarnation)<<32 | Owner(index+1)
}

func (v *View) Slot(p plan, index int) *Slot {
	return (*Slot)(v.At(p.slots + uint64(index)*SlotLen))
}

// Alive reports whether o still has the region open. The slot of an owner that ended may
// belong to another participant by now, with another incarnation.
func (r *Region) Alive(v *View, o Owner) bool {
	index := int(uint32(o)) - 1
	if index < 0 || index >= int(r.Config.Slots) {
		return false // no participant wrote this
	}
	s := v.Slot(r.Plan, index)
	return atomic.LoadUint32(&s.Life.Word)&TIDMask != 0 && atomic.LoadUint32(&s.incarnation) == uint32(o>>32)
}

// join takes a slot: a free one, or that of a participant that died, after whose work is
// looked first.
func (r *Region) join(v *View) error {
	if err := tooMany(); err != nil {
		return err
	}
	if err := r.elsewhere(v); err != nil {
		return err
	}
	g := Pick()
	for index := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, index)
		ok, died := g.TryLock(&s.Life, 0, Door{})
		if !ok {
			continue
		}
		if died {
			r.recover(v, index, true)
		}
		// From here on nothing that the last owner wrote counts as a living one's.
		n := atomic.AddUint32(&s.incarnation, 1)
		s.PID, s.uid, s.started = int32(os.Getpid()), uint32(os.Getuid()), time.Now().UnixNano()
		atomic.StoreUint64(&s.left, atomic.LoadUint64(&v.Header().removals))
		s.list()
		// Of two who come at once from two PID namespaces, each says so and then looks.
		if err := r.elsewhere(v); err != nil {
			s.unlist()
			g.Unlock(&s.Life)
			return err
		}
		r.Slot, r.ID, r.Owner = index, OwnerOf(index, n), g
		// All sleepers watch over this participant, too.
		r.WakeAll(v)
		return nil
	}
	return fmt.Errorf("all %d participants are there: make it with more Participants", r.Config.Slots)
}

// leave gives the slot back and the memory away. Goroutines of this process may still
// use it: so the memory is taken from under them first, and then what they have left is
// brought into order like that of a dead owner, through a second mapping.
func (r *Region) leave(v *View) error {
	first := &v.Slot(r.Plan, r.Slot).Life
	second, err := r.attach()
	if err != nil { // no room for it: others bring the work into order, as if this one were dead
		r.Owner.Abandon(first)
		r.WakeAll(v)
		return r.memory.Close()
	}
	defer second.Close()
	bytes, hold := second.Hold()
	w := &View{Bytes: bytes, hold: hold}
	defer w.Done()
	life := &w.Slot(r.Plan, r.Slot).Life
	r.Owner.move(first, life)
	err = r.memory.Close()
	r.recover(w, r.Slot, false)
	r.WakeAll(w) // also for the leader of this process
	r.Owner.Unlock(life)
	return err
}

// ReapDead brings into order what participants that died have left half done, and reports
// whether there were any.
func (r *Region) ReapDead(v *View) (found bool) {
	for index := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, index)
		if atomic.LoadUint32(&s.Life.Word)&OwnerDied == 0 {
			continue
		}
		g := Pick()
		ok, died := g.TryLock(&s.Life, 0, Door{r, v})
		if ok && died {
			r.recover(v, index, true)
			found = true
		}
		if ok {
			g.Unlock(&s.Life)
		}
	}
	if found {
		r.WakeAll(v)
	}
	return found
}

// recover brings into order what the owner of this slot has left half done. The slot's lock
// is held: taken from the dead owner, or by the owner itself, which leaves. Each repair may
// be made twice: the process that makes it can be killed too, and then the slot is as before. The last
// step makes the owner's name void.
func (r *Region) recover(v *View, index int, died bool) {
	s := v.Slot(r.Plan, index)
	dead := OwnerOf(index, atomic.LoadUint32(&s.incarnation))
	r.eachMarked(v, r.Plan.marks, func(kind uint32, t Structure) {
		if repair := r.kinds.Of(kind).Repair; repair != nil {
			repair(v, t, dead)
		}
	})
	slept := r.WakeOthers(v, s)
	if died {
		r.reapThreads(v, index, slept)
	}
	s.ForgetSleep()
	s.unlist()
	atomic.AddUint32(&s.incarnation, 1)
}

var errNoSpace = errors.New("no space left in the region")
