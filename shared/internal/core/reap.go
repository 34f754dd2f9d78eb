package core

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// A thread that is exiting may take a lock with the TID of a robust owner whose list the
// kernel has already walked: nobody marks that lock any more. So the process that reaps a dead
// participant marks the locks that carry the TIDs of its robust owners, once none of its threads
// runs any more.
//
// A TID may belong to another thread by then: long after the death, or where nothing but C
// programs was there to see it. So a lock is marked only if, after its word was read, no
// thread had that TID. The robust owners of another handle of a process that lives, or has just
// left, exist, and so do the threads of C programs, which hold locks with TIDs of their own.
// TIDs mean something in one PID namespace only: locks of a participant of another one are
// left alone, and so are TIDs by which a participant of another one goes.
//
// What remains: a process that is killed in the instant in which it makes the region, or
// joins it for the first time, is not known by its TIDs yet.

// list writes who the robust owners of this process are into its slot, before it takes any lock
// of the region but the slot's own.
func (s *Slot) list() {
	for i, g := range RobustOwners.All {
		atomic.StoreUint32(&s.TIDs[i], g.TID)
	}
	atomic.StoreUint64(&s.PIDNS, RobustOwners.PIDNS)
}

// unlist says that nobody is there whose TIDs mean anything.
func (s *Slot) unlist() { atomic.StoreUint64(&s.PIDNS, 0) }

// Listed returns the TIDs of the robust owners in a slot, and their PID namespace.
func (s *Slot) Listed() (tids [RobustOwnerCount]uint32, pidns uint64) {
	for i := range s.TIDs {
		tids[i] = atomic.LoadUint32(&s.TIDs[i])
	}
	return tids, atomic.LoadUint64(&s.PIDNS)
}

// How long to wait at most for a process that was killed to be gone. Its threads do not run
// any more, and only have to leave the kernel.
const (
	waitForLock  = time.Second
	waitForSleep = 100 * time.Millisecond
)

// reapThreads sees to what is left of the threads of a dead participant, whose slot's lock is held.
// Slept tells whether some of them slept on locks: a thread that is killed as it falls asleep
// may yet take a wake-up that was another's, until the process is gone.
func (r *Region) reapThreads(v *View, index int, slept bool) {
	s := v.Slot(r.Plan, index)
	tids, pidns := s.Listed()
	if pidns == 0 || pidns != RobustOwners.PIDNS {
		return
	}
	if slept && slices.ContainsFunc(tids[:], func(tid uint32) bool { return tid != 0 && threadOf(s.PID, tid) }) {
		r.WakeAll(v) // what was repaired until now need not wait
		awaitEnd(s.PID, waitForSleep)
		r.WakeOthers(v, s)
	}
	end := time.Now().Add(waitForLock)
	ended := func(tid uint32) bool {
		switch {
		case !slices.Contains(tids[:], tid), r.foreign(v, tid):
			return false
		case !ThreadExists(tid):
			return true
		case !threadOf(s.PID, tid):
			return false
		}
		awaitEnd(s.PID, time.Until(end))
		return !ThreadExists(tid)
	}
	r.EachLock(v, func(n *Node) { n.markDead(ended) })
	for i := range int(r.Config.Slots) {
		if i != index {
			v.Slot(r.Plan, i).Life.markDead(ended)
		}
	}
}

// foreign reports whether a TID is that of a participant of another PID namespace who lives.
func (r *Region) foreign(v *View, tid uint32) bool {
	for i := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, i)
		tids, pidns := s.Listed()
		// The reaper of a slot holds its lock, too, and is not listed there.
		holder := atomic.LoadUint32(&s.Life.Word) & TIDMask
		if pidns != RobustOwners.PIDNS && holder != 0 && slices.Contains(tids[:], holder) && slices.Contains(tids[:], tid) {
			return true
		}
	}
	return false
}

// markTries is how often to try to mark a lock whose word changes.
const markTries = 1000

// markDead marks a lock as the kernel does, if its holder has ended, and wakes all who sleep on
// it.
func (n *Node) markDead(ended func(tid uint32) bool) {
	for range markTries {
		word := atomic.LoadUint32(&n.Word)
		if word == OwnerDied|Waiters {
			break // the process that marked it may have been killed before it woke a sleeper
		}
		if tid := word & TIDMask; tid == 0 || !ended(tid) {
			return
		}
		if atomic.CompareAndSwapUint32(&n.Word, word, word&Waiters|OwnerDied) {
			break
		}
	}
	futexWake(&n.Word, math.MaxInt32)
}
