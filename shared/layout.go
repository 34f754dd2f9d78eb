package shared

import (
	"errors"
	"fmt"
	"hash/fnv"
	"structs"
	"unsafe"
)

// A region begins with a header, then come the slots of its participants, the table of
// what is in it, and the heap, from which the table's entries have their bytes:
//
//	0        header
//	slots    participants, 192 bytes each
//	table    entries, 512 bytes each, found by the hash of their name
//	marks    one bit for each entry whose thing has to be looked after when a participant dies
//	locks    one bit for each entry whose thing has locks
//	heap     everything else
//
// Offsets count from the start, since each process maps the region at an address of its
// own. Numbers are in the machine's byte order: a region never leaves its machine.
type header struct {
	_       structs.HostLayout
	magic   [8]byte
	version uint32
	state   uint32 // of the region: stateRaw to statePoisoned
	init    node   // the lock of whoever initialises the region
	config         // nothing below changes once the region is ready
	sum     uint64 // of config
	_       [32]byte

	dir  node   // the lock of whoever adds an entry
	free uint64 // where the heap's unused part begins

	removed uint32 // not 0 if somebody has removed the region; see removed.go

	_      [12]byte
	alarms uint64   // how often everybody who waits was asked to look again
	boot   [16]byte // in which boot of the system, and in which file or segment, it was last opened
	_      [168]byte
}

// node is a lock word with its place in a robust list: the layout of a robust
// pthread_mutex_t of glibc on 64-bit ports, as far as it goes, so that C programs can
// take the same lock. The links are written for the kernel only, and never read: a
// corrupt peer cannot steer what this process writes.
type node struct {
	word  uint32 // TID, and the two bits below
	count uint32
	owner uint32
	users uint32
	kind  uint32
	spins uint32
	prev  uint64
	next  uint64
}

// config is what a region is made with.
type config struct {
	_       structs.HostLayout
	nonce   uint64 // tells this region from a later one under the same key
	size    uint64 // bytes in all
	slots   uint32 // participants at most
	entries uint32 // in the table; a power of two
	created int64  // Unix nanoseconds
	name    [maxName + 1]byte
}

// The states of a region. Fresh memory is zero, so that raw needs no writing.
const (
	stateRaw      = 0
	stateStarted  = 1 // its creator is at work, or was killed at it
	stateReady    = 2
	statePoisoned = 3 // found damaged; nobody uses it any more
)

var magic = [8]byte{'S', 'Y', 'S', 'V', 'I', 'P', 'C', '1'}

const (
	version   = 3
	line      = 64 // bytes of a cache line: what different processes write lies on different ones
	headerLen = 512
	slotLen   = 192
	entryLen  = 512
	maxName   = 127
	mostSlots = 1 << 20 // participants, and also entries
)

// entry is one named thing of the region.
type entry struct {
	_           structs.HostLayout
	state       uint32 // entryFree, entryStarted or entryReady
	kind        uint32 // kindVar and so on
	hash        uint64 // of the name
	offset      uint64 // of its bytes, a multiple of line
	size        uint64 // of its bytes
	fingerprint uint64 // of its type
	params      [4]uint64
	nameLen     uint32
	shapeLen    uint32
	name        [maxName + 1]byte
	shape       [304]byte // the text of its type's shape: see shapeText
}

const (
	entryFree    = 0
	entryStarted = 1 // whoever holds the directory lock is at it, or was killed at it
	entryReady   = 2
)

// plan is where the parts of a region lie: computed from config by everybody alike,
// never read from the region.
type plan struct{ slots, table, marks, locks, heap uint64 }

var errCorrupt = errors.New("the region is damaged")

// plan checks a config against the size that the kernel says, and lays out the region.
func (c *config) plan(size uint64) (plan, error) {
	switch {
	case c.size > size:
		return plan{}, fmt.Errorf("%w: it says that it has %d bytes, and has %d", errCorrupt, c.size, size)
	case c.slots == 0 || c.slots > mostSlots:
		return plan{}, fmt.Errorf("%w: %d slots for participants", errCorrupt, c.slots)
	case c.entries == 0 || c.entries > mostSlots || c.entries&(c.entries-1) != 0:
		return plan{}, fmt.Errorf("%w: a table of %d entries", errCorrupt, c.entries)
	}
	p := c.layout()
	if p.heap > c.size {
		return plan{}, fmt.Errorf("%w: %d bytes have no room for %d participants and %d entries", errCorrupt, c.size, c.slots, c.entries)
	}
	return p, nil
}

// layout lays out a region, whatever its size.
func (c *config) layout() plan {
	p := plan{slots: headerLen}
	p.table = p.slots + uint64(c.slots)*slotLen
	p.marks = p.table + uint64(c.entries)*entryLen
	p.locks = p.marks + roundUp((uint64(c.entries)+7)/8, line)
	p.heap = p.locks + roundUp((uint64(c.entries)+7)/8, line)
	return p
}

// checksum covers every byte of the config.
func (c *config) checksum() uint64 {
	h := fnv.New64a()
	// c points to a config, which has no padding.
	h.Write(unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(*c)))
	return h.Sum64()
}

// roundUp rounds n up to a multiple of unit, a power of two.
func roundUp(n, unit uint64) uint64 { return (n + unit - 1) &^ (unit - 1) }

// hashName is never 0.
func hashName(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return max(h.Sum64(), 1)
}
