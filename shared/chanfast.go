package shared

import (
	"sync/atomic"
	"unsafe"
)

// The ways that a message mostly goes: the cell where this process looks first is free, or
// full, or becomes so while one spins. They do what ring.put and ring.take do, in one
// function each that knows T, with as few instructions as can be:
//
//   - Between a claim and its end, so that whoever spins on the cell hardly ever looks in
//     between, which would cost both sides the cell's line once more.
//   - Between the look that finds a message and the end of Receive. While a processor waits
//     for the line with the message, which comes from another one, it works ahead, a hundred
//     or two hundred instructions. If the answer's Send is among them, it has asked for the
//     line of that cell too before it has this one, and a round trip takes half the time.
//     So what spin needs to know about a wait it works out before the next one.

// putNow sends a message if the first cell is empty, and does not wake anybody.
func (c *Chan[T]) putNow(v *view, message *T) bool {
	r := c.ring
	p := atomic.LoadUint64(&r.sends)
	word := r.word(v, p)
	empty := r.mark(p, cellEmpty)
	mine := empty | cellWriting | r.me
	if atomic.LoadUint64(word) != empty || atomic.LoadUint32(&r.head(v).closed) != 0 || !atomic.CompareAndSwapUint64(word, empty, mine) {
		return false
	}
	raceReleaseMerge(r.local)
	writeCell(unsafe.Add(unsafe.Pointer(word), cellWord), message)
	if !atomic.CompareAndSwapUint64(word, mine, empty|cellFull) {
		return false // the region was closed since
	}
	r.moveOn(v, (p+1)&positionMask)
	return true
}

// mostClaims is how many cells putSome claims at a time: a sender that is killed then leaves as
// many to be stepped over.
const mostClaims = 16

// putSome sends the first of messages, as many as there are empty cells for one behind the
// other, and returns how many. All are written before the first is published, since a
// receiver follows at once and looks at no cell but the first.
func (c *Chan[T]) putSome(v *view, messages []T) int {
	r := c.ring
	if atomic.LoadUint32(&r.head(v).closed) != 0 {
		return 0
	}
	p := atomic.LoadUint64(&r.sends)
	n := uint64(0)
	for n < min(uint64(len(messages)), mostClaims) {
		word, empty := r.word(v, p+n), r.mark((p+n)&positionMask, cellEmpty)
		if atomic.LoadUint64(word) != empty || !atomic.CompareAndSwapUint64(word, empty, empty|cellWriting|r.me) {
			break
		}
		raceReleaseMerge(r.local)
		writeCell(unsafe.Add(unsafe.Pointer(word), cellWord), &messages[n])
		n++
	}
	for i := range n {
		empty := r.mark((p+i)&positionMask, cellEmpty)
		if !atomic.CompareAndSwapUint64(r.word(v, p+i), empty|cellWriting|r.me, empty|cellFull) {
			return int(i) // the region was closed since
		}
	}
	if n > 0 {
		r.moveOn(v, (p+n)&positionMask)
	}
	return int(n)
}

// takeNow receives a message if the first cell is full, or, if wait, becomes so soon, and
// does not wake anybody. It is blocked too if another receiver was faster.
func (c *Chan[T]) takeNow(v *view, message *T, wait bool) outcome {
	r := c.ring
	hint := atomic.LoadUint64(&r.takes)
	if (hint^atomic.LoadUint64(&r.head(v).epoch)<<positionBits)>>positionBits != 0 {
		return blocked
	}
	p := hint & positionMask
	word := r.word(v, p)
	full, free := r.mark(p, cellFull), r.free(p)
	mine := full ^ cellFull ^ cellReading | r.me
	if w := atomic.LoadUint64(word); w != full {
		if !wait {
			return blocked
		}
		if !r.spin(v, place{p, w}, false) {
			return tired
		}
	}
	if !atomic.CompareAndSwapUint64(word, full, mine) {
		return blocked
	}
	storeOwn(&r.takes, hint&^positionMask|(p+1)&positionMask)
	readCell(message, unsafe.Add(unsafe.Pointer(word), cellWord))
	raceAcquire(r.local)
	if !r.release(word, mine, free) {
		return gone
	}
	if (p+1)&r.every == 0 {
		r.drain(v)
	}
	return done
}
