package structure

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

var ErrChanClosed = errors.New("the channel is closed")

const (
	maxCapacity = 1 << 30
	maxMessage  = 1 << 30
)

// DeclareChan finds the channel, or makes it, with room for capacity messages.
func DeclareChan(r *core.Region, name string, s shape.Shape, capacity int) (*Ring, error) {
	if capacity < 1 || capacity > maxCapacity {
		return nil, fmt.Errorf("shared: chan %q: a capacity of %d: use 1 to %d", name, capacity, maxCapacity)
	}
	if s.Size > maxMessage {
		return nil, fmt.Errorf("shared: chan %q: a message of %d bytes: at most %d", name, s.Size, maxMessage)
	}
	n := core.PowerOfTwo(uint64(capacity))
	size := ringHeadSize + 2*core.RoundUp(r.EventSize(), core.Line) + n*core.RoundUp(cellWord+uint64(s.Size), core.Line)
	t, err := r.Declare(context.Background(), core.Declaration{
		Kind: KindChan, Name: name, Shape: s, Size: size, Params: [4]uint64{uint64(s.Size), n},
		Init: func(v *core.View, t core.Structure) {
			if c, ok := RingOf(t); ok {
				c.format(v)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	c, ok := RingOf(t)
	if !ok {
		return nil, fmt.Errorf("shared: chan %q in region %q: %w: its sizes do not fit", name, r.Name, core.ErrCorrupt)
	}
	return c, nil
}

// RingOf returns the ring that lies in t, if what its entry says can be true.
func RingOf(t core.Structure) (*Ring, bool) {
	size, capacity := t.Params[0], t.Params[1]
	if size == 0 || size > maxMessage || capacity == 0 || capacity > maxCapacity || capacity != core.PowerOfTwo(capacity) {
		return nil, false
	}
	r := t.Region
	c := &Ring{
		Structure: t, size: uintptr(size), stride: core.RoundUp(cellWord+size, core.Line), mask: capacity - 1,
		News: t.Offset + ringHeadSize, me: uint64(r.Slot) << slotShift,
	}
	for 1<<c.shift < capacity {
		c.shift++
	}
	c.lapBits = min(64-lapShift, positionBits-c.shift)
	c.laps = 1<<c.lapBits - 1
	if core.CanFetch() && capacity >= 4*fetchAhead {
		c.far = fetchAhead
	}
	c.every = min(max(capacity/4, 1), 16) - 1
	c.words = r.EventWords()
	c.local, c.spins = r.LocalLock(t.Offset), core.ManyProcessors()
	c.room = c.News + core.RoundUp(r.EventSize(), core.Line)
	c.start = c.room + core.RoundUp(r.EventSize(), core.Line)
	return c, c.start+capacity*c.stride-t.Offset == t.Size
}

// repairChan brings the cells into order that a participant had claimed who is dead: none
// of its threads runs any more. Where messages wait, those who sleep are woken by the
// WakeAll that follows.
func repairChan(v *core.View, t core.Structure, dead core.Owner) {
	c, ok := RingOf(t)
	if !ok {
		return
	}
	h := c.head(v)
	// Claims lie between the first cell that was not given back, behind which head may stay,
	// and the first empty one.
	p := c.drain(v)
	for range c.mask + 1 {
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
	// Always: the process that began this repair may have been killed just before.
	atomic.AddUint64(&h.epoch, 1)
}

// disown takes the cell for p away from an owner that is dead. Only its owner changes the
// word of a claimed cell otherwise.
func (c *Ring) disown(v *core.View, p, w uint64) {
	switch w & stateMask {
	case cellWriting:
		atomic.CompareAndSwapUint64(c.word(v, p), w, c.mark(p, cellSkip))
	case cellReading:
		atomic.CompareAndSwapUint64(c.word(v, p), w, c.mark(p, cellFull))
	}
}

// orphan looks after the owner of a cell that blocks a try, and reports whether it was
// dead and its work has been brought into order. The kernel wakes sleepers at a
// death; processes that only try see it here.
func (c *Ring) orphan(v *core.View, at place) bool {
	slot := at.word >> slotShift & slotMask
	if state := at.word & stateMask; state != cellWriting && state != cellReading || slot >= uint64(c.Region.Config.Slots) {
		return false
	}
	life := atomic.LoadUint32(&v.Slot(c.Region.Plan, int(slot)).Life.Word)
	return life&core.OwnerDied != 0 && c.Region.ReapDead(v)
}
