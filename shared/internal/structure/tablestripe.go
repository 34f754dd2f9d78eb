package structure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// What a probe comes to.
const (
	missed  = iota // nothing, but slot is free
	hit            // the key is in slot
	changed        // while it looked: look again
	crowded        // nothing, and no slot is free
	corrupt
)

// probe looks for a key.
func (s stripe) probe(hash uint64, key unsafe.Pointer) (slot, word uint64, found int) {
	start, want := s.home(hash), tag(hash)
	for i := range s.slots {
		slot = start + i
		at := s.word(slot)
		word = atomic.LoadUint64(at)
		switch cell := word & cellMask; {
		case cell == wordEmpty:
			return slot, word, missed
		case cell == wordHole || word&(0xff<<wordTag) != want:
			continue
		case cell > s.cells:
			return slot, word, corrupt
		case equalIn(s.cell(cell-1), key, s.Key):
			return slot, word, hit
		}
		if atomic.LoadUint64(at) != word {
			return slot, word, changed
		}
	}
	return 0, 0, crowded
}

// equalIn compares size bytes of the region with those at key, word by word.
func equalIn(in, key unsafe.Pointer, size uint64) bool {
	b := core.BytesOf(key, size)
	for ; len(b) >= 8; b, in = b[8:], unsafe.Add(in, 8) {
		if atomic.LoadUint64((*uint64)(in)) != binary.NativeEndian.Uint64(b) {
			return false
		}
	}
	if len(b) == 0 {
		return true
	}
	var word [8]byte // cells are whole words
	binary.NativeEndian.PutUint64(word[:], atomic.LoadUint64((*uint64)(in)))
	return string(word[:len(b)]) == string(b)
}

// tries is how often a reader looks again, because writers are in its way, before it takes
// its turn with them.
const tries = 1000

// errBusy: writers were always in a reader's way.
var errBusy = errors.New("it changes faster than it can be read")

// read copies the value for a key to value, which is spoiled if there is none. It takes no
// lock, and fails with errBusy if the writers are too many.
func (s stripe) read(hash uint64, key, value unsafe.Pointer) (bool, error) {
	for i := range tries {
		moves := atomic.LoadUint64(&s.head().moves)
		slot, word, found := s.probe(hash, key)
		switch found {
		case hit:
			core.CopyOut(value, unsafe.Add(s.cell(word&cellMask-1), s.value), uintptr(s.Val))
			if atomic.LoadUint64(s.word(slot)) == word {
				return true, nil
			}
		case missed, crowded:
			if atomic.LoadUint64(&s.head().moves) == moves {
				return false, s.open()
			}
		case corrupt:
			return false, s.corrupt()
		}
		if i%10 == 9 {
			runtime.Gosched()
		}
	}
	return false, errBusy
}

// readInTurn is read after errBusy: it takes its turn with the writers.
func (s stripe) readInTurn(ctx context.Context, hash uint64, key, value unsafe.Pointer) (bool, error) {
	lock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer lock.release(s)
	_, word, ok, err := s.find(hash, key)
	if ok {
		core.CopyOut(value, unsafe.Add(s.cell(word&cellMask-1), s.value), uintptr(s.Val))
	}
	return ok, err
}

// open tells whether the region is still that of the view. If not, what was read means
// nothing.
func (s stripe) open() error { return s.Structure.Open(s.v) }

func (s stripe) corrupt() error { return fmt.Errorf("shared: map %q: %w", s.Name, core.ErrCorrupt) }

// find is probe with the lock held.
func (s stripe) find(hash uint64, key unsafe.Pointer) (slot, word uint64, ok bool, err error) {
	slot, word, found := s.probe(hash, key)
	switch found {
	case hit:
		return slot, word, true, nil
	case missed:
		return slot, word, false, nil
	case crowded:
		return slot, word, false, s.full()
	}
	return slot, word, false, s.corrupt()
}

var ErrFull = errors.New("full")

func (s stripe) full() error {
	return fmt.Errorf("shared: map %q: %w: it was made for %d entries (delete some, or make another one with a larger capacity)", s.Name, ErrFull, s.Capacity)
}

// put sets the value for a key, which find has looked for. The lock is held.
func (s stripe) put(hash, slot, word uint64, exists bool, key, value unsafe.Pointer) error {
	h := s.head()
	if !exists && !s.room(atomic.LoadUint64(&h.count)) {
		return s.full()
	}
	cell := uint64(h.fresh)
	if h.top > 0 {
		if uint64(h.top) > s.cells {
			return s.corrupt()
		}
		cell = uint64(*s.stack(h.top - 1))
		if cell >= s.cells {
			return s.corrupt()
		}
		h.top--
	} else {
		if cell >= s.cells {
			return s.full()
		}
		h.fresh++
	}
	core.CopyIn(s.cell(cell), key, uintptr(s.Key))
	core.CopyIn(unsafe.Add(s.cell(cell), s.value), value, uintptr(s.Val))
	atomic.StoreUint64(s.word(slot), succeed(word, tag(hash)|(cell+1)))
	if exists {
		s.release(word&cellMask - 1)
	} else {
		atomic.AddUint64(&h.count, 1)
	}
	s.Region.Notify(s.v, s.changed())
	return nil
}

// room reports whether there may be one more entry than the stripe's count. One cell must
// be left for a replacement of a value, and far below its share a stripe need not ask how
// many the others have.
func (s stripe) room(count uint64) bool {
	return count < s.cells-1 && (count*s.Stripes < s.Capacity/2 || s.Table.count(s.v) < s.Capacity)
}

// release puts a cell on the stack, to which no word points any more. The lock is held.
func (s stripe) release(cell uint64) {
	if h := s.head(); uint64(h.top) < s.cells {
		*s.stack(h.top) = uint32(cell)
		h.top++
	}
}

// remove takes out the entry in slot. The lock is held.
func (s stripe) remove(slot, word uint64) {
	atomic.StoreUint64(s.word(slot), succeed(word, wordHole))
	atomic.AddUint64(&s.head().moves, 1)
	s.Close(slot)
	atomic.AddUint64(&s.head().count, math.MaxUint64)
	s.release(word&cellMask - 1)
	s.Region.Notify(s.v, s.changed())
}

// clear takes out all entries. The lock is held. No word is empty before all entries are holes: no
// reader misses one that is still there behind it.
func (s stripe) clear() {
	h := s.head()
	if atomic.LoadUint64(&h.count) == 0 {
		return // and the index, which may never have been touched, takes no memory
	}
	for _, to := range []uint64{wordHole, wordEmpty} {
		for slot := range s.slots {
			if word := atomic.LoadUint64(s.word(slot)); word&cellMask != wordEmpty {
				atomic.StoreUint64(s.word(slot), succeed(word, to))
			}
		}
	}
	h.top, h.fresh = 0, 0
	atomic.StoreUint64(&h.count, 0)
	s.Region.Notify(s.v, s.changed())
}

// Close moves entries up until the hole can be empty: until no entry behind it is reached
// by way of it.
func (s stripe) Close(hole uint64) {
	slot := hole
	for range s.slots - 1 {
		slot++
		word := atomic.LoadUint64(s.word(slot))
		cell := word & cellMask
		if cell == wordEmpty {
			break
		}
		if cell > s.cells || s.distance(slot, cell-1) < slot-hole {
			continue // a hole, or it cannot be that far up
		}
		atomic.StoreUint64(s.word(hole), succeed(atomic.LoadUint64(s.word(hole)), word))
		atomic.AddUint64(&s.head().moves, 1)
		atomic.StoreUint64(s.word(slot), succeed(word, wordHole))
		hole = slot
	}
	atomic.StoreUint64(s.word(hole), succeed(atomic.LoadUint64(s.word(hole)), wordEmpty))
}

// distance is how far the slot is from the home of the key in the cell.
func (s stripe) distance(slot, cell uint64) uint64 {
	return (slot - s.home(xxh64(core.BytesOf(s.cell(cell), s.Key)))) & (s.slots - 1)
}

// count is the number of entries.
func (t *Table) count(v *core.View) (n uint64) {
	for i := range t.Stripes {
		n += min(atomic.LoadUint64(&(*stripeHead)(v.At(t.Offset+i*t.mapLayout.stripe)).count), t.cells)
	}
	return n
}
