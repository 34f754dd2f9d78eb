package shared

import (
	"context"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// ring returns the chan that lies in the thing.
func (a *Any) ring(write bool) (*ring, *view, error) {
	v, err := a.use(kindChan, write)
	if err != nil {
		return nil, nil, err
	}
	c, ok := ringOf(a.thing)
	if !ok {
		return nil, nil, a.fail("%w: its sizes do not fit", errCorrupt)
	}
	c.local = a.thing.region.localLock(a.thing.offset)
	c.spins = min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1
	return c, v, nil
}

// Send sends a message to a chan, and waits for room until ctx is done.
func (a *Any) Send(ctx context.Context, message []byte) error {
	c, v, err := a.ring(true)
	if err != nil {
		return err
	}
	defer v.done()
	if err := a.fits(message, a.Type); err != nil {
		return err
	}
	padded := wordBuffer(len(message))
	copy(padded, message)
	for tries := 0; ; {
		at, how := c.put(v, unsafe.Pointer(unsafe.SliceData(padded)))
		if how == done {
			c.sent(v)
			return nil
		}
		if err := c.retry(ctx, v, at, how, true, &tries); err != nil {
			return err
		}
	}
}

// Receive takes the next message out of a chan, and waits for one until ctx is done. The
// end is [io.EOF].
func (a *Any) Receive(ctx context.Context) ([]byte, error) {
	c, v, err := a.ring(true)
	if err != nil {
		return nil, err
	}
	defer v.done()
	message := wordBuffer(int(c.size))
	for tries := 0; ; {
		at, how := c.take(v, unsafe.Pointer(unsafe.SliceData(message)))
		if how == done {
			c.received(v)
			return message, nil
		}
		if err := c.retry(ctx, v, at, how, false, &tries); err != nil {
			return nil, err
		}
	}
}

// chanPosition counts what was sent to a chan and received from it, from the bounds
// that the chan keeps on.
func (a *Any) chanPosition() (Position, error) {
	c, v, err := a.ring(false)
	if err != nil {
		return Position{}, err
	}
	defer v.done()
	h := c.head(v)
	in, out := atomic.LoadUint64(&h.tail)&positionMask, atomic.LoadUint64(&h.head)&positionMask
	for range capacityOf(c) {
		w := atomic.LoadUint64(c.word(v, in))
		if ahead, state := c.ahead(w, in), w&stateMask; ahead < 0 || ahead == 0 && (state == cellEmpty || state == cellSealed) {
			break
		}
		in = (in + 1) & positionMask
	}
	for range capacityOf(c) {
		if c.ahead(atomic.LoadUint64(c.word(v, out)), out) <= 0 {
			break
		}
		out = (out + 1) & positionMask
	}
	return Position{In: in, Out: out}, a.closed(v)
}
