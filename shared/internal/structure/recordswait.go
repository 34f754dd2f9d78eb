package structure

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// How the users of a Records take places and records, and wait for them.

// claimRoom takes a place for a record, and waits for it until ctx is done.
func (c *Records) claimRoom(ctx context.Context, v *core.View, size uint64) (uint64, error) {
	const what = "send to"
	lock := &c.head(v).send
	for {
		g, _, err := c.Region.Lock(ctx, v, lock, c.sending)
		if err != nil {
			return 0, c.wrapped(ctx, what, err)
		}
		p, how := c.put(v, size)
		g.Unlock(lock)
		if err := c.Open(v); err != nil {
			return 0, err
		}
		switch how {
		case done:
			return p, nil
		case ended:
			return 0, fmt.Errorf("shared: send to records %q: %w", c.Name, ErrChanClosed)
		case blocked:
			// It goes on when the record in its way is gone.
			if err := c.await(ctx, v, c.space, &c.sendSpinner, p, func() bool { return c.mayPut(v, size) }); err != nil {
				return 0, c.wrapped(ctx, what, err)
			}
		default:
			return 0, c.damage()
		}
	}
}

// mayPut reports whether it is worth another try to take a place.
func (c *Records) mayPut(v *core.View, size uint64) bool {
	h := c.head(v)
	head := c.advance(v)
	tail := atomic.LoadUint64(&h.tail)
	_, ok := c.fits(head, tail, c.span(size))
	return ok || tail-head > c.room || atomic.LoadUint32(&h.closed) != 0
}

// claimRecord takes the next record, and waits for it until ctx is done.
func (c *Records) claimRecord(ctx context.Context, v *core.View) (p, size uint64, err error) {
	const what = "receive from"
	lock := &c.head(v).receive
	for tries := 0; ; tries++ {
		g, _, err := c.Region.Lock(ctx, v, lock, c.receiving)
		if err != nil {
			return 0, 0, c.wrapped(ctx, what, err)
		}
		p, _, size, how := c.take(v)
		g.Unlock(lock)
		switch {
		case how == done:
			core.RaceAcquire(c.sending)
			return p, size, nil
		case c.Region.View.Load() != v:
			return 0, 0, c.Region.Closed()
		case how == ended:
			return 0, 0, io.EOF
		case how == blocked:
			tries = 0
			if err := c.await(ctx, v, c.news, &c.receiveSpinner, p, func() bool { return c.mayTake(v) }); err != nil {
				return 0, 0, c.wrapped(ctx, what, err)
			}
		case how == damaged, tries > patience:
			return 0, 0, c.damage()
		}
	}
}

// mayTake reports whether it is worth another try to take a record.
func (c *Records) mayTake(v *core.View) bool {
	from, _ := c.from(v)
	_, _, _, _, how := c.find(v, from)
	return how != blocked
}

// await returns when it is worth another try, where the record at p is in the way.
func (c *Records) await(ctx context.Context, v *core.View, event uint64, e *core.Spinner, p uint64, ready func() bool) error {
	// The kernel wakes sleepers at a death; processes that only try see it here.
	slot := atomic.LoadUint64(&c.at(v, p).state) >> recordSlot & recordSlots
	if slot < uint64(c.Region.Config.Slots) && atomic.LoadUint32(&v.Slot(c.Region.Plan, int(slot)).Life.Word)&core.OwnerDied != 0 && c.Region.ReapDead(v) {
		return nil
	}
	if core.Spin(c.spins, e, ready) {
		return nil
	}
	defer e.Slept()
	return c.Region.Wait(ctx, v, event, ready)
}

func (c *Records) Close(ctx context.Context) error {
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	lock := &c.head(v).send
	g, _, err := c.Region.Lock(ctx, v, lock, c.sending)
	if err != nil {
		return c.wrapped(ctx, "close", err)
	}
	atomic.StoreUint32(&c.head(v).closed, 1)
	g.Unlock(lock)
	c.Region.Notify(v, c.news)
	c.Region.Notify(v, c.space)
	return nil
}
