package shared

import (
	"math"
	"structs"
	"unsafe"
)

// A map is cut into stripes by the hash of the key. Each stripe is a small map of its own:
//
//	head    the writers' lock, the number of entries
//	index   words, a power of two of them: linear probing from where the hash points
//	free    the numbers of the cells that nobody uses, as a stack
//	cells   a key and a value each
//	event   of a change
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
	free, data, event     uint64 // where a stripe's stack, cells and event are
	stripe                uint64 // its length
}

const maxMapCapacity = 1 << 27

// mapLayoutOf lays out a map whose events have so many bytes. A stripe has more cells than
// its share: hashes do not fill the stripes evenly, and 8 standard deviations are room enough
// for all.
func mapLayoutOf(capacity, key, val, event uint64) (l mapLayout, ok bool) {
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
	l.event = l.data + roundUp(l.cells*l.stride, line)
	l.stripe = l.event + roundUp(event, line)
	return l, true
}

// mapLayout lays out the map that lies in t, if what its entry says can be true.
func (r *Region) mapLayout(t thing) (mapLayout, bool) {
	l, ok := mapLayoutOf(t.params[0], t.params[1], t.params[2], r.eventSize())
	return l, ok && l.size() == t.size
}

func (l *mapLayout) size() uint64 { return l.stripes * l.stripe }

// table is a map without its types: keys and values are bytes.
type table struct {
	thing
	mapLayout
	local []chan struct{} // of each stripe, held by the one goroutine of this process that waits
}

func newTable(t thing, l mapLayout) *table {
	m := &table{thing: t, mapLayout: l}
	for i := range l.stripes {
		m.local = append(m.local, t.region.localLock(t.offset+i*l.stripe))
	}
	return m
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

// changed is the event of a change of the stripe.
func (s stripe) changed() uint64 { return s.start + s.event }

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
