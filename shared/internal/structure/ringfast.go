package structure

import (
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// The ways that a message mostly goes: the cell where this process looks first is free, or
// full, or becomes so while one spins. They do what Ring.Put and Ring.Take do, in one
// function each that knows T, with as few instructions as can be:
//
//   - Between a claim and its end, so that a process that spins on the cell hardly ever looks in
//     between, which would cost both sides the cell's line once more.
//   - Between the look that finds a message and the end of Receive. While a processor waits
//     for the line with the message, which comes from another one, it works ahead, a hundred
//     or two hundred instructions. If the answer's Send is among them, it has asked for the
//     line of that cell too before it has this one, and a round trip takes half the time.
//     So what spin needs to know about a wait it works out before the next one.

// putNow sends a message if the first cell is empty, and does not wake anybody.
func putNow[T any](r *Ring, v *core.View, message *T) bool {
	p := atomic.LoadUint64(&r.sends)
	word := r.word(v, p)
	empty := r.mark(p, cellEmpty)
	mine := empty ^ cellEmpty ^ cellWriting | r.me
	if atomic.LoadUint64(word) != empty || atomic.LoadUint32(&r.head(v).closed) != 0 || !atomic.CompareAndSwapUint64(word, empty, mine) {
		return false
	}
	core.RaceReleaseMerge(r.local)
	core.WriteCell(unsafe.Add(unsafe.Pointer(word), cellWord), message)
	if !atomic.CompareAndSwapUint64(word, mine, empty^cellEmpty^cellFull) {
		return false // the region was closed since
	}
	r.moveOn(v, (p+1)&positionMask)
	return true
}

// fetchAhead is by how many cells one is ahead with fetching their lines, in a batch, or
// while message after message is there at once. A claim waits for the line with its cell,
// and for all that was read before, so that without this it would wait for one line for each
// message. Where messages come one at a time, nothing is fetched: the line would be taken
// away from a sender.
const fetchAhead = 8

func (c *Ring) fetch(v *core.View, p, ahead uint64) {
	if ahead != 0 {
		core.Fetch(c.word(v, p+ahead))
	}
}

// mostClaims is how many cells putSome claims at a time: a sender that is killed then leaves as
// many to be stepped over.
const mostClaims = 16

// putSome sends the first of messages, as many as there are empty cells for one behind the
// other, and returns how many. All are written before the first is published, since a
// receiver follows at once and looks at no cell but the first.
func putSome[T any](r *Ring, v *core.View, messages []T) int {
	if atomic.LoadUint32(&r.head(v).closed) != 0 {
		return 0
	}
	p := atomic.LoadUint64(&r.sends)
	n := uint64(0)
	for n < min(uint64(len(messages)), mostClaims) {

		r.fetch(v, p+n, r.far)
		word, empty := r.word(v, p+n), r.mark((p+n)&positionMask, cellEmpty)
		if atomic.LoadUint64(word) != empty || !atomic.CompareAndSwapUint64(word, empty, empty^cellEmpty^cellWriting|r.me) {
			break
		}
		core.RaceReleaseMerge(r.local)
		core.WriteCell(unsafe.Add(unsafe.Pointer(word), cellWord), &messages[n])
		n++
	}
	for i := range n {
		empty := r.mark((p+i)&positionMask, cellEmpty)
		if !atomic.CompareAndSwapUint64(r.word(v, p+i), empty^cellEmpty^cellWriting|r.me, empty^cellEmpty^cellFull) {
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
func takeNow[T any](r *Ring, v *core.View, message *T, wait bool) outcome {
	hint := atomic.LoadUint64(&r.takes)
	if (hint^atomic.LoadUint64(&r.head(v).epoch)<<positionBits)>>positionBits != 0 {
		return blocked
	}
	p := hint & positionMask
	r.fetch(v, p, atomic.LoadUint64(&r.flow))
	word := r.word(v, p)
	full, free := r.mark(p, cellFull), r.free(p)
	mine := full ^ cellFull ^ cellReading | r.me
	if w := atomic.LoadUint64(word); w == full {
		core.StoreOwn(&r.flow, r.far)
	} else {
		core.StoreOwn(&r.flow, 0)
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
	core.StoreOwn(&r.takes, hint&^positionMask|(p+1)&positionMask)
	core.ReadCell(message, unsafe.Add(unsafe.Pointer(word), cellWord))
	core.RaceAcquire(r.local)
	if !r.release(word, mine, free) {
		return gone
	}
	if (p+1)&r.every == 0 {
		r.drain(v)
	}
	return done
}

// takeSome receives as many messages as there are full cells one behind the other, and
// returns how many.
func takeSome[T any](r *Ring, v *core.View, messages []T) (n int) {
	hint := atomic.LoadUint64(&r.takes)
	if (hint^atomic.LoadUint64(&r.head(v).epoch)<<positionBits)>>positionBits != 0 {
		return 0
	}
	p, ahead := hint&positionMask, atomic.LoadUint64(&r.flow)
	for n < len(messages) {
		r.fetch(v, p, ahead)
		word, full := r.word(v, p), r.mark(p, cellFull)
		mine := full ^ cellFull ^ cellReading | r.me
		if atomic.LoadUint64(word) != full || !atomic.CompareAndSwapUint64(word, full, mine) {
			break
		}
		core.ReadCell(&messages[n], unsafe.Add(unsafe.Pointer(word), cellWord))
		if !r.release(word, mine, r.free(p)) {
			break // the region was closed since
		}
		n++
		p = (p + 1) & positionMask
		if p&r.every == 0 {
			r.drain(v)
		}
	}
	if n == 0 {
		core.StoreOwn(&r.flow, 0)
		return 0
	}
	core.RaceAcquire(r.local)
	core.StoreOwn(&r.flow, r.far)
	core.StoreOwn(&r.takes, hint&^positionMask|p)
	return n
}
