package cluster

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// Send puts a message at the end of the queue, or waits until it fits. The type is at
// least 1; data may be empty. It returns when the servers have stored the message. It
// fails with ErrTooBig for a message that can never fit, with ErrRemoved if there is no
// such queue any more, and with the context's error if that ends first: then the message
// was not sent, unless the connection was lost in that moment.
//
// A message whose answer was lost is sent again, and not stored twice.
func (q *Queue) Send(ctx context.Context, typ int64, data []byte) error {
	_, err := q.send(ctx, typ, data, q.conn.number(), true)
	return err
}

// TrySend puts a message at the end of the queue if it fits now, and reports whether it
// did.
func (q *Queue) TrySend(ctx context.Context, typ int64, data []byte) (bool, error) {
	return q.send(ctx, typ, data, q.conn.number(), false)
}

// SendOnce is Send of a message that the caller has numbered: the servers store one with
// the same id, from any sender, only once within [QueueOptions.Duplicates].
func (q *Queue) SendOnce(ctx context.Context, id string, typ int64, data []byte) error {
	_, err := q.send(ctx, typ, data, id, true)
	return err
}

func (q *Queue) send(ctx context.Context, typ int64, data []byte, id string, wait bool) (bool, error) {
	const op = "send to"
	if ctx.Err() != nil {
		return false, q.cancelled(op, ctx)
	}
	if typ < 1 {
		return false, q.refuse(op, nil, "type %d: a message has a type from 1 to %d", typ, int64(maxType))
	}
	msg := &nats.Msg{Subject: q.subject + strconv.FormatInt(typ, 10), Header: nats.Header{jetstream.MsgIDHeader: {id}}, Data: data}
	if limit := q.conn.nc.MaxPayload(); limit > 0 && int64(len(data)) > limit-200 {
		return false, q.refuse(op, sysvipc.ErrTooBig, "%d bytes: the server takes messages of up to %d with their headers (max_payload)", len(data), limit)
	}
	for {
		var answer ack
		err := q.conn.Retry(ctx, func(ctx context.Context) (err error) {
			answer, err = q.conn.store(ctx, msg)
			if errors.Is(err, nats.ErrNoResponders) && !q.exists(ctx) {
				return jetstream.ErrStreamNotFound
			}
			return err
		})
		switch {
		case err == nil && answer.Duplicate:
			q.conn.metrics.Count("suppressed", q.name, 1)
			return true, nil
		case err == nil:
			q.conn.wrote(q, typ)
			q.conn.metrics.Count("sent", q.name, 1)
			return true, nil
		case isFull(err) && !wait:
			return false, q.checkFits(ctx, op, data)
		case isFull(err):
			err = q.checkFits(ctx, op, data)
			if err == nil {
				err = q.waitForRoom(ctx)
			}
			if err == nil {
				continue
			}
		case jserr.Is(err, jserr.StreamMessageExceedsMaximum):
			return false, q.refuse(op, sysvipc.ErrTooBig, "%d bytes: see MaxMessage of QueueOptions", len(data))
		case errors.Is(err, nats.ErrMaxPayload):
			return false, q.refuse(op, sysvipc.ErrTooBig, "%d bytes: see the server's max_payload", len(data))
		}
		if ctx.Err() != nil {
			return false, q.ended(op, ctx, err)
		}
		return false, q.fail(op, err, "")
	}
}

// exists reports whether the queue still exists; in doubt it does.
func (q *Queue) exists(ctx context.Context) bool {
	_, err := q.conn.js.Stream(ctx, q.stream)
	return !errors.Is(err, jetstream.ErrStreamNotFound)
}

// isFull reports whether the server had no room for a message.
func isFull(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jserr.StreamStoreFailed && strings.HasPrefix(api.Description, "maximum ")
}

// checkFits refuses a message for which the sender would wait for ever.
func (q *Queue) checkFits(ctx context.Context, op string, data []byte) error {
	st, err := q.Stat(ctx)
	if err == nil && st.MaxBytes > 0 && int64(len(data)) > st.MaxBytes-60 {
		return q.refuse(op, sysvipc.ErrTooBig, "%d bytes never fit into a queue of %d: see SetCapacity", len(data), st.MaxBytes)
	}
	return err
}

// roomPause is after what time a sender tries again that nobody told of room: hints may
// be lost, and a receiver may have died that would have sent one.
const roomPause = 500 * time.Millisecond

// waitForRoom waits until it is worth to try again.
func (q *Queue) waitForRoom(ctx context.Context) error {
	sub, err := q.conn.nc.SubscribeSync(q.hint("r"))
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	if err := q.conn.nc.Publish(q.hint("c"), []byte(callWanted)); err != nil {
		return err
	}
	// A receiver may have made room before it knew of a waiter.
	if st, err := q.Stat(ctx); err != nil || st.MaxMessages > 0 && st.Messages < st.MaxMessages && st.MaxBytes == 0 {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, roomPause)
	defer cancel()
	if _, err := sub.NextMsgWithContext(limited); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return nil
}
