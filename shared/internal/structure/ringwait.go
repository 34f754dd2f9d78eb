package structure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// How a sender waits for room, and a receiver for a message: it spins for about as long as
// the last ones had to, and then sleeps.

// spin waits a little for the word of a cell to change, and reports whether it did.
func (c *Ring) spin(v *core.View, at place, sending bool) bool {
	word := c.word(v, at.position)
	if !c.spins {
		runtime.Gosched() // a goroutine of this process may be what it waits for
		return atomic.LoadUint64(word) != at.word
	}
	e := &c.receiving
	switch {
	case sending:
		e = &c.sending
		core.Rest(min(c.mask/2, core.BackOffRounds))
	case e.BackOff():
		core.Rest(core.BackOffRounds)
		if atomic.LoadUint64(word) != at.word {
			next := at.position + core.BackOffGain
			e.BackedOff(atomic.LoadUint64(c.word(v, next)) == c.mark(next, cellFull))
		}
	}
	var s core.Spell
	for e.Again(&s) {
		for range core.SpellRounds {
			core.Pause()
			if now := atomic.LoadUint64(word); now != at.word && now&stateMask != cellWriting && now&stateMask != cellReading {
				e.Hit(&s)
				return true
			}
		}
	}
	return false
}

// patience is how many times in a row a try may find that others were faster before that
// is taken for damage.
const patience = 1000

// retry makes something of a try that has not succeeded: nil says that another may.
func (c *Ring) retry(ctx context.Context, v *core.View, at place, how outcome, sending bool, tries *int) error {
	if c.Region.View.Load() != v {
		return c.Region.Closed()
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
func (c *Ring) lost(v *core.View, at place) error {
	if c.Region.View.Load() != v {
		return c.Region.Closed()
	}
	return c.damage(at)
}

func (c *Ring) damage(at place) error {
	return fmt.Errorf("shared: chan %q in region %q: %w: cell %d has state %#x", c.Name, c.Region.Name, core.ErrCorrupt, at.position&c.mask, at.word)
}

// fail tells why a message was not sent or received; nil is the end.
func (c *Ring) fail(sending bool, err error) error {
	switch {
	case err == nil && sending:
		return fmt.Errorf("shared: send to chan %q: %w", c.Name, ErrChanClosed)
	case err == nil:
		return io.EOF
	case sending:
		return fmt.Errorf("shared: send to chan %q: %w", c.Name, err)
	}
	return fmt.Errorf("shared: receive from chan %q: %w", c.Name, err)
}

// await returns when it is worth another try.
func (c *Ring) await(ctx context.Context, v *core.View, at place, spun, sending bool) error {
	if c.orphan(v, at) {
		return nil
	}
	if !spun && c.spin(v, at, sending) {
		return nil
	}
	event, look, e := c.News, c.claimReceive, &c.receiving
	if sending {
		event, look, e = c.room, c.ClaimSend, &c.sending
	}
	err := c.Region.Wait(ctx, v, event, func() bool {
		_, how := look(v, false)
		return how != blocked
	})
	e.Slept()
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return c.fail(sending, cause)
	}
	return err
}
