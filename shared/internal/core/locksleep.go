package core

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// A wake-up is lost if the process that it woke is killed before it has taken the lock: others may
// sleep on, and the word no longer says that they do. So who sleeps on a lock says so in its
// participant's slot, and the process that reaps a dead participant wakes all that sleep there.
// And who sleeps on a lock is woken by the death of any participant, to look after it.

// SleepOnLock notes in this participant's slot that it sleeps on n, until awake is called.
func (r *Region) SleepOnLock(v *View, n *Node) (awake func()) {
	at := uint64(uintptr(unsafe.Pointer(n)) - uintptr(v.At(0)))
	s := v.Slot(r.Plan, r.Slot)
	for i := range s.Asleep {
		if atomic.CompareAndSwapUint64(&s.Asleep[i], 0, at) {
			return func() { atomic.StoreUint64(&s.Asleep[i], 0) }
		}
	}
	atomic.StoreUint32(&s.Many, 1)
	return func() {}
}

// WakeOthers wakes all who sleep on the locks on which a dead participant slept, and reports
// whether it slept on any.
func (r *Region) WakeOthers(v *View, s *Slot) (slept bool) {
	if atomic.LoadUint32(&s.Many) != 0 {
		slept = true
		r.EachLock(v, func(n *Node) { futexWake(&n.Word, math.MaxInt32) })
	}
	for i := range s.Asleep {
		at := atomic.LoadUint64(&s.Asleep[i])
		if at%4 == 0 && at >= uint64(unsafe.Offsetof(Header{}.Dir)) && at <= r.Config.size-MutexBytes {
			slept = true
			futexWake((*uint32)(v.At(at)), math.MaxInt32)
		}
	}
	return slept
}

// ForgetSleep has a slot say that its participant sleeps on no lock.
func (s *Slot) ForgetSleep() {
	for i := range s.Asleep {
		atomic.StoreUint64(&s.Asleep[i], 0)
	}
	atomic.StoreUint32(&s.Many, 0)
}
