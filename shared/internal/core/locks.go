package core

import (
	"math/bits"
	"sync/atomic"
)

// Where the locks of a region are. Two bitmaps say
// which entries have to do with the death of a participant, so that the others, however many,
// need not be looked at.

// mark notes in a bitmap that an entry's structure has to be looked at. It comes before the entry
// is ready.
func (v *View) mark(p plan, bitmap uint64, e *Entry) {
	index := indexOf(v, p, e)
	atomic.OrUint64((*uint64)(v.At(bitmap+index/64*8)), 1<<(index%64))
}

// eachMarked calls do with the kind of each structure that is marked in a bitmap. It has no name.
func (r *Region) eachMarked(v *View, bitmap uint64, do func(kind uint32, t Structure)) {
	for i := range (uint64(r.Config.entries) + 63) / 64 {
		for marked := atomic.LoadUint64((*uint64)(v.At(bitmap + 8*i))); marked != 0; marked &= marked - 1 {
			index := i*64 + uint64(bits.TrailingZeros64(marked))
			if index >= uint64(r.Config.entries) {
				break
			}
			e := (*Entry)(v.At(r.Plan.Table + index*EntryLen))
			if atomic.LoadUint32(&e.state) != entryReady {
				continue
			}
			if t, ok := r.nameless(e); ok {
				do(e.Kind, t)
			}
		}
	}
}

// EachLock calls do with each lock of the region, but for those of the slots.
func (r *Region) EachLock(v *View, do func(n *Node)) {
	do(&v.Header().Init)
	do(&v.Header().Dir)
	r.eachMarked(v, r.Plan.locks, func(kind uint32, t Structure) {
		r.locksOf(kind, t, func(at uint64) { do((*Node)(v.At(at))) })
	})
}

// locksOf calls do with where a structure has robust locks.
func (r *Region) locksOf(kind uint32, t Structure, do func(at uint64)) {
	locks := r.kinds.Of(kind).Locks
	if locks == nil {
		return
	}
	locks(t, func(at uint64) {
		if at+MutexBytes <= t.Offset+t.Size { // else no participant made this
			do(at)
		}
	})
}

// hasLocks tells whether to mark a structure's entry for its locks.
func (r *Region) hasLocks(kind uint32, t Structure) (has bool) {
	r.locksOf(kind, t, func(uint64) { has = true })
	return has
}
