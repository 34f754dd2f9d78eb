package cluster

import (
	"context"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Delivery is a message that was taken and not yet acknowledged. For as long as this
// process lives and is connected, nobody else gets it.
type Delivery struct {
	sysvipc.Message
	Attempt int // 1 for the first time; more if an earlier receiver died or gave it back

	q    *Queue
	item *item
}

// Ack takes the message off the queue, and returns when the servers have done that. If
// it fails, the message may be delivered again.
func (d *Delivery) Ack(ctx context.Context) error {
	q := d.q
	defer q.release(d)
	err := q.conn.Retry(ctx, func(ctx context.Context) error {
		_, err := q.conn.nc.RequestWithContext(ctx, d.item.msg.Reply, wordAck)
		return err
	})
	q.mu.Lock()
	wanted := time.Now().Before(q.wanted)
	q.mu.Unlock()
	if wanted {
		q.conn.nc.Publish(q.hint("r"), nil)
	}
	return q.fail("acknowledge a message of", err, "")
}

// Return gives the message back. It is delivered again, before others of its type that were
// not sent to a receiver yet, and behind those that were given back before it: who gives
// back several keeps their order by giving them back in it. A receiver in a hurry has up to
// 256 messages in advance, which come first; with [QueueOptions.Strict] there are none.
func (d *Delivery) Return(ctx context.Context) error {
	q := d.q
	q.release(d)
	_, err := q.conn.nc.RequestWithContext(withDeadline(ctx), d.item.msg.Reply, wordNak)
	q.conn.wrote(q, d.Type)
	q.conn.nc.Publish(q.hint("h")+"."+strconv.FormatInt(d.Type, 10), nil)
	return q.fail("return a message to", err, "")
}

// hold keeps a delivery from being given to others while it is worked on.
func (q *Queue) hold(d *Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held[d] = struct{}{}
	if q.beat == nil {
		q.beat = time.AfterFunc(q.ackWait/3, q.prolong)
	}
}

func (q *Queue) release(d *Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, d)
}

// prolong tells the servers that the held deliveries are worked on.
func (q *Queue) prolong() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done || len(q.held) == 0 {
		q.beat = nil
		return
	}
	for d := range q.held {
		q.conn.nc.Publish(d.item.msg.Reply, wordWork)
	}
	q.beat.Reset(q.ackWait / 3)
}
