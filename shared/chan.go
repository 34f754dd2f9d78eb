package shared

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// ErrChanClosed is what senders get from a [Chan] after its Close.
var ErrChanClosed = errors.New("the channel is closed")

// Chan is a channel of messages of type T among the goroutines of all processes that have
// the region open: many may send and many receive. T is made as for a [Var]. Messages are
// received in the order in which their senders took their places, so those of one sender
// in the order in which it sent them. Safe for concurrent use.
//
// A process may be killed at any instant:
//
//   - A sender that is killed in Send loses at most the message that it was about to send.
//     What Send has returned nil for stays, also when all processes are gone.
//   - A receiver that is killed in Receive before it has given the message's place back
//     leaves the message to the next receiver. Once Receive returns, the message is gone
//     from the channel: if it must not be lost with a process that is killed at work on
//     it, use [Chan.Handle].
//   - So a message arrives twice only if a receiver was killed between taking and giving
//     back: with Receive, inside of the call, when its program has not seen the message;
//     with Handle, when it has. It then comes later than messages that were sent after it.
//
// Whoever sleeps in the region is woken by the kernel when a participant dies, and repairs
// its work at once; if nobody sleeps, the next who would have to wait for it does, or the
// next who joins.
//
// A process that is stopped (SIGSTOP) is not dead. Stopped in the midst of a Send it holds
// up receivers at its message, and the senders go on until the channel is full; stopped in
// the midst of a Receive or Handle, the other receivers pass it, and senders go on until
// they come round to its place. Stopped at the very end of a call it has not woken yet who
// sleeps for what it did: they wake with the next message, or when it goes on.
//
// The channel is made once, and remains until the region is removed; so does its end.
type Chan[T any] struct{ ring *ring }

const (
	maxCapacity = 1 << 30
	maxMessage  = 1 << 30
)

// ChanOf returns the region's channel with this name, and makes it if there is none, with
// room for capacity messages, rounded up to a power of two. It fails if T cannot be
// shared, naming the field, and if another program declared the channel with another
// capacity, or a type of another shape.
func ChanOf[T any](r *Region, name string, capacity int) (*Chan[T], error) {
	s, err := shapeOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	if capacity < 1 || capacity > maxCapacity {
		return nil, fmt.Errorf("shared: chan %q: a capacity of %d: use 1 to %d", name, capacity, maxCapacity)
	}
	if s.size > maxMessage {
		return nil, fmt.Errorf("shared: chan %q: a message of %d bytes: at most %d", name, s.size, maxMessage)
	}
	n := powerOfTwo(uint64(capacity))
	size := chanHeadSize + 2*roundUp(r.eventSize(), line) + n*roundUp(cellWord+uint64(s.size), line)
	t, err := r.declare(context.Background(), wanted{
		kind: kindChan, name: name, shape: s, size: size, params: [4]uint64{uint64(s.size), n},
		init: func(v *view, t thing) {
			if c, ok := ringOf(t); ok {
				c.format(v)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	c, ok := ringOf(t)
	if !ok {
		return nil, fmt.Errorf("shared: chan %q in region %q: %w: its sizes do not fit", name, r.name, errCorrupt)
	}
	c.local = r.localLock(t.offset)
	c.spins = min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1
	return &Chan[T]{c}, nil
}

// Send sends a message, and waits for room until ctx is done. After [Chan.Close] it fails
// with [ErrChanClosed].
func (c *Chan[T]) Send(ctx context.Context, message T) error {
	v := c.ring.region.view.Load()
	if v == nil {
		return c.ring.region.closed()
	}
	if c.putNow(v, &message) {
		c.ring.sent(v)
		v.done()
		return nil
	}
	return c.send(ctx, v, &message)
}

// send is Send where the first cell is not empty at once.
func (c *Chan[T]) send(ctx context.Context, v *view, message *T) error {
	defer v.done()
	for tries := 0; ; {
		at, how := c.ring.put(v, unsafe.Pointer(message))
		if how == done {
			c.ring.sent(v)
			return nil
		}
		if err := c.ring.retry(ctx, v, at, how, true, &tries); err != nil {
			return err
		}
	}
}

// TrySend sends a message if there is room at once, and reports whether it did.
func (c *Chan[T]) TrySend(message T) (bool, error) {
	v, err := c.ring.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	for tries := 0; ; {
		at, how := c.ring.put(v, unsafe.Pointer(&message))
		switch {
		case how == done:
			c.ring.sent(v)
			return true, nil
		case how == blocked && c.ring.orphan(v, at):
		case how == blocked && c.ring.region.view.Load() == v:
			return false, nil
		default:
			if err := c.ring.retry(context.Background(), v, at, how, true, &tries); err != nil {
				return false, err
			}
		}
	}
}

// SendAll sends messages in their order, and waits for room until ctx is done. Other
// senders' messages may come between them. It returns how many were sent; if not all, with
// an error. It is faster than Send, since it claims up to 16 places before it publishes the
// first of them, and looks once for who is to be woken.
func (c *Chan[T]) SendAll(ctx context.Context, messages []T) (n int, err error) {
	v, err := c.ring.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	told := 0
	for tries := 0; n < len(messages); {
		if some := c.putSome(v, messages[n:]); some > 0 {
			n += some
			continue
		}
		at, how := c.ring.put(v, unsafe.Pointer(&messages[n]))
		if how == done {
			n++
			continue
		}
		if n > told {
			c.ring.sent(v)
			told = n
		}
		if err := c.ring.retry(ctx, v, at, how, true, &tries); err != nil {
			return n, err
		}
	}
	if n > told {
		c.ring.sent(v)
	}
	return n, nil
}

// Receive returns the next message, and waits for one until ctx is done. When the channel
// is closed and all its messages have been received, it returns [io.EOF]; while another
// receiver, which might be killed, is still at one of them, it waits.
func (c *Chan[T]) Receive(ctx context.Context) (message T, err error) {
	v := c.ring.region.view.Load()
	if v == nil {
		return message, c.ring.region.closed()
	}
	if c.takeNow(v, &message, false) == done {
		c.ring.received(v)
		v.done()
		return message, nil
	}
	err = c.receive(ctx, v, &message)
	return message, err
}

// receive is Receive where the first cell is not full at once. The message is zero if it
// fails.
func (c *Chan[T]) receive(ctx context.Context, v *view, message *T) error {
	for tries := 0; ; {
		at, how := c.ring.take(v, unsafe.Pointer(message))
		if how == blocked {
			how = c.takeNow(v, message, true)
		}
		if how == done {
			c.ring.received(v)
			v.done()
			return nil
		}
		if err := c.ring.retry(ctx, v, at, how, false, &tries); err != nil {
			v.done()
			var none T
			*message = none
			return err
		}
	}
}

// TryReceive returns the next message if there is one at once, and reports whether it did.
// The end is [io.EOF], as for Receive.
func (c *Chan[T]) TryReceive() (message T, ok bool, err error) {
	v, err := c.ring.region.use()
	if err != nil {
		return message, false, err
	}
	defer v.done()
	for tries := 0; ; {
		at, how := c.ring.take(v, unsafe.Pointer(&message))
		switch {
		case how == done:
			c.ring.received(v)
			return message, true, nil
		case how == blocked && c.ring.orphan(v, at):
		case how == blocked && c.ring.region.view.Load() == v:
			return message, false, nil
		default:
			if err := c.ring.retry(context.Background(), v, at, how, false, &tries); err != nil {
				var none T
				return none, false, err
			}
		}
	}
}

// ReceiveSome fills messages as far as there are any, waits for the first until ctx is
// done, and returns how many it received. The end is [io.EOF], as for Receive.
func (c *Chan[T]) ReceiveSome(ctx context.Context, messages []T) (n int, err error) {
	v, err := c.ring.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	for tries := 0; n < len(messages); {
		if some := c.takeSome(v, messages[n:]); some > 0 {
			n += some
			continue
		}
		at, how := c.ring.take(v, unsafe.Pointer(&messages[n]))
		if how == done {
			n++
			continue
		}
		if n > 0 {
			break
		}
		if how == blocked {
			if how = c.takeNow(v, &messages[0], true); how == done {
				n++
				continue
			}
		}
		if err := c.ring.retry(ctx, v, at, how, false, &tries); err != nil {
			return 0, err
		}
	}
	if n > 0 {
		c.ring.received(v)
	}
	return n, nil
}

// Handle receives the next message, as Receive does, calls handle, and only then takes the
// message out of the channel. If handle returns an error or panics, or the process is
// killed meanwhile, the message is left to the next receiver: so each message is handled at
// least once. Handle returns what handle does.
//
// The message keeps its place until then: a channel of N cells comes to a standstill when
// N messages have been sent since.
func (c *Chan[T]) Handle(ctx context.Context, handle func(message T) error) error {
	v, err := c.ring.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	for tries := 0; ; {
		at, how := c.ring.claimReceive(v, true)
		if how == done {
			return c.handle(v, at, handle)
		}
		if err := c.ring.retry(ctx, v, at, how, false, &tries); err != nil {
			return err
		}
	}
}

func (c *Chan[T]) handle(v *view, at place, handle func(message T) error) error {
	handled := false
	defer func() {
		if !handled {
			c.ring.putBack(v, at)
		}
	}()
	var message T
	copyOut(unsafe.Pointer(&message), c.ring.message(v, at.position), c.ring.size)
	raceAcquire(c.ring.local)
	if c.ring.region.view.Load() != v { // closed meanwhile: the copy may be of zeros
		return c.ring.region.closed()
	}
	if err := handle(message); err != nil {
		return err
	}
	handled = true
	if c.ring.giveBack(v, at) != done {
		return c.ring.lost(v, at)
	}
	c.ring.received(v)
	return nil
}

// All receives messages until the channel's end, or until ctx is done, which it yields as
// an error. What the loop is at when it breaks off has been received.
func (c *Chan[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			message, err := c.Receive(ctx)
			if err == io.EOF || !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the channel, for all processes and for good: nothing more can be sent, and
// receivers get [io.EOF] when they have received what was. A second Close does nothing.
func (c *Chan[T]) Close() error {
	v, err := c.ring.beginWord()
	if err != nil {
		return err
	}
	defer c.ring.endWord()
	atomic.StoreUint32(&c.ring.head(v).closed, 1)
	c.ring.region.notify(v, c.ring.news)
	c.ring.region.notify(v, c.ring.room)
	return nil
}

// Len returns how many messages wait to be received. It looks at each.
func (c *Chan[T]) Len() (int, error) {
	v, err := c.ring.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	n := c.ring.count(v)
	return n, c.ring.open(v)
}

// Cap returns for how many messages there is room.
func (c *Chan[T]) Cap() int { return int(c.ring.mask + 1) }
