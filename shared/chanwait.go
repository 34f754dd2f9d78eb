package shared

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
)

// How a sender waits for room, and a receiver for a message: it spins for about as long as
// the last ones had to, and then sleeps.

// eagerness is how many rounds of pause a wait may spin: about twice as many as the last
// ones took that ended by spinning, and few if they did not.
//
// In a stream it is better not to look too soon. Who looks at each message in the instant in
// which it comes takes the cell's line from a sender who has to write to it yet, and both
// wait for lines all the time; a few messages apart, the processors fetch them in advance.
// So a wait may hold off before its first look. A sender always does: where it finds no
// room, receivers have all messages that fit to work on. A receiver does if that has brought
// a number of messages the last time, and now and then, to see whether it would.
type eagerness struct {
	rounds, misses uint64
	used           uint64 // rounds of the last wait that ended by spinning, and 1 more; 0 if that is in rounds
	stream         uint64 // 1 if to hold off has brought a number of messages
	waits          uint64 // how many more to try it again
	trial          uint64 // how many that were after the last one
}

const (
	minRounds  = 200
	maxRounds  = 2000 // some 80 us: what a sleep and a wake-up cost
	missesEach = 16   // of so many misses one spins for long, to see whether it is of use again

	holdRounds = 128     // some 5 us
	holdFirst  = 512     // of so many waits one holds off, to see whether there is a stream,
	holdLast   = 1 << 14 // and of ever more, up to this, while there is none
	holdGain   = 8       // a stream has so many more messages in that time
)

// budget is for how many rounds to spin.
func (e *eagerness) budget() uint64 {
	if used := atomic.LoadUint64(&e.used); used != 0 {
		now, want := atomic.LoadUint64(&e.rounds), 2*used+minRounds
		storeOwn(&e.rounds, min(max(want, (3*now+want)/4), maxRounds))
		storeOwn(&e.misses, 0)
		storeOwn(&e.used, 0)
	}
	if atomic.LoadUint64(&e.misses)%missesEach == 0 {
		return maxRounds
	}
	return max(atomic.LoadUint64(&e.rounds), minRounds)
}

// hit notes that it took so many rounds. What follows from that is left to the next wait,
// since here somebody has what he waited for.
func (e *eagerness) hit(used uint64) { storeOwn(&e.used, used+1) }

func (e *eagerness) miss() {
	storeOwn(&e.rounds, atomic.LoadUint64(&e.rounds)*3/4)
	atomic.AddUint64(&e.misses, 1)
}

// holdOff says whether a receiver should hold off.
func (e *eagerness) holdOff() bool {
	if atomic.LoadUint64(&e.stream) != 0 {
		return true
	}
	waits := atomic.LoadUint64(&e.waits)
	if waits == 0 {
		storeOwn(&e.waits, max(atomic.LoadUint64(&e.trial), holdFirst))
		return true
	}
	storeOwn(&e.waits, waits-1)
	return false
}

// held notes whether it has brought more.
func (e *eagerness) held(more bool) {
	stream, trial := uint64(1), uint64(0)
	if !more {
		stream, trial = 0, min(2*max(atomic.LoadUint64(&e.trial), holdFirst), holdLast)
	}
	storeOwn(&e.stream, stream)
	storeOwn(&e.trial, trial)
}

// spin waits a little for the word of a cell to change, and reports whether it did.
func (c *ring) spin(v *view, at place, sending bool) bool {
	word := c.word(v, at.position)
	if !c.spins {
		runtime.Gosched() // a goroutine of this process may be what it waits for
		return atomic.LoadUint64(word) != at.word
	}
	e := &c.keen
	switch {
	case sending:
		e = &c.eager
		rest(min(c.mask/2, holdRounds))
	case e.holdOff():
		rest(holdRounds)
		if atomic.LoadUint64(word) != at.word {
			next := at.position + holdGain
			e.held(atomic.LoadUint64(c.word(v, next)) == c.mark(next, cellFull))
		}
	}
	for i := range e.budget() {
		pause()
		if now := atomic.LoadUint64(word); now != at.word && now&stateMask != cellWriting && now&stateMask != cellReading {
			e.hit(i)
			return true
		}
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
	e.miss()
	return false
}

func rest(rounds uint64) {
	for range rounds {
		pause()
	}
}

// patience is how many times in a row a try may find that others were faster before that
// is taken for damage.
const patience = 1000

// retry makes something of a try that has not succeeded: nil says that another may.
func (c *ring) retry(ctx context.Context, v *view, at place, how outcome, sending bool, tries *int) error {
	if c.region.view.Load() != v {
		return c.region.closed()
	}
	switch how {
	case blocked, tired:
		*tries = 0
		return c.await(ctx, v, at, how == tired, sending)
	case busy:
		if *tries++; *tries < patience {
			runtime.Gosched()
			if ctx.Err() != nil {
				return c.fail(sending, ctx.Err())
			}
			return nil
		}
	case ended:
		return c.fail(sending, nil)
	}
	return c.damage(at)
}

// lost says why a cell is no longer this participant's.
func (c *ring) lost(v *view, at place) error {
	if c.region.view.Load() != v {
		return c.region.closed()
	}
	return c.damage(at)
}

func (c *ring) damage(at place) error {
	return fmt.Errorf("shared: chan %q in region %q: %w: cell %d has state %#x", c.name, c.region.name, errCorrupt, at.position&c.mask, at.word)
}

// fail tells why a message was not sent or received; nil is the end.
func (c *ring) fail(sending bool, err error) error {
	switch {
	case err == nil && sending:
		return fmt.Errorf("shared: send to chan %q: %w", c.name, ErrChanClosed)
	case err == nil:
		return io.EOF
	case sending:
		return fmt.Errorf("shared: send to chan %q: %w", c.name, err)
	}
	return fmt.Errorf("shared: receive from chan %q: %w", c.name, err)
}

// await returns when it is worth another try.
func (c *ring) await(ctx context.Context, v *view, at place, spun, sending bool) error {
	if c.orphan(v, at) {
		return nil
	}
	if !spun && c.spin(v, at, sending) {
		return nil
	}
	event, look := c.news, c.claimReceive
	if sending {
		event, look = c.room, c.claimSend
	}
	err := c.region.wait(ctx, v, event, func() bool {
		_, how := look(v, false)
		return how != blocked
	})
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return c.fail(sending, cause)
	}
	return err
}
