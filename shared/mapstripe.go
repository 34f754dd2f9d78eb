package shared

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"structs"
	"sync/atomic"
	"unsafe"
)

// A map is cut into stripes by the hash of the key. Each stripe is a small map of its own:
//
//	head    the writers' lock, the number of entries
//	index   words, a power of two of them: linear probing from where the hash points
//	free    the numbers of the cells that nobody uses, as a stack
//	cells   a key and a value each
//
// An index word says which cell the entry has, and how often the word has changed. A cell
// is not written to while a word points to it. A writer fills a free cell and publishes it
// by one word, so that it is never half there: a reader copies the cell, and knows that it
// was whole if the word is still the same. If the writer is killed, the cell is in no word
// and not on the stack, or the number of entries is off by one: whoever takes the lock next
// learns from the kernel that its holder died, and counts anew.
//
// A deleted entry's word is a hole, which the probes go over. The entries behind it move
// up to close it: each is published in the hole first, then taken from its old place, so
// that a reader may find it in two places and never in none; but a reader that had passed
// the hole before, and reads the old place after, sees it in neither. So moves counts
// between the two steps, and a reader that found nothing looks again if it has changed.
type stripeHead struct {
	_     structs.HostLayout
	lock  node
	_     [24]byte
	moves uint64
	count uint64 // of entries
	top   uint32 // of the stack
	fresh uint32 // the cells from this one on were never used, and are not on the stack
	_     [40]byte
}

const stripeHeadSize = 128

// The parts of an index word: version, a part of the hash, and the cell's number plus 1.
const (
	wordTag     = 28
	wordVersion = 36
	cellMask    = 1<<wordTag - 1
	wordEmpty   = 0
	wordHole    = cellMask
)

// succeed returns the word that replaces word: with a new version.
func succeed(word, tagged uint64) uint64 {
	return (word>>wordVersion+1)<<wordVersion | tagged&(1<<wordVersion-1)
}

// mapLayout is where the parts of a map lie. It follows from what the map was declared
// with, and is never read from the region.
type mapLayout struct {
	capacity, key, val uint64 // entries, and bytes of a key and of a value

	stripes, slots, cells uint64 // how many; slots and cells are those of one stripe
	value, stride         uint64 // where a cell's value is, and a cell's length
	free, data, stripe    uint64 // where a stripe's stack and cells are, and its length
}

const maxMapCapacity = 1 << 27

// mapLayoutOf lays out a map. A stripe has more cells than its share: hashes do not fill
// the stripes evenly, and 8 standard deviations are room enough for all.
func mapLayoutOf(capacity, key, val uint64) (l mapLayout, ok bool) {
	if capacity == 0 || capacity > maxMapCapacity || key == 0 || val == 0 || key > math.MaxUint32 || val > math.MaxUint32 {
		return l, false
	}
	l = mapLayout{capacity: capacity, key: key, val: val, stripes: 1}
	for l.stripes < 64 && capacity/l.stripes >= 1024 {
		l.stripes *= 2
	}
	l.cells = capacity
	if l.stripes > 1 {
		share := capacity / l.stripes
		l.cells = share + 8*uint64(math.Sqrt(float64(share))) + 16
	}
	l.slots = powerOfTwo(max(l.cells+l.cells/2, 4))
	l.cells++ // one for the value that replaces another
	l.value = roundUp(key, 8)
	l.stride = l.value + roundUp(val, 8)
	if l.stride <= line {
		l.stride = powerOfTwo(l.stride)
	} else {
		l.stride = roundUp(l.stride, line)
	}
	l.free = stripeHeadSize + roundUp(8*l.slots, line)
	l.data = l.free + roundUp(4*l.cells, line)
	l.stripe = l.data + roundUp(l.cells*l.stride, line)
	return l, true
}

func (l *mapLayout) size() uint64 { return l.stripes * l.stripe }

// table is a map without its types: keys and values are bytes.
type table struct {
	thing
	mapLayout
	local []chan struct{} // of each stripe, held by the one goroutine of this process that waits
}

// stripe is one stripe of a map, in one view.
type stripe struct {
	*table
	v     *view
	start uint64
	local chan struct{}
}

// at returns the stripe for keys with this hash.
func (t *table) at(v *view, hash uint64) stripe { return t.nth(v, hash&(t.stripes-1)) }

func (t *table) nth(v *view, i uint64) stripe {
	return stripe{t, v, t.offset + i*t.mapLayout.stripe, t.local[i]}
}

func (s stripe) head() *stripeHead { return (*stripeHead)(s.v.at(s.start)) }

func (s stripe) word(slot uint64) *uint64 {
	return (*uint64)(s.v.at(s.start + stripeHeadSize + 8*(slot&(s.slots-1))))
}

// cell returns the cell with this number, which is less than s.cells.
func (s stripe) cell(n uint64) unsafe.Pointer { return s.v.at(s.start + s.data + n*s.stride) }

func (s stripe) stack(i uint32) *uint32 { return (*uint32)(s.v.at(s.start + s.free + 4*uint64(i))) }

// home is where the probes for a hash begin.
func (t *table) home(hash uint64) uint64 { return hash >> 8 & (t.slots - 1) }

// tag is the hash's part in the word.
func tag(hash uint64) uint64 { return hash >> 56 << wordTag }

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
		case equalIn(s.cell(cell-1), key, s.key):
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
	b := bytesOf(key, size)
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

// load copies the value for a key to value, which is spoiled if there is none.
func (s stripe) load(hash uint64, key, value unsafe.Pointer) (bool, error) {
	for i := range tries {
		moves := atomic.LoadUint64(&s.head().moves)
		slot, word, found := s.probe(hash, key)
		switch found {
		case hit:
			copyOut(value, unsafe.Add(s.cell(word&cellMask-1), s.value), uintptr(s.val))
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
	lock, err := s.lock(context.Background())
	if err != nil {
		return false, err
	}
	defer lock.release(s)
	_, word, ok, err := s.find(hash, key)
	if ok {
		copyOut(value, unsafe.Add(s.cell(word&cellMask-1), s.value), uintptr(s.val))
	}
	return ok, err
}

// open tells whether the region is still that of the view. If not, what was read means
// nothing.
func (s stripe) open() error {
	if s.region.view.Load() != s.v {
		return s.region.closed()
	}
	return nil
}

func (s stripe) corrupt() error { return fmt.Errorf("shared: map %q: %w", s.name, errCorrupt) }

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

// ErrFull: a map has no room for one more entry. What was in it is unchanged.
var ErrFull = errors.New("full")

func (s stripe) full() error {
	return fmt.Errorf("shared: map %q: %w: it was made for %d entries (delete some, or make another one with a larger capacity)", s.name, ErrFull, s.capacity)
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
	copyIn(s.cell(cell), key, uintptr(s.key))
	copyIn(unsafe.Add(s.cell(cell), s.value), value, uintptr(s.val))
	atomic.StoreUint64(s.word(slot), succeed(word, tag(hash)|(cell+1)))
	if exists {
		s.release(word&cellMask - 1)
	} else {
		atomic.AddUint64(&h.count, 1)
	}
	return s.open()
}

// room reports whether there may be one more entry than the stripe's count. One cell must
// be left for whoever replaces a value, and far below its share a stripe need not ask how
// many the others have.
func (s stripe) room(count uint64) bool {
	return count < s.cells-1 && (count*s.stripes < s.capacity/2 || s.len(s.v) < s.capacity)
}

// release puts a cell on the stack, to which no word points any more. The lock is held.
func (s stripe) release(cell uint64) {
	if h := s.head(); uint64(h.top) < s.cells {
		*s.stack(h.top) = uint32(cell)
		h.top++
	}
}

// remove takes out the entry in slot. The lock is held.
func (s stripe) remove(slot, word uint64) error {
	atomic.StoreUint64(s.word(slot), succeed(word, wordHole))
	atomic.AddUint64(&s.head().moves, 1)
	s.close(slot)
	atomic.AddUint64(&s.head().count, math.MaxUint64)
	s.release(word&cellMask - 1)
	return s.open()
}

// close moves entries up until the hole can be empty: until no entry behind it is reached
// by way of it.
func (s stripe) close(hole uint64) {
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
	return (slot - s.home(xxh64(bytesOf(s.cell(cell), s.key)))) & (s.slots - 1)
}

// held is a stripe's lock, taken.
type held struct{ g *guardian }

// lock takes the writers' lock, behind the goroutines of this process that want it. If its
// last holder was killed, the stripe is brought into order first.
func (s stripe) lock(ctx context.Context) (held, error) {
	g, died, err := s.region.lock(ctx, s.v, &s.head().lock, s.local)
	if err != nil {
		return held{}, err
	}
	raceAcquire(s.local)
	if died {
		s.sweep()
	}
	if err := s.open(); err != nil {
		held{g}.release(s)
		return held{}, err
	}
	return held{g}, nil
}

func (l held) release(s stripe) {
	raceRelease(s.local)
	l.g.unlock(&s.head().lock)
}

// sweep brings the stripe into order whose writer was killed. The lock is held, and if the
// sweeper is killed too, the next holder begins again.
func (s stripe) sweep() {
	h := s.head()
	where := make([]uint64, s.cells) // of each cell, the slot that has it, plus 1
	for slot := range s.slots {
		word := atomic.LoadUint64(s.word(slot))
		cell := word & cellMask
		if cell == wordEmpty || cell == wordHole {
			continue
		}
		out := slot // what is to go
		if cell <= s.cells {
			other := where[cell-1]
			where[cell-1] = slot + 1
			if other == 0 {
				continue
			}
			// It was on its way from one slot to another: it stays in the nearer one.
			if out = other - 1; s.distance(out, cell-1) < s.distance(slot, cell-1) {
				out, where[cell-1] = slot, other
			}
		}
		atomic.AddUint64(&h.moves, 1)
		atomic.StoreUint64(s.word(out), succeed(atomic.LoadUint64(s.word(out)), wordHole))
	}
	for slot := range s.slots {
		if atomic.LoadUint64(s.word(slot))&cellMask == wordHole {
			s.close(slot)
		}
	}
	h.top = 0
	count, fresh := uint64(0), min(uint64(h.fresh), s.cells)
	for cell, slot := range where {
		if slot != 0 {
			count, fresh = count+1, max(fresh, uint64(cell)+1)
		}
	}
	for cell := range fresh {
		if where[cell] == 0 {
			s.release(cell)
		}
	}
	h.fresh = uint32(fresh)
	atomic.StoreUint64(&h.count, count)
}

// len is the number of entries.
func (t *table) len(v *view) (n uint64) {
	for i := range t.stripes {
		n += min(atomic.LoadUint64(&(*stripeHead)(v.at(t.offset+i*t.mapLayout.stripe)).count), t.cells)
	}
	return n
}

// repairMap sweeps the stripes whose writer was killed. One that the kernel marks later
// than the participant is left to the next writer.
func repairMap(r *Region, v *view, t thing, _ owner) {
	l, ok := mapLayoutOf(t.params[0], t.params[1], t.params[2])
	if !ok || l.size() != t.size {
		return // no participant made this
	}
	m := newTable(t, l)
	for i := range l.stripes {
		s := m.nth(v, i)
		if n := &s.head().lock; atomic.LoadUint32(&n.word)&futexOwnerDied != 0 {
			g := pick()
			ok, died := g.tryLock(n, 0)
			if died {
				s.sweep()
			}
			if ok {
				g.unlock(n)
			}
		}
	}
}

func newTable(t thing, l mapLayout) *table {
	m := &table{thing: t, mapLayout: l}
	for i := range l.stripes {
		m.local = append(m.local, t.region.localLock(t.offset+i*l.stripe))
	}
	return m
}
