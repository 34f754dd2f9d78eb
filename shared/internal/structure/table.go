package structure

import (
	"math"
	"structs"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
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
// and not on the stack, or the number of entries is off by one: the next owner of the lock
// learns from the kernel that its holder died, and counts again.
//
// A deleted entry's word is a hole, which the probes go over. The entries behind it move
// up to close it: each is published in the hole first, then taken from its old place, so
// that a reader may find it in two places and never in none; but a reader that had passed
// the hole before, and reads the old place after, sees it in neither. So moves counts
// between the two steps, and a reader that found nothing looks again if it has changed.
type stripeHead struct {
	_     structs.HostLayout
	lock  core.Node
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
	Capacity, Key, Val uint64 // entries, and bytes of a key and of a value

	Stripes, slots, cells uint64 // how many; slots and cells are those of one stripe
	value, Stride         uint64 // where a cell's value is, and a cell's length
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
	l = mapLayout{Capacity: capacity, Key: key, Val: val, Stripes: 1}
	for l.Stripes < 64 && capacity/l.Stripes >= 1024 {
		l.Stripes *= 2
	}
	l.cells = capacity
	if l.Stripes > 1 {
		share := capacity / l.Stripes
		l.cells = share + 8*uint64(math.Sqrt(float64(share))) + 16
	}
	l.slots = core.PowerOfTwo(max(l.cells+l.cells/2, 4))
	l.cells++ // one for the value that replaces another
	l.value = core.RoundUp(key, 8)
	l.Stride = l.value + core.RoundUp(val, 8)
	if l.Stride <= core.Line {
		l.Stride = core.PowerOfTwo(l.Stride)
	} else {
		l.Stride = core.RoundUp(l.Stride, core.Line)
	}
	l.free = stripeHeadSize + core.RoundUp(8*l.slots, core.Line)
	l.data = l.free + core.RoundUp(4*l.cells, core.Line)
	l.event = l.data + core.RoundUp(l.cells*l.Stride, core.Line)
	l.stripe = l.event + core.RoundUp(event, core.Line)
	return l, true
}

// LayoutOf lays out the map that lies in t, if what its entry says can be true.
func LayoutOf(t core.Structure) (mapLayout, bool) {
	l, ok := mapLayoutOf(t.Params[0], t.Params[1], t.Params[2], t.Region.EventSize())
	return l, ok && l.size() == t.Size
}

func (l *mapLayout) size() uint64 { return l.Stripes * l.stripe }

// Table is a map without its types: keys and values are bytes.
type Table struct {
	core.Structure
	mapLayout
	blank []shape.Run     // what == does not look at in keys
	local []chan struct{} // of each stripe, held by the one goroutine of this process that waits
}

func NewTable(t core.Structure, l mapLayout, blank []shape.Run) *Table {
	m := &Table{Structure: t, mapLayout: l, blank: blank}
	for i := range l.Stripes {
		m.local = append(m.local, t.Region.LocalLock(t.Offset+i*l.stripe))
	}
	return m
}

// stripe is one stripe of a map, in one view.
type stripe struct {
	*Table
	v     *core.View
	start uint64
	local chan struct{}
}

// at returns the stripe for keys with this hash.
func (t *Table) at(v *core.View, hash uint64) stripe { return t.nth(v, hash&(t.Stripes-1)) }

func (t *Table) nth(v *core.View, i uint64) stripe {
	return stripe{t, v, t.Offset + i*t.mapLayout.stripe, t.local[i]}
}

// changed is the event of a change of the stripe.
func (s stripe) changed() uint64 { return s.start + s.event }

func (s stripe) head() *stripeHead { return (*stripeHead)(s.v.At(s.start)) }

func (s stripe) word(slot uint64) *uint64 {
	return (*uint64)(s.v.At(s.start + stripeHeadSize + 8*(slot&(s.slots-1))))
}

// cell returns the cell with this number, which is less than s.cells.
func (s stripe) cell(n uint64) unsafe.Pointer { return s.v.At(s.start + s.data + n*s.Stride) }

func (s stripe) stack(i uint32) *uint32 { return (*uint32)(s.v.At(s.start + s.free + 4*uint64(i))) }

// home is where the probes for a hash begin.
func (t *Table) home(hash uint64) uint64 { return hash >> 8 & (t.slots - 1) }

// tag is the hash's part in the word.
func tag(hash uint64) uint64 { return hash >> 56 << wordTag }
