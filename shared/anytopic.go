package shared

import (
	"context"
	"math"
	"sync/atomic"
	"unsafe"
)

// topic returns the topic that lies in the thing.
func (a *Any) topic(write bool) (*topic, *view, error) {
	v, err := a.use(kindTopic, write)
	if err != nil {
		return nil, nil, err
	}
	c, ok := topicOf(a.thing)
	if !ok {
		return nil, nil, a.fail("%w: its sizes do not fit", errCorrupt)
	}
	return c, v, nil
}

// Publish publishes a message to a topic, as [Topic.Publish] does.
func (a *Any) Publish(ctx context.Context, message []byte) error {
	c, v, err := a.topic(true)
	if err != nil {
		return err
	}
	defer v.done()
	if err := a.fits(message, a.Type); err != nil {
		return err
	}
	padded := wordBuffer(len(message))
	copy(padded, message)
	return c.publish(ctx, unsafe.Pointer(unsafe.SliceData(padded)), 1)
}

// AnySubscription is a [Subscription] without a type.
type AnySubscription struct{ s subscriber }

// Subscribe returns a subscription to what is published to a topic from now on, as
// [Topic.Subscribe] does. Close it.
func (a *Any) Subscribe(how Delivery) (*AnySubscription, error) {
	c, v, err := a.topic(true)
	if err != nil {
		return nil, err
	}
	defer v.done()
	if how != Lossy && how != Gated {
		return nil, a.fail("delivery %d is neither Lossy nor Gated", how)
	}
	s := &AnySubscription{}
	s.s.topic, s.s.gate = c, math.MaxUint64
	if how == Gated {
		err = s.s.join(v)
	} else {
		s.s.next, err = c.published(v)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Next returns the next message, and how many were lost before it, as [Subscription.Next]
// does.
func (s *AnySubscription) Next(ctx context.Context) (message []byte, lost uint64, err error) {
	v, err := s.s.topic.region.use()
	if err != nil {
		return nil, 0, err
	}
	defer v.done()
	message = wordBuffer(int(s.s.topic.size))
	for {
		lost, how := s.s.take(v, unsafe.Pointer(unsafe.SliceData(message)))
		if how == done {
			return message, lost, nil
		}
		if err := s.s.retry(ctx, v, how); err != nil {
			return nil, 0, err
		}
	}
}

// Close ends the subscription.
func (s *AnySubscription) Close() error { return s.s.close() }

// topicPosition is how many messages were published.
func (a *Any) topicPosition() (Position, error) {
	c, v, err := a.topic(false)
	if err != nil {
		return Position{}, err
	}
	defer v.done()
	return Position{In: atomic.LoadUint64(&c.head(v).tail)}, a.closed(v)
}
