package shared

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// A thread that is late to die may take a lock with the TID of a guardian whose list the
// kernel has already walked: nobody marks that lock any more. So whoever looks after a dead
// participant marks the locks that carry the TIDs of its guardians, once none of its threads
// runs any more.
//
// A TID may belong to somebody else by then: long after the death, or where nobody but C
// programs was there to see it. So a lock is marked only if, after its word was read, no
// thread had that TID. The guardians of another handle of a process that lives, or has just
// left, exist, and so do the threads of C programs, which hold locks with TIDs of their own.
// TIDs mean something in one PID namespace only: locks of a participant of another one are
// left alone, and so are TIDs by which a participant of another one goes.
//
// What remains: a process that is killed in the instant in which it makes the region, or
// joins it for the first time, is not known by its TIDs yet.

// list writes who the guardians of this process are into its slot, before it takes any lock
// of the region but the slot's own.
func (s *slot) list() {
	for i, g := range guardians.all {
		atomic.StoreUint32(&s.tids[i], g.tid)
	}
	atomic.StoreUint64(&s.pidns, guardians.pidns)
}

// unlist says that nobody is there whose TIDs mean anything.
func (s *slot) unlist() { atomic.StoreUint64(&s.pidns, 0) }

// listed returns the TIDs of the guardians in a slot, and their PID namespace.
func (s *slot) listed() (tids [guardianCount]uint32, pidns uint64) {
	for i := range s.tids {
		tids[i] = atomic.LoadUint32(&s.tids[i])
	}
	return tids, atomic.LoadUint64(&s.pidns)
}

// How long to wait at most for a process that was killed to be gone. Its threads do not run
// any more, and only have to leave the kernel.
const (
	waitForLock  = time.Second
	waitForSleep = 100 * time.Millisecond
)

// bury sees to what is left of the threads of a dead participant, whose slot's lock is held.
// Slept tells whether some of them slept on locks: a thread that is killed as it falls asleep
// may yet take a wake-up that was another's, until the process is gone.
func (r *Region) bury(v *view, index int, slept bool) {
	s := v.slot(r.plan, index)
	tids, pidns := s.listed()
	if pidns == 0 || pidns != guardians.pidns {
		return
	}
	if slept && slices.ContainsFunc(tids[:], func(tid uint32) bool { return tid != 0 && threadOf(s.pid, tid) }) {
		r.alarm(v) // what was repaired until now need not wait
		awaitEnd(s.pid, waitForSleep)
		r.wakeOthers(v, s)
	}
	end := time.Now().Add(waitForLock)
	ended := func(tid uint32) bool {
		switch {
		case !slices.Contains(tids[:], tid), r.foreign(v, tid):
			return false
		case !threadExists(tid):
			return true
		case !threadOf(s.pid, tid):
			return false
		}
		awaitEnd(s.pid, time.Until(end))
		return !threadExists(tid)
	}
	r.eachLock(v, func(n *node) { n.bury(ended) })
	for i := range int(r.config.slots) {
		if i != index {
			v.slot(r.plan, i).life.bury(ended)
		}
	}
}

// foreign reports whether a TID is that of a participant of another PID namespace who lives.
func (r *Region) foreign(v *view, tid uint32) bool {
	for i := range int(r.config.slots) {
		s := v.slot(r.plan, i)
		tids, pidns := s.listed()
		// Whoever reaps a slot holds its lock, too, and is not listed there.
		holder := atomic.LoadUint32(&s.life.word) & futexTIDMask
		if pidns != guardians.pidns && holder != 0 && slices.Contains(tids[:], holder) && slices.Contains(tids[:], tid) {
			return true
		}
	}
	return false
}

// bury marks a lock as the kernel does, if its holder has ended, and wakes all who sleep on
// it.
func (n *node) bury(ended func(tid uint32) bool) {
	for range tries {
		word := atomic.LoadUint32(&n.word)
		if word == futexOwnerDied|futexWaiters {
			break // whoever marked it may have been killed before it woke anybody
		}
		if tid := word & futexTIDMask; tid == 0 || !ended(tid) {
			return
		}
		if atomic.CompareAndSwapUint32(&n.word, word, word&futexWaiters|futexOwnerDied) {
			break
		}
	}
	futexWake(&n.word, math.MaxInt32)
}
