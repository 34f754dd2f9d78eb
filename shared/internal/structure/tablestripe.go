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
func (s Stripe) probe(hash uint64, key unsafe.Pointer) (slot, word uint64, found int) {
	start, want := s.Home(hash), Tag(hash)
	for i := range s.Slots {
		slot = start + i
		at := s.Word(slot)
		word = atomic.LoadUint64(at)
		switch cell := word & CellMask; {
		case cell == WordEmpty:
			return slot, word, missed
		case cell == WordHole || word&(0xff<<wordTag) != want:
			continue
		case cell > s.Cells:
			return slot, word, corrupt
		case equalIn(s.Cell(cell-1), key, s.Key):
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
func (s Stripe) read(hash uint64, key, value unsafe.Pointer) (bool, error) {
	for i := range tries {
		moves := atomic.LoadUint64(&s.Head().Moves)
		slot, word, found := s.probe(hash, key)
		switch found {
		case hit:
			core.CopyOut(value, unsafe.Add(s.Cell(word&CellMask-1), s.value), uintptr(s.Val))
			if atomic.LoadUint64(s.Word(slot)) == word {
				return true, nil
			}
		case missed, crowded:
			if atomic.LoadUint64(&s.Head().Moves) == moves {
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
func (s Stripe) readInTurn(ctx context.Context, hash uint64, key, value unsafe.Pointer) (bool, error) {
	lock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer lock.release(s)
	_, word, ok, err := s.Find(hash, key)
	if ok {
		core.CopyOut(value, unsafe.Add(s.Cell(word&CellMask-1), s.value), uintptr(s.Val))
	}
	return ok, err
}

// open tells whether the region is still that of the view. If not, what was read means
// nothing.
func (s Stripe) open() error { return s.Structure.Open(s.v) }

func (s Stripe) corrupt() error { return fmt.Errorf("shared: map %q: %w", s.Name, core.ErrCorrupt) }

// Find is probe with the lock held.
func (s Stripe) Find(hash uint64, key unsafe.Pointer) (slot, word uint64, ok bool, err error) {
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

func (s Stripe) full() error {
	return fmt.Errorf("shared: map %q: %w: it was made for %d entries (delete some, or make another one with a larger capacity)", s.Name, ErrFull, s.Capacity)
}

// put sets the value for a key, which find has looked for. The lock is held.
func (s Stripe) put(hash, slot, word uint64, exists bool, key, value unsafe.Pointer) error {
	h := s.Head()
	if !exists && !s.room(atomic.LoadUint64(&h.Count)) {
		return s.full()
	}
	cell := uint64(h.Fresh)
	if h.Top > 0 {
		if uint64(h.Top) > s.Cells {
			return s.corrupt()
		}
		cell = uint64(*s.Stack(h.Top - 1))
		if cell >= s.Cells {
			return s.corrupt()
		}
		h.Top--
	} else {
		if cell >= s.Cells {
			return s.full()
		}
		h.Fresh++
	}
	core.CopyIn(s.Cell(cell), key, uintptr(s.Key))
	core.CopyIn(unsafe.Add(s.Cell(cell), s.value), value, uintptr(s.Val))
	atomic.StoreUint64(s.Word(slot), Succeed(word, Tag(hash)|(cell+1)))
	if exists {
		s.release(word&CellMask - 1)
	} else {
		atomic.AddUint64(&h.Count, 1)
	}
	s.Region.Notify(s.v, s.changed())
	return nil
}

// room reports whether there may be one more entry than the stripe's count. One cell must
// be left for a replacement of a value, and far below its share a stripe need not ask how
// many the others have.
func (s Stripe) room(count uint64) bool {
	return count < s.Cells-1 && (count*s.Stripes < s.Capacity/2 || s.Table.count(s.v) < s.Capacity)
}

// release puts a cell on the stack, to which no word points any more. The lock is held.
func (s Stripe) release(cell uint64) {
	if h := s.Head(); uint64(h.Top) < s.Cells {
		*s.Stack(h.Top) = uint32(cell)
		h.Top++
	}
}

// remove takes out the entry in slot. The lock is held.
func (s Stripe) remove(slot, word uint64) {
	atomic.StoreUint64(s.Word(slot), Succeed(word, WordHole))
	atomic.AddUint64(&s.Head().Moves, 1)
	s.Close(slot)
	atomic.AddUint64(&s.Head().Count, math.MaxUint64)
	s.release(word&CellMask - 1)
	s.Region.Notify(s.v, s.changed())
}

// clear takes out all entries. The lock is held. No word is empty before all entries are holes: no
// reader misses one that is still there behind it.
func (s Stripe) clear() {
	h := s.Head()
	if atomic.LoadUint64(&h.Count) == 0 {
		return // and the index, which may never have been touched, takes no memory
	}
	for _, to := range []uint64{WordHole, WordEmpty} {
		for slot := range s.Slots {
			if word := atomic.LoadUint64(s.Word(slot)); word&CellMask != WordEmpty {
				atomic.StoreUint64(s.Word(slot), Succeed(word, to))
			}
		}
	}
	h.Top, h.Fresh = 0, 0
	atomic.StoreUint64(&h.Count, 0)
	s.Region.Notify(s.v, s.changed())
}

// Close moves entries up until the hole can be empty: until no entry behind it is reached
// by way of it.
func (s Stripe) Close(hole uint64) {
	slot := hole
	for range s.Slots - 1 {
		slot++
		word := atomic.LoadUint64(s.Word(slot))
		cell := word & CellMask
		if cell == WordEmpty {
			break
		}
		if cell > s.Cells || s.Distance(slot, cell-1) < slot-hole {
			continue // a hole, or it cannot be that far up
		}
		atomic.StoreUint64(s.Word(hole), Succeed(atomic.LoadUint64(s.Word(hole)), word))
		atomic.AddUint64(&s.Head().Moves, 1)
		atomic.StoreUint64(s.Word(slot), Succeed(word, WordHole))
		hole = slot
	}
	atomic.StoreUint64(s.Word(hole), Succeed(atomic.LoadUint64(s.Word(hole)), WordEmpty))
}

// Distance is how far the slot is from the home of the key in the cell.
func (s Stripe) Distance(slot, cell uint64) uint64 {
	return (slot - s.Home(xxh64(core.BytesOf(s.Cell(cell), s.Key)))) & (s.Slots - 1)
}

// count is the number of entries.
func (t *Table) count(v *core.View) (n uint64) {
	for i := range t.Stripes {
		n += min(atomic.LoadUint64(&(*StripeHead)(v.At(t.Offset+i*t.mapLayout.stripe)).Count), t.Cells)
	}
	return n
}
