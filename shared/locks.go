package shared

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// Where the locks of a region are, for whoever has to look at all of them. Two bitmaps say
// which entries have to do with the death of a participant, so that the others, however many,
// need not be looked at.

// mark notes in a bitmap that an entry's thing has to be looked at. It comes before the entry
// is ready.
func (v *view) mark(p plan, bitmap uint64, e *entry) {
	index := uint64((uintptr(unsafe.Pointer(e)) - uintptr(v.at(p.table))) / entryLen)
	atomic.OrUint64((*uint64)(v.at(bitmap+index/64*8)), 1<<(index%64))
}

// eachMarked calls do with the kind of each thing that is marked in a bitmap. It has no name.
func (r *Region) eachMarked(v *view, bitmap uint64, do func(kind uint32, t thing)) {
	for i := range (uint64(r.config.entries) + 63) / 64 {
		for marked := atomic.LoadUint64((*uint64)(v.at(bitmap + 8*i))); marked != 0; marked &= marked - 1 {
			index := i*64 + uint64(bits.TrailingZeros64(marked))
			if index >= uint64(r.config.entries) {
				break
			}
			e := (*entry)(v.at(r.plan.table + index*entryLen))
			if atomic.LoadUint32(&e.state) != entryReady {
				continue
			}
			if t, ok := r.nameless(e); ok {
				do(e.kind, t)
			}
		}
	}
}

// eachLock calls do with each lock of the region, but for those of the slots.
func (r *Region) eachLock(v *view, do func(n *node)) {
	do(&v.header().init)
	do(&v.header().dir)
	r.eachMarked(v, r.plan.locks, func(kind uint32, t thing) {
		locksOf(kind, t, func(at uint64) { do((*node)(v.at(at))) })
	})
}

// locksOf calls do with where a thing has robust locks.
func locksOf(kind uint32, t thing, do func(at uint64)) {
	at := func(offset uint64) {
		if offset+mutexBytes <= t.size { // else no participant made this
			do(t.offset + offset)
		}
	}
	switch kind {
	case kindMutex, kindRWMutex, kindTopic:
		at(0)
	case kindVar, kindDoc:
		if t.params[1] != 0 { // it has cells
			at(line)
		}
	case kindRecords:
		at(0)
		at(line)
	case kindMap:
		if l, ok := t.region.mapLayout(t); ok {
			for i := range l.stripes {
				at(i * l.stripe)
			}
		}
	}
}

// hasLocks tells whether to mark a thing's entry for its locks.
func hasLocks(kind uint32, t thing) (has bool) {
	locksOf(kind, t, func(uint64) { has = true })
	return has
}
