package shared

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
)

// How the users of a Records take places and records, and wait for them.

// claimRoom takes a place for a record, and waits for it until ctx is done.
func (c *recordRing) claimRoom(ctx context.Context, v *view, size uint64) (uint64, error) {
	const what = "send to"
	lock := &c.head(v).send
	for {
		g, _, err := c.region.lock(ctx, v, lock, c.sending)
		if err != nil {
			return 0, c.wrapped(ctx, what, err)
		}
		p, how := c.put(v, size)
		g.unlock(lock)
		if err := c.open(v); err != nil {
			return 0, err
		}
		switch how {
		case done:
			return p, nil
		case ended:
			return 0, fmt.Errorf("shared: send to records %q: %w", c.name, ErrChanClosed)
		case blocked:
			// It goes on when the record in its way is gone.
			if err := c.await(ctx, v, c.space, &c.eager, p, func() bool { return c.mayPut(v, size) }); err != nil {
				return 0, c.wrapped(ctx, what, err)
			}
		default:
			return 0, c.damage()
		}
	}
}

// mayPut reports whether it is worth another try to take a place.
func (c *recordRing) mayPut(v *view, size uint64) bool {
	h := c.head(v)
	head := c.advance(v)
	tail := atomic.LoadUint64(&h.tail)
	_, ok := c.fits(head, tail, c.span(size))
	return ok || tail-head > c.room || atomic.LoadUint32(&h.closed) != 0
}

// claimRecord takes the next record, and waits for it until ctx is done.
func (c *recordRing) claimRecord(ctx context.Context, v *view) (p, size uint64, err error) {
	const what = "receive from"
	lock := &c.head(v).receive
	for tries := 0; ; tries++ {
		g, _, err := c.region.lock(ctx, v, lock, c.receiving)
		if err != nil {
			return 0, 0, c.wrapped(ctx, what, err)
		}
		p, _, size, how := c.take(v)
		g.unlock(lock)
		switch {
		case how == done:
			raceAcquire(c.sending)
			return p, size, nil
		case c.region.view.Load() != v:
			return 0, 0, c.region.closed()
		case how == ended:
			return 0, 0, io.EOF
		case how == blocked:
			tries = 0
			if err := c.await(ctx, v, c.news, &c.keen, p, func() bool { return c.mayTake(v) }); err != nil {
				return 0, 0, c.wrapped(ctx, what, err)
			}
		case how == damaged, tries > patience:
			return 0, 0, c.damage()
		}
	}
}

// mayTake reports whether it is worth another try to take a record.
func (c *recordRing) mayTake(v *view) bool {
	from, _ := c.from(v)
	_, _, _, _, how := c.find(v, from)
	return how != blocked
}

// await returns when it is worth another try, where the record at p is in the way.
func (c *recordRing) await(ctx context.Context, v *view, event uint64, e *eagerness, p uint64, ready func() bool) error {
	// Those who sleep are told of a death by the kernel; those who only try are not.
	slot := atomic.LoadUint64(&c.at(v, p).state) >> recordSlot & recordSlots
	if slot < uint64(c.region.config.slots) && atomic.LoadUint32(&v.slot(c.region.plan, int(slot)).life.word)&futexOwnerDied != 0 && c.region.reapDead(v) {
		return nil
	}
	if spin(c.spins, e, ready) {
		return nil
	}
	return c.region.wait(ctx, v, event, ready)
}

func (c *recordRing) close(ctx context.Context) error {
	v, err := c.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	lock := &c.head(v).send
	g, _, err := c.region.lock(ctx, v, lock, c.sending)
	if err != nil {
		return c.wrapped(ctx, "close", err)
	}
	atomic.StoreUint32(&c.head(v).closed, 1)
	g.unlock(lock)
	c.region.notify(v, c.news)
	c.region.notify(v, c.space)
	return nil
}
