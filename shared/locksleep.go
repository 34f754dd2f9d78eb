package shared

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// A wake-up is lost if whoever it woke is killed before it has taken the lock: others may
// sleep on, and the word no longer says that they do. So who sleeps on a lock says so in its
// participant's slot, and whoever looks after a dead participant wakes all who sleep there.
// And who sleeps on a lock is woken by the death of any participant, to look after it.

// sleepOnLock notes in this participant's slot that it sleeps on n, until awake is called.
func (r *Region) sleepOnLock(v *view, n *node) (awake func()) {
	at := uint64(uintptr(unsafe.Pointer(n)) - uintptr(v.at(0)))
	s := v.slot(r.plan, r.slot)
	for i := range s.asleep {
		if atomic.CompareAndSwapUint64(&s.asleep[i], 0, at) {
			return func() { atomic.StoreUint64(&s.asleep[i], 0) }
		}
	}
	atomic.StoreUint32(&s.many, 1)
	return func() {}
}

// wakeOthers wakes all who sleep on the locks on which a dead participant slept, and reports
// whether it slept on any.
func (r *Region) wakeOthers(v *view, s *slot) (slept bool) {
	if atomic.LoadUint32(&s.many) != 0 {
		slept = true
		r.eachLock(v, func(n *node) { futexWake(&n.word, math.MaxInt32) })
	}
	for i := range s.asleep {
		at := atomic.LoadUint64(&s.asleep[i])
		if at%4 == 0 && at >= uint64(unsafe.Offsetof(header{}.dir)) && at <= r.config.size-mutexBytes {
			slept = true
			futexWake((*uint32)(v.at(at)), math.MaxInt32)
		}
	}
	return slept
}

// forgetSleep has a slot say that its participant sleeps on no lock.
func (s *slot) forgetSleep() {
	for i := range s.asleep {
		atomic.StoreUint64(&s.asleep[i], 0)
	}
	atomic.StoreUint32(&s.many, 0)
}
