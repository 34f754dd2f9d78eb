package structure

import (
	"context"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// What the users of a Chan do with its ring: in functions that know T, since the ways that a
// message mostly goes do (see ringfast.go). What they promise is said at Chan.

func Send[T any](ctx context.Context, c *Ring, message *T) error {
	v := c.Region.View.Load()
	if v == nil {
		return c.Region.Closed()
	}
	if putNow(c, v, message) {
		c.sent(v)
		v.Done()
		return nil
	}
	return c.send(ctx, v, unsafe.Pointer(message))
}

// send is Send where the first cell is not empty at once.
func (c *Ring) send(ctx context.Context, v *core.View, message unsafe.Pointer) error {
	defer v.Done()
	for tries := 0; ; {
		at, how := c.put(v, message)
		if how == done {
			c.sent(v)
			return nil
		}
		if err := c.retry(ctx, v, at, how, true, &tries); err != nil {
			return err
		}
	}
}

func TrySend[T any](c *Ring, message *T) (bool, error) {
	v, err := c.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	for tries := 0; ; {
		at, how := c.put(v, unsafe.Pointer(message))
		switch {
		case how == done:
			c.sent(v)
			return true, nil
		case how == blocked && c.orphan(v, at):
		case how == blocked && c.Region.View.Load() == v:
			return false, nil
		default:
			if err := c.retry(context.Background(), v, at, how, true, &tries); err != nil {
				return false, err
			}
		}
	}
}

func SendBatch[T any](ctx context.Context, c *Ring, messages []T) (n int, err error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	told := 0
	for tries := 0; n < len(messages); {
		if some := putSome(c, v, messages[n:]); some > 0 {
			n += some
			continue
		}
		at, how := c.put(v, unsafe.Pointer(&messages[n]))
		if how == done {
			n++
			continue
		}
		if n > told {
			c.sent(v)
			told = n
		}
		if err := c.retry(ctx, v, at, how, true, &tries); err != nil {
			return n, err
		}
	}
	if n > told {
		c.sent(v)
	}
	return n, nil
}

func Receive[T any](ctx context.Context, c *Ring, message *T) error {
	v := c.Region.View.Load()
	if v == nil {
		return c.Region.Closed()
	}
	if takeNow(c, v, message, false) == done {
		c.received(v)
		v.Done()
		return nil
	}
	return receiveWaiting(ctx, c, v, message)
}

// receiveWaiting is Receive where the first cell is not full at once. The message is zero if it
// fails.
func receiveWaiting[T any](ctx context.Context, c *Ring, v *core.View, message *T) error {
	for tries := 0; ; {
		at, how := c.take(v, unsafe.Pointer(message))
		if how == blocked {
			how = takeNow(c, v, message, true)
		}
		if how == done {
			c.received(v)
			v.Done()
			return nil
		}
		if err := c.retry(ctx, v, at, how, false, &tries); err != nil {
			v.Done()
			var none T
			*message = none
			return err
		}
	}
}

func TryReceive[T any](c *Ring, message *T) (bool, error) {
	v, err := c.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	for tries := 0; ; {
		at, how := c.take(v, unsafe.Pointer(message))
		switch {
		case how == done:
			c.received(v)
			return true, nil
		case how == blocked && c.orphan(v, at):
		case how == blocked && c.Region.View.Load() == v:
			return false, nil
		default:
			if err := c.retry(context.Background(), v, at, how, false, &tries); err != nil {
				var none T
				*message = none
				return false, err
			}
		}
	}
}

func ReceiveBatch[T any](ctx context.Context, c *Ring, messages []T) (n int, err error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	for tries := 0; n < len(messages); {
		if some := takeSome(c, v, messages[n:]); some > 0 {
			n += some
			continue
		}
		at, how := c.take(v, unsafe.Pointer(&messages[n]))
		if how == done {
			n++
			continue
		}
		if n > 0 {
			break
		}
		if how == blocked {
			if how = takeNow(c, v, &messages[0], true); how == done {
				n++
				continue
			}
		}
		if err := c.retry(ctx, v, at, how, false, &tries); err != nil {
			return 0, err
		}
	}
	if n > 0 {
		c.received(v)
	}
	return n, nil
}

func Handle[T any](ctx context.Context, c *Ring, handle func(message T) error) error {
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	for tries := 0; ; {
		at, how := c.claimReceive(v, true)
		if how == done {
			return handleClaimed(c, v, at, handle)
		}
		if err := c.retry(ctx, v, at, how, false, &tries); err != nil {
			return err
		}
	}
}

func handleClaimed[T any](c *Ring, v *core.View, at place, handle func(message T) error) error {
	handled := false
	defer func() {
		if !handled {
			c.putBack(v, at)
		}
	}()
	var message T
	core.CopyOut(unsafe.Pointer(&message), c.message(v, at.position), c.size)
	core.RaceAcquire(c.local)
	if c.Region.View.Load() != v { // closed meanwhile: the copy may be of zeros
		return c.Region.Closed()
	}
	if err := handle(message); err != nil {
		return err
	}
	handled = true
	if c.giveBack(v, at) != done {
		return c.lost(v, at)
	}
	c.received(v)
	return nil
}

// SendValue sends a message.
func (c *Ring) SendValue(ctx context.Context, message core.Value) error {
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	return c.send(ctx, v, message.At)
}

// ReceiveValue receives a message.
func (c *Ring) ReceiveValue(ctx context.Context, to core.Value) error {
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	for tries := 0; ; {
		at, how := c.take(v, to.At)
		if how == done {
			c.received(v)
			return nil
		}
		if err := c.retry(ctx, v, at, how, false, &tries); err != nil {
			return err
		}
	}
}

// Close ends the channel.
func (c *Ring) Close() error {
	v, err := c.BeginWord()
	if err != nil {
		return err
	}
	defer c.EndWord()
	atomic.StoreUint32(&c.head(v).closed, 1)
	c.Region.Notify(v, c.News)
	c.Region.Notify(v, c.room)
	return nil
}

// Len returns how many messages wait to be received.
func (c *Ring) Len() (int, error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	n := c.count(v)
	return n, c.Open(v)
}

// Positions returns how many messages were sent, and how many received.
func (c *Ring) Positions() (in, out uint64, err error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, 0, err
	}
	defer v.Done()
	h := c.head(v)
	in, out = atomic.LoadUint64(&h.tail)&positionMask, atomic.LoadUint64(&h.head)&positionMask
	for range c.mask + 1 {
		w := atomic.LoadUint64(c.word(v, in))
		if ahead, state := c.ahead(w, in), w&stateMask; ahead < 0 || ahead == 0 && (state == cellEmpty || state == cellSealed) {
			break
		}
		in = (in + 1) & positionMask
	}
	for range c.mask + 1 {
		if c.ahead(atomic.LoadUint64(c.word(v, out)), out) <= 0 {
			break
		}
		out = (out + 1) & positionMask
	}
	return in, out, c.Open(v)
}

// Cap is for how many messages there is room.
func (c *Ring) Cap() int { return int(c.mask + 1) }
