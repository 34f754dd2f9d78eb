package dynamic

import (
	"context"

	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Chan is a [shared.Chan].
type Chan struct {
	Description
	ring *structure.Ring
}

// Send sends a message, and waits for room until ctx is done.
func (c *Chan) Send(ctx context.Context, message []byte) error {
	if err := c.writable(); err != nil {
		return err
	}
	if err := c.fits(message, c.Type); err != nil {
		return err
	}
	return c.ring.SendValue(ctx, core.ValuesOf(message))
}

// Receive takes the next message out of the channel, and waits for one until ctx is done. The end
// is [io.EOF].
func (c *Chan) Receive(ctx context.Context) ([]byte, error) {
	if err := c.writable(); err != nil {
		return nil, err
	}
	message := make([]byte, c.Type.Size())
	if err := c.ring.ReceiveValue(ctx, core.ValuesOf(message)); err != nil {
		return nil, err
	}
	return message, nil
}

// Len returns how many messages wait, from the positions.
func (c *Chan) Len() (int, error) {
	in, out, err := c.ring.Positions()
	return int(min(structure.Between(out, in), uint64(c.Cap))), err
}

// Position returns how many messages were sent and how many received.
func (c *Chan) Position() (Position, error) {
	in, out, err := c.ring.Positions()
	return Position{in, out}, err
}

// Topic is a [shared.Topic].
type Topic struct {
	Description
	topic *structure.Topic
}

// Publish publishes a message, as [shared.Topic.Publish] does.
func (t *Topic) Publish(ctx context.Context, message []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	if err := t.fits(message, t.Type); err != nil {
		return err
	}
	return t.topic.Publish(ctx, core.ValuesOf(message), 1)
}

// Subscribe returns a subscription to what is published from now on, as [shared.Topic.Subscribe]
// does. Close it.
func (t *Topic) Subscribe(how shared.Policy) (*Subscription, error) {
	if err := t.writable(); err != nil {
		return nil, err
	}
	if how != shared.Lossy && how != shared.Gated {
		return nil, t.fail("policy %d is neither Lossy nor Gated", how)
	}
	s, err := t.topic.Subscribe(how == shared.Gated)
	if err != nil {
		return nil, err
	}
	return &Subscription{s, t.Type.Size()}, nil
}

// Subscription is a [shared.Subscription].
type Subscription struct {
	subscription *structure.Subscription
	size         int // of a message
}

// Next returns the next message, and how many were lost before it, as [shared.Subscription.Next]
// does.
func (s *Subscription) Next(ctx context.Context) (message []byte, lost uint64, err error) {
	message = make([]byte, s.size)
	if lost, err = s.subscription.Next(ctx, core.ValuesOf(message)); err != nil {
		return nil, 0, err
	}
	return message, lost, nil
}

// Close ends the subscription.
func (s *Subscription) Close() error { return s.subscription.Close() }

// Position returns how many messages were published.
func (t *Topic) Position() (Position, error) {
	n, err := t.topic.Published()
	return Position{In: n}, err
}

// Holds returns who has gated subscriptions at this moment.
func (t *Topic) Holds() ([]Hold, error) {
	all, err := t.topic.Holds()
	return holds(all, HoldSubscribes), err
}

// Records is a [shared.Records].
type Records struct {
	Description
	ring *structure.Records
}

// Send sends a record, as [shared.Records.Send] does.
func (q *Records) Send(ctx context.Context, record []byte) error {
	if err := q.writable(); err != nil {
		return err
	}
	return q.ring.Send(ctx, record)
}

// Receive returns the next record, as [shared.Records.Receive] does.
func (q *Records) Receive(ctx context.Context) ([]byte, error) {
	if err := q.writable(); err != nil {
		return nil, err
	}
	return q.ring.Receive(ctx, nil)
}

// MaxLen returns the length of the longest record.
func (q *Records) MaxLen() int { return q.ring.MaxLen() }

// Len returns how many records wait.
func (q *Records) Len() (int, error) { return q.ring.Len() }

// Position returns how many bytes were sent and how many received, with what each record takes
// of the room besides.
func (q *Records) Position() (Position, error) {
	in, out, err := q.ring.Positions()
	return Position{in, out}, err
}
