package shared

import (
	"context"
	"io"
	"iter"
	"reflect"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// ErrChanClosed is what senders get from a [Chan] after its Close.
var ErrChanClosed = structure.ErrChanClosed

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
//     from the channel: if it must not be lost with a process that is killed while it
//     handles it, use [Chan.Handle].
//   - So a message arrives twice only if a receiver was killed between taking and giving
//     back: with Receive, inside of the call, when its program has not seen the message;
//     with Handle, when it has. It then comes later than messages that were sent after it.
//
// A process that sleeps in the region is woken by the kernel when a participant dies, and repairs
// its work at once; if none sleeps, the next that would wait for it does, or the
// next who joins.
//
// A process that is stopped (SIGSTOP) is not dead. Stopped in the midst of a Send it holds
// up receivers at its message, and the senders go on until the channel is full; stopped in
// the midst of a Receive or Handle, the other receivers pass it, and senders go on until
// they come round to its place. Stopped at the very end of a call it has not woken yet who
// sleeps for what it did: they wake with the next message, or when it goes on.
//
// The channel is made once, and remains until the region is removed; so does its end.
type Chan[T any] struct{ ring *structure.Ring }

// ChanOf returns the region's channel with this name, and makes it if there is none, with
// room for capacity messages, rounded up to a power of two. It fails if T cannot be
// shared, naming the field, and if another program declared the channel with another
// capacity, or a type of another shape.
func ChanOf[T any](r *Region, name string, capacity int) (*Chan[T], error) {
	s, err := shape.Of(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	c, err := structure.DeclareChan(core.Of(r), name, s, capacity)
	if err != nil {
		return nil, err
	}
	return &Chan[T]{c}, nil
}

// Send sends a message, and waits for room until ctx is done. After [Chan.Close] it fails
// with [ErrChanClosed].
func (c *Chan[T]) Send(ctx context.Context, message T) error {
	return structure.Send(ctx, c.ring, &message)
}

// TrySend sends a message if there is room at once, and reports whether it did.
func (c *Chan[T]) TrySend(message T) (bool, error) { return structure.TrySend(c.ring, &message) }

// SendBatch sends messages in their order, and waits for room until ctx is done. Other
// senders' messages may come between them. It returns how many were sent; if not all, with
// an error. It is faster than Send, since it claims up to 16 places before it publishes the
// first of them, and looks once for who is to be woken.
func (c *Chan[T]) SendBatch(ctx context.Context, messages []T) (n int, err error) {
	return structure.SendBatch(ctx, c.ring, messages)
}

// Receive returns the next message, and waits for one until ctx is done. When the channel
// is closed and all its messages have been received, it returns [io.EOF]; while another
// receiver, which might be killed, is still at one of them, it waits.
func (c *Chan[T]) Receive(ctx context.Context) (message T, err error) {
	err = structure.Receive(ctx, c.ring, &message)
	return message, err
}

// TryReceive returns the next message if there is one at once, and reports whether it did.
// The end is [io.EOF], as for Receive.
func (c *Chan[T]) TryReceive() (message T, ok bool, err error) {
	ok, err = structure.TryReceive(c.ring, &message)
	return message, ok, err
}

// ReceiveBatch fills messages as far as there are any, waits for the first until ctx is
// done, and returns how many it received. The end is [io.EOF], as for Receive.
func (c *Chan[T]) ReceiveBatch(ctx context.Context, messages []T) (n int, err error) {
	return structure.ReceiveBatch(ctx, c.ring, messages)
}

// Handle receives the next message, as Receive does, calls handle, and only then takes the
// message out of the channel. If handle returns an error or panics, or the process is
// killed meanwhile, the message is left to the next receiver: so each message is handled at
// least once. Handle returns what handle does.
//
// The message keeps its place until then: a channel of N cells comes to a standstill when
// N messages have been sent since.
func (c *Chan[T]) Handle(ctx context.Context, handle func(message T) error) error {
	return structure.Handle(ctx, c.ring, handle)
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
func (c *Chan[T]) Close() error { return c.ring.Close() }

// Len returns how many messages wait to be received. It looks at each.
func (c *Chan[T]) Len() (int, error) { return c.ring.Len() }

// Cap returns for how many messages there is room.
func (c *Chan[T]) Cap() int { return c.ring.Cap() }
