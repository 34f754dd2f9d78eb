package structure

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// The ring of a Chan. A message has a position, counted from 0; position p lies in cell
// p mod N, in lap p div N. A cell has a state word and the message behind it, so that one
// cache line moves for a small message. The word holds the lap, what becomes of the cell
// in this lap, and the slot of the participant who is at it:
//
//	empty(L) -> writing(L, s) -> full(L) -> reading(L, s) -> empty(L+1)
//
// Sender and receiver claim a cell by a compare-and-swap that carries their slot, so that
// there is no instant at which a dead owner's claim looks like nobody's (I10). What they
// claim is the first cell that can be: a sender the first that is empty in its lap, a
// receiver the first that is full. A cell that was claimed for position p has left
// empty(L) for good, so the claimed positions have no gap, and no two counters need to
// move with a claim:
//
//   - tail is a lower bound: every position below it has been claimed by a sender.
//   - head is a lower bound: every position below it has been given back by a receiver.
//
// Both move now and then, and each process keeps bounds of its own, which are nearer. From
// a bound the first cell is found by looking: the words say how far it is.
//
// Repair, when participant s is dead and none of its threads runs any more:
//
//	writing(L, s) -> skip(L)   the message was never sent; a receiver steps over it
//	reading(L, s) -> full(L)   the message was not received; epoch changes
//
// A cell that is full again may lie before the place where a receiver goes on looking. So
// that place holds for one epoch only: when it has changed, one looks from head, which
// never passes a cell that was not given back.
//
// The end is a state too: a receiver who finds a closed channel empty turns the first
// empty cell into sealed(L). A sender's claim and the seal meet at this word, so whatever
// Send has accepted comes before the seal.
type ringHead struct {
	_      structs.HostLayout
	tail   uint64
	_      [56]byte
	head   uint64
	_      [56]byte
	epoch  uint64 // how often full cells may have appeared below a receiver's place
	closed uint32
	_      [52]byte
}

const ringHeadSize = 192

// The states of a cell. None of them is 0: where a region is closed there are zeros, in which
// nobody shall find an empty cell.
const (
	cellEmpty   = 6
	cellWriting = 1
	cellFull    = 2
	cellSkip    = 3
	cellReading = 4
	cellSealed  = 5
)

// The parts of a cell's word: the state, the slot of its owner, the lap.
const (
	stateMask = 7
	slotShift = 3
	slotMask  = 1<<20 - 1
	lapShift  = 23
	cellWord  = 8 // bytes before the message
)

// Positions are counted modulo 2^48, which is months of messages.
const (
	positionBits = 48
	positionMask = 1<<positionBits - 1
)

// Between is how many positions there are from a to b, which is not before a.
func Between(a, b uint64) uint64 { return (b - a) & positionMask }

// later returns the later of two positions, which lie less than half of all apart.
func later(a, b uint64) uint64 {
	if int64((b-a)<<(64-positionBits)) > 0 {
		return b & positionMask
	}
	return a & positionMask
}

// Ring is a Chan without its type.
type Ring struct {
	core.Structure
	size    uintptr // of a message
	stride  uint64  // of a cell
	mask    uint64  // N-1
	shift   uint    // N is 1<<shift
	lapBits uint
	laps    uint64 // the bits of a lap
	every   uint64 // how many positions tail and head may stay behind, less one
	start   uint64 // offset of the first cell
	room    uint64 // the event for which senders wait
	News    uint64 // the event for which receivers wait
	words   uint64 // of an event
	me      uint64 // this participant's slot, as in a cell's word
	local   chan struct{}
	spins   bool   // whether to spin is of any use
	far     uint64 // by how many cells to be ahead with fetching them; 0 if that is of no use

	_         [core.Line]byte
	sends     uint64       // where this process's senders look first
	sending   core.Spinner // of its senders
	_         [core.Line]byte
	takes     uint64       // where its receivers look first, and above positionBits the epoch for which that holds
	flow      uint64       // far, if the last message was there at once, or 0
	receiving core.Spinner // of its receivers
	_         [core.Line]byte
}

// outcome is what a try came to.
type outcome int

const (
	done    outcome = iota
	blocked         // full, or empty
	tired           // the same, and it has spun for long enough
	ended           // closed; for a receiver, and drained
	busy            // others were always faster
	gone            // the region was closed meanwhile
	damaged         // no participant that keeps to the protocol has left the cells so
)

// place is the cell that a claim has got, or that it is blocked by.
type place struct {
	position uint64
	word     uint64 // as it was found, or is now
}

func (c *Ring) head(v *core.View) *ringHead { return (*ringHead)(v.At(c.Offset)) }

// word returns the state word of the cell for p. It lies inside whatever p is.
func (c *Ring) word(v *core.View, p uint64) *uint64 {
	return (*uint64)(v.At(c.start + p&c.mask*c.stride))
}

// message returns where the message of p lies.
func (c *Ring) message(v *core.View, p uint64) unsafe.Pointer {
	return v.At(c.start + p&c.mask*c.stride + cellWord)
}

// format makes all cells empty, in lap 0.
func (c *Ring) format(v *core.View) {
	for p := range c.mask + 1 {
		*c.word(v, p) = cellEmpty
	}
}

// mark returns the word for p in a state without an owner.
func (c *Ring) mark(p, state uint64) uint64 {
	return p>>(c.shift&63)&c.laps<<lapShift | state
}

// ahead returns by how many laps a word is ahead of that for p.
func (c *Ring) ahead(word, p uint64) int64 {
	unused := 64 - c.lapBits
	return int64((word>>lapShift-p>>c.shift)<<unused) >> unused
}

// steps is how many cells a claim looks at before it gives up: more than an honest ring
// makes it, unless others are always faster.
func (c *Ring) steps() uint64 { return 2*c.mask + 64 }

// ClaimSend claims the first empty cell for this process, or, if not claim, looks for it.
func (c *Ring) ClaimSend(v *core.View, claim bool) (place, outcome) {
	h := c.head(v)
	if atomic.LoadUint32(&h.closed) != 0 {
		return place{}, ended
	}
	p := atomic.LoadUint64(&c.sends)
	for range c.steps() {
		word := c.word(v, p)
		w := atomic.LoadUint64(word)
		ahead, state := c.ahead(w, p), w&stateMask
		switch {
		case ahead == 0 && state == cellEmpty:
			mine := c.mark(p, cellWriting) | c.me
			if !claim {
				return place{p, w}, done
			}
			if atomic.CompareAndSwapUint64(word, w, mine) {
				return place{p, mine}, done
			}
		case ahead == 0 && state == cellSealed:
			return place{p, w}, ended
		case ahead >= 0:
			// The cell was given back in the lap before that in which it is.
			next := p + 1
			if ahead > 1 {
				next += uint64(ahead-1) << c.shift
			}
			p = later(next, atomic.LoadUint64(&h.tail))
		case ahead == -1 && state >= cellWriting && state <= cellReading:
			return place{p, w}, blocked
		default:
			return place{p, w}, damaged
		}
	}
	return place{p, 0}, busy
}

// raise moves a bound to p. Another one's move that came between is as good.
func (c *Ring) raise(bound *uint64, p uint64) {
	old := atomic.LoadUint64(bound)
	if next := later(old, p); next != old {
		atomic.CompareAndSwapUint64(bound, old, next)
	}
}

// claimReceive claims the first full cell for this process, or, if not claim, looks for it.
func (c *Ring) claimReceive(v *core.View, claim bool) (place, outcome) {
	h := c.head(v)
	epoch := atomic.LoadUint64(&h.epoch)
	hint := atomic.LoadUint64(&c.takes)
	p := hint & positionMask
	if hint>>positionBits != epoch<<positionBits>>positionBits {
		p = atomic.LoadUint64(&h.head) & positionMask
	}
	for range c.steps() {
		word := c.word(v, p)
		w := atomic.LoadUint64(word)
		ahead, state := c.ahead(w, p), w&stateMask
		switch {
		case ahead == 0 && state == cellFull:
			mine := c.mark(p, cellReading) | c.me
			if !claim {
				return place{p, w}, done
			}
			if atomic.CompareAndSwapUint64(word, w, mine) {
				core.StoreOwn(&c.takes, epoch<<positionBits|(p+1)&positionMask)
				return place{p, mine}, done
			}
		case ahead == 0 && state == cellReading, ahead > 0:
			p = later(p+1, atomic.LoadUint64(&h.head))
		case ahead == 0 && state == cellSkip:
			if atomic.CompareAndSwapUint64(word, w, c.mark(p+c.mask+1, cellEmpty)) {
				c.Region.Notify(v, c.room)
			}
		case ahead == 0 && state == cellEmpty:
			if atomic.LoadUint32(&h.closed) == 0 {
				core.StoreOwn(&c.takes, epoch<<positionBits|p)
				return place{p, w}, blocked
			}
			atomic.CompareAndSwapUint64(word, w, c.mark(p, cellSealed))
		case ahead == 0 && state == cellSealed:
			// Drained, unless a receiver before this has one yet, and may leave it behind.
			q := c.drain(v)
			left := atomic.LoadUint64(c.word(v, q))
			if q == p {
				return place{p, w}, ended
			}
			if left&stateMask != cellFull || c.ahead(left, q) != 0 {
				return place{q, left}, blocked
			}
			p = q
		case ahead == 0 && state == cellWriting:
			core.StoreOwn(&c.takes, epoch<<positionBits|p)
			return place{p, w}, blocked
		case ahead == -1 && (state == cellReading || state == cellFull):
			return place{p, w}, blocked
		default:
			return place{p, w}, damaged
		}
	}
	return place{p, 0}, busy
}

// drain moves head to the first position that was not given back, and returns it.
func (c *Ring) drain(v *core.View) uint64 {
	h := c.head(v)
	old := atomic.LoadUint64(&h.head)
	p := old & positionMask
	for range c.mask + 1 {
		if c.ahead(atomic.LoadUint64(c.word(v, p)), p) <= 0 {
			break
		}
		p = (p + 1) & positionMask
	}
	if p != old {
		atomic.CompareAndSwapUint64(&h.head, old, p)
	}
	return p
}

// put sends the message at from, if there is room, and does not wake anybody.
func (c *Ring) put(v *core.View, from unsafe.Pointer) (place, outcome) {
	at, how := c.ClaimSend(v, true)
	if how != done {
		return at, how
	}
	core.RaceReleaseMerge(c.local)
	core.CopyIn(c.message(v, at.position), from, c.size)
	// This fails if the region was closed since: then the repair steps over the cell.
	if !atomic.CompareAndSwapUint64(c.word(v, at.position), at.word, c.mark(at.position, cellFull)) {
		return at, gone
	}
	c.moveOn(v, (at.position+1)&positionMask)
	return at, done
}

// moveOn notes that every position below next has been claimed. It comes after a cell has
// been published, since receivers who spin tear its line away between two writes.
func (c *Ring) moveOn(v *core.View, next uint64) {
	core.StoreOwn(&c.sends, next)
	if next&c.every == 0 {
		c.raise(&c.head(v).tail, next)
	}
}

// take receives a message into to, if there is one, and does not wake anybody.
func (c *Ring) take(v *core.View, to unsafe.Pointer) (place, outcome) {
	at, how := c.claimReceive(v, true)
	if how != done {
		return at, how
	}
	core.CopyOut(to, c.message(v, at.position), c.size)
	core.RaceAcquire(c.local)
	return at, c.giveBack(v, at)
}

// giveBack gives the cell of a message that was received back to the senders.
func (c *Ring) giveBack(v *core.View, at place) outcome {
	if !c.release(c.word(v, at.position), at.word, c.free(at.position)) {
		return gone
	}
	if (at.position+1)&c.every == 0 {
		c.drain(v)
	}
	return done
}

// free is the word of the cell of p when it has been given back.
func (c *Ring) free(p uint64) uint64 { return c.mark(p+c.mask+1, cellEmpty) }

// release fails if the region was closed since: then the message is received by another.
func (c *Ring) release(word *uint64, mine, free uint64) bool {
	return atomic.CompareAndSwapUint64(word, mine, free)
}

// putBack leaves a message that was claimed to the next receiver.
func (c *Ring) putBack(v *core.View, at place) {
	core.RaceReleaseMerge(c.local)
	if atomic.CompareAndSwapUint64(c.word(v, at.position), at.word, c.mark(at.position, cellFull)) {
		atomic.AddUint64(&c.head(v).epoch, 1)
		c.sent(v)
	}
}

// sent wakes receivers. The compare-and-swap that published a message comes before.
func (c *Ring) sent(v *core.View) { c.tell(v, c.News) }

// tell wakes who waits for an event. Mostly nobody does, and one word says so.
func (c *Ring) tell(v *core.View, event uint64) {
	if c.words != 1 || atomic.LoadUint64((*uint64)(v.At(event))) != 0 {
		c.Region.Notify(v, event)
	}
}

// received wakes senders, and, towards the end, receivers who wait for it.
func (c *Ring) received(v *core.View) {
	if c.words == 1 && atomic.LoadUint64((*uint64)(v.At(c.room))) == 0 && atomic.LoadUint32(&c.head(v).closed) == 0 {
		return
	}
	c.Region.Notify(v, c.room)
	if atomic.LoadUint32(&c.head(v).closed) != 0 {
		c.Region.Notify(v, c.News)
	}
}

// count returns how many messages wait.
func (c *Ring) count(v *core.View) (n int) {
	p := c.drain(v)
	for range c.mask + 1 {
		w := atomic.LoadUint64(c.word(v, p))
		if c.ahead(w, p) == 0 {
			switch w & stateMask {
			case cellFull:
				n++
			case cellEmpty, cellSealed:
				return n
			}
		}
		p++
	}
	return n
}
