package shared

import (
	"context"
	"fmt"
	"iter"
	"reflect"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// Topic publishes messages of type T to all who have subscribed, in all processes that have
// the region open. T is made as for a [Var]. One publishes at a time, of whatever process;
// others wait for their turn. Its methods are safe for concurrent use; for subscriptions see
// [Subscription].
//
// The topic keeps the last messages, as many as its capacity. A [Lossy] subscription that
// falls further behind goes on nearer to the end, and gets the number of messages that it has
// lost; publishers never wait for it. For a [Gated] one they do, so that it loses nothing.
//
// A process may be killed at any instant:
//
//   - A publisher leaves its message published or not: no one sees half of it. The next
//     publisher finds its lock, and needs to repair nothing. What Publish has returned nil
//     for stays.
//   - A gated subscriber holds publishers up until its death is noticed. If one waits for
//     it, the kernel tells it at once, and it goes on.
//   - A lossy subscriber leaves nothing.
//
// A process that is stopped (SIGSTOP) is not dead: it holds publishers up if it has a gated
// subscription, or is in the midst of Publish.
type Topic[T any] struct{ topic *structure.Topic }

// Policy says what becomes of a subscription that does not keep up.
type Policy int

const (
	Lossy Policy = iota // it loses messages, and says how many
	Gated               // publishers wait for it
)

// TopicOf returns the region's topic with this name, and makes it if there is none. It
// keeps the last messages, capacity of them, rounded up to a power of two and to 4 at
// least. It fails if T cannot be shared, naming the field, and if another program declared
// the topic with another capacity, or a type of another shape.
func TopicOf[T any](r *Region, name string, capacity int) (*Topic[T], error) {
	s, err := shape.Of(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	c, err := structure.DeclareTopic(core.Of(r), name, s, capacity)
	if err != nil {
		return nil, err
	}
	return &Topic[T]{c}, nil
}

// Publish publishes a message. It waits, until ctx is done, for other publishers and for
// gated subscribers who have not yet taken the message in whose place it comes.
func (tp *Topic[T]) Publish(ctx context.Context, message T) error {
	return tp.topic.Publish(ctx, core.ValueOf(&message), 1)
}

// PublishBatch publishes messages in their order, and waits as Publish does. Other
// publishers' messages may come between them. It returns how many were published; if not
// all, with an error. It is faster than Publish, since it takes the lock, and looks for who
// is to be woken, once for many.
func (tp *Topic[T]) PublishBatch(ctx context.Context, messages []T) (n int, err error) {
	for n < len(messages) {
		some := min(len(messages)-n, int(tp.topic.Batch()))
		if err := tp.topic.Publish(ctx, core.ValuesOf(messages[n:n+some]), uint64(some)); err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}

// Latest returns the newest message, and whether there is one yet.
func (tp *Topic[T]) Latest() (message T, ok bool, err error) {
	ok, err = tp.topic.Latest(core.ValueOf(&message))
	if !ok || err != nil {
		var none T
		message = none
	}
	return message, ok && err == nil, err
}

// Published returns how many messages were published since the topic was made.
func (tp *Topic[T]) Published() (uint64, error) { return tp.topic.Published() }

// Cap returns how many of the last messages are kept.
func (tp *Topic[T]) Cap() int { return tp.topic.Cap() }

// Subscribe returns a subscription to what is published from now on. Close it: a gated one
// holds publishers up for as long as it is open and nobody calls Next. There can be as many
// gated ones as the region can have participants.
func (tp *Topic[T]) Subscribe(how Policy) (*Subscription[T], error) {
	if how != Lossy && how != Gated {
		return nil, fmt.Errorf("shared: subscribe to topic %q: policy %d is neither Lossy nor Gated", tp.topic.Name, how)
	}
	s, err := tp.topic.Subscribe(how == Gated)
	if err != nil {
		return nil, err
	}
	return &Subscription[T]{s}, nil
}

// Subscription gets the messages of a [Topic]. It is for one goroutine at a time; only
// Close may be called beside the others.
type Subscription[T any] struct{ subscriber *structure.Subscription }

// Next returns the next message, and waits for one until ctx is done. Lost is how many
// messages were published between the last one that it returned, or the subscription's
// beginning, and this one: always 0 if the subscription is gated.
func (s *Subscription[T]) Next(ctx context.Context) (message T, lost uint64, err error) {
	if lost, err = s.subscriber.Next(ctx, core.ValueOf(&message)); err != nil {
		var none T
		message = none
	}
	return message, lost, err
}

// All gets messages until ctx is done or the subscription is closed, which it yields as an
// error. Lost tells in the loop how many have been lost.
func (s *Subscription[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			message, _, err := s.Next(ctx)
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// Lost returns how many messages the subscription has lost so far in all.
func (s *Subscription[T]) Lost() uint64 { return s.subscriber.Missed }

// Close ends the subscription. A goroutine that waits in Next gets [fs.ErrClosed], and publishers
// that have waited for it go on.
func (s *Subscription[T]) Close() error { return s.subscriber.Close() }
