package core

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
//	marks    one bit for each entry whose structure has to be looked after when a participant dies
//	locks    one bit for each entry whose structure has locks
//	heap     everything else
//
// Offsets count from the start, since each process maps the region at an address of its
// own. Numbers are in the machine's byte order: a region never leaves its machine.
type Header struct {
	_       structs.HostLayout
	magic   [8]byte
	Version uint32
	state   uint32 // of the region: stateRaw to statePoisoned
	Init    Node   // held to initialise the region
	Config         // nothing below changes once the region is ready
	Sum     uint64 // of config
	_       [32]byte

	Dir  Node   // held to add an entry
	free uint64 // where the heap's unused part begins

	Removed uint32 // not 0 once the region was removed; see removed.go

	_     [12]byte
	Wakes uint64   // how often everybody who waits was asked to look again
	Boot  [16]byte // in which boot of the system, and in which file or segment, it was last opened

	removals uint64 // how many structures were removed: see remove.go

	_ [160]byte
}

// Node is a lock word with its place in a robust list: the layout of a robust
// pthread_mutex_t of glibc on 64-bit ports, as far as it goes, so that C programs can
// take the same lock. The links are written for the kernel only, and never read: a
// corrupt peer cannot steer what this process writes.
type Node struct {
	Word  uint32 // TID, and the two bits below
	count uint32
	Owner uint32
	users uint32
	Kind  uint32
	spins uint32
	prev  uint64
	Next  uint64
}

// MutexBytes is the size of a pthread_mutex_t.
const MutexBytes = 40

// pthread_mutex_t's kind for a robust mutex of the default type, shared among processes:
// PTHREAD_MUTEX_ROBUST_NORMAL_NP and the process-shared bit of glibc.
const RobustShared = 0x10 | 0x80

// Config is what a region is made with.
type Config struct {
	_       structs.HostLayout
	Nonce   uint64 // tells this region from a later one under the same key
	size    uint64 // bytes in all
	Slots   uint32 // participants at most
	entries uint32 // in the table; a power of two
	created int64  // Unix nanoseconds
	name    [maxName + 1]byte
}

// The states of a region. Fresh memory is zero, so that raw needs no writing.
const (
	stateRaw      = 0
	StateStarted  = 1 // its creator initialises it, or was killed at it
	StateReady    = 2
	statePoisoned = 3 // found damaged; nobody uses it any more
)

var magic = [8]byte{'S', 'Y', 'S', 'V', 'I', 'P', 'C', '1'}

const (
	Version   = 3
	Line      = 64 // bytes of a cache line: what different processes write lies on different ones
	HeaderLen = 512
	SlotLen   = 192
	EntryLen  = 512
	maxName   = 127
	mostSlots = 1 << 20 // participants, and also entries
)

// Entry is one named structure of the region.
type Entry struct {
	_           structs.HostLayout
	state       uint32 // entryFree, entryStarted or entryReady
	Kind        uint32 // its number: see kinds
	hash        uint64 // of the name
	offset      uint64 // of its bytes, a multiple of line
	size        uint64 // of its bytes
	Fingerprint uint64 // of its type
	Params      [4]uint64
	nameLen     uint32
	ShapeLen    uint32
	name        [maxName + 1]byte
	Shape       [304]byte // the text of its type's shape: see shapeText
}

const (
	entryFree    = 0
	entryStarted = 1 // the owner of the directory lock fills it, or was killed at that
	entryReady   = 2
)

// plan is where the parts of a region lie: computed from config by everybody alike,
// never read from the region.
type plan struct{ slots, Table, marks, locks, Heap uint64 }

var ErrCorrupt = errors.New("the region is damaged")

// plan checks a config against the size that the kernel says, and lays out the region.
func (c *Config) plan(size uint64) (plan, error) {
	switch {
	case c.size > size:
		return plan{}, fmt.Errorf("%w: it says that it has %d bytes, and has %d", ErrCorrupt, c.size, size)
	case c.Slots == 0 || c.Slots > mostSlots:
		return plan{}, fmt.Errorf("%w: %d slots for participants", ErrCorrupt, c.Slots)
	case c.entries == 0 || c.entries > mostSlots || c.entries&(c.entries-1) != 0:
		return plan{}, fmt.Errorf("%w: a table of %d entries", ErrCorrupt, c.entries)
	}
	p := c.layout()
	if p.Heap > c.size {
		return plan{}, fmt.Errorf("%w: %d bytes have no room for %d participants and %d entries", ErrCorrupt, c.size, c.Slots, c.entries)
	}
	return p, nil
}

// layout lays out a region, whatever its size.
func (c *Config) layout() plan {
	p := plan{slots: HeaderLen}
	p.Table = p.slots + uint64(c.Slots)*SlotLen
	p.marks = p.Table + uint64(c.entries)*EntryLen
	p.locks = p.marks + RoundUp((uint64(c.entries)+7)/8, Line)
	p.Heap = p.locks + RoundUp((uint64(c.entries)+7)/8, Line)
	return p
}

// checksum covers every byte of the config.
func (c *Config) checksum() uint64 {
	h := fnv.New64a()
	// c points to a config, which has no padding.
	h.Write(unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(*c)))
	return h.Sum64()
}

// RoundUp rounds n up to a multiple of unit, a power of two.
func RoundUp(n, unit uint64) uint64 { return (n + unit - 1) &^ (unit - 1) }

// HashName is never 0.
func HashName(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return max(h.Sum64(), 1)
}
