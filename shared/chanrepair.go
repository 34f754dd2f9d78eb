package shared

import "sync/atomic"

// ringOf returns the ring that lies in t, if what its entry says can be true.
func ringOf(t thing) (*ring, bool) {
	size, capacity := t.params[0], t.params[1]
	if size == 0 || size > maxMessage || capacity == 0 || capacity > maxCapacity || capacity != powerOfTwo(capacity) {
		return nil, false
	}
	r := t.region
	c := &ring{
		thing: t, size: uintptr(size), stride: roundUp(cellWord+size, line), mask: capacity - 1,
		news: t.offset + chanHeadSize, me: uint64(r.slot) << slotShift,
	}
	for 1<<c.shift < capacity {
		c.shift++
	}
	c.lapBits = min(64-lapShift, positionBits-c.shift)
	c.laps = 1<<c.lapBits - 1
	if canFetch() && capacity >= 4*fetchAhead {
		c.far = fetchAhead
	}
	c.every = min(max(capacity/4, 1), 16) - 1
	c.words = r.eventWords()
	c.room = c.news + roundUp(r.eventSize(), line)
	c.start = c.room + roundUp(r.eventSize(), line)
	return c, c.start+capacity*c.stride-t.offset == t.size
}

// repairChan brings the cells into order that a participant had claimed who is dead: none
// of its threads runs any more. Where messages wait, those who sleep are woken by the
// alarm that follows.
func repairChan(r *Region, v *view, t thing, dead owner) {
	c, ok := ringOf(t)
	if !ok {
		return
	}
	h := c.head(v)
	// Claims lie between the first cell that was not given back, behind which head may stay,
	// and the first empty one.
	p := c.drain(v)
	for range capacityOf(c) {
		word := c.word(v, p)
		w := atomic.LoadUint64(word)
		switch ahead, state := c.ahead(w, p), w&stateMask; {
		case ahead < 0, ahead == 0 && (state == cellEmpty || state == cellSealed):
			atomic.AddUint64(&h.epoch, 1)
			return
		case ahead == 0 && w>>slotShift&slotMask == uint64(uint32(dead)-1):
			c.disown(v, p, w)
		}
		p++
	}
	// Always: whoever began this repair may have been killed just before.
	atomic.AddUint64(&h.epoch, 1)
}

func capacityOf(c *ring) uint64 { return c.mask + 1 }

// disown takes the cell for p away from an owner that is dead. Only its owner changes the
// word of a claimed cell otherwise.
func (c *ring) disown(v *view, p, w uint64) {
	switch w & stateMask {
	case cellWriting:
		atomic.CompareAndSwapUint64(c.word(v, p), w, c.mark(p, cellSkip))
	case cellReading:
		atomic.CompareAndSwapUint64(c.word(v, p), w, c.mark(p, cellFull))
	}
}

// orphan looks after the owner of a cell that blocks a try, and reports whether it was
// dead and its work has been brought into order. Those who sleep are told of a death by
// the kernel; those who only try are not.
func (c *ring) orphan(v *view, at place) bool {
	slot := at.word >> slotShift & slotMask
	if state := at.word & stateMask; state != cellWriting && state != cellReading || slot >= uint64(c.region.config.slots) {
		return false
	}
	life := atomic.LoadUint32(&v.slot(c.region.plan, int(slot)).life.word)
	return life&futexOwnerDied != 0 && c.region.reapDead(v)
}
