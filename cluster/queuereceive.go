package cluster

import (
	"context"
	"iter"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Receive takes the first message that sel selects, or waits for one, and acknowledges
// it. It fails with ErrRemoved if the queue is removed, and with the context's error if
// that ends first; then no message was taken. If the connection breaks in the instant of
// the acknowledgement, the message may be delivered again.
//
// [sysvipc.Any] and [sysvipc.Except] take the first of those that no other receiver has in
// flight; if several receive at once, the order between types is about that of sending.
//
// A receiver in a hurry is given messages in advance, up to 256, which nobody else gets
// meanwhile: if it does not call again for 100 ms, they go back to where they were, and
// others may have received later ones before them. That begins when it has received 16 in
// a row. From then on Receive does not wait for the answer to its acknowledgements.
//
// So one client, which is a [Conn], alone gets what the kernel would choose, when one call has
// ended before the next begins. With several, what another
// one was given in advance, or has in flight, is not there to choose from, as if it had been
// received: [sysvipc.UpTo] may take a larger type than it would find, and TryReceive say that
// there is nothing, while [Queue.Stat] counts it. And of messages of several types that another
// one has sent less than a moment ago, the later may come first.
func (q *Queue) Receive(ctx context.Context, sel sysvipc.Selector) (sysvipc.Message, error) {
	it, err := q.take(ctx, "receive from", sel, true)
	if err != nil {
		return sysvipc.Message{}, err
	}
	q.ack(it)
	return it.message(), nil
}

// TryReceive takes the first message that sel selects, if there is one now, and reports
// whether there was.
func (q *Queue) TryReceive(ctx context.Context, sel sysvipc.Selector) (sysvipc.Message, bool, error) {
	it, err := q.take(ctx, "receive from", sel, false)
	if it == nil || err != nil {
		return sysvipc.Message{}, false, err
	}
	q.ack(it)
	return it.message(), true, nil
}

// Take is Receive without the acknowledgement: the message is delivered again, to
// the next receiver, if this process dies or is not heard of for as long as
// [QueueOptions.AckWait] says.
func (q *Queue) Take(ctx context.Context, sel sysvipc.Selector) (*Delivery, error) {
	it, err := q.take(ctx, "take from", sel, true)
	if err != nil {
		return nil, err
	}
	d := &Delivery{Message: it.message(), Attempt: it.attempts, q: q, item: it}
	q.hold(d)
	return d, nil
}

// Messages receives messages for as long as the loop goes on, and waits for more. Each
// is acknowledged when the loop's body has ended: one in whose body the process dies is
// delivered again. It ends with an error: the context's, or ErrRemoved. The message of a
// body that breaks off the loop is acknowledged, too.
func (q *Queue) Messages(ctx context.Context, sel sysvipc.Selector) iter.Seq2[sysvipc.Message, error] {
	return func(yield func(sysvipc.Message, error) bool) {
		for {
			it, err := q.take(ctx, "receive from", sel, true)
			if err != nil {
				yield(sysvipc.Message{}, err)
				return
			}
			d := &Delivery{Message: it.message(), q: q, item: it}
			q.hold(d)
			more := yield(d.Message, nil)
			q.release(d)
			q.ack(it)
			if !more {
				return
			}
		}
	}
}

func (it *item) message() sysvipc.Message {
	data := it.msg.Data
	if data == nil {
		data = []byte{}
	}
	return sysvipc.Message{Type: it.typ, Data: data}
}

// take takes the first message that sel selects; nil, if there is none and it is not to
// wait. Those who wait for the same stand in line.
func (q *Queue) take(ctx context.Context, op string, sel sysvipc.Selector, wait bool) (*item, error) {
	s, err := q.selectionOf(sel)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, q.cancelled(op, ctx)
	}
	q.mu.Lock()
	turn := q.turns[sel]
	if turn == nil {
		turn = make(chan struct{}, 1)
		q.turns[sel] = turn
	}
	hurry := q.hurry()
	q.mu.Unlock()
	select {
	case turn <- struct{}{}:
	default:
		if !wait {
			hurry = 1
		}
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return nil, q.cancelled(op, ctx)
		}
	}
	defer func() { <-turn }()
	var it *item
	if s.exact {
		it, err = q.takeOf(ctx, q.ofType(s.from), hurry, wait)
	} else {
		it, err = q.takeFirst(ctx, s, hurry, wait)
	}
	switch {
	case err == nil && it != nil:
		q.served(it)
		return it, nil
	case err == nil:
		return nil, nil
	case isGone(err):
		return nil, q.removed(op)
	case ctx.Err() != nil:
		return nil, q.ended(op, ctx, err)
	}
	return nil, q.fail(op, err, "")
}

func (q *Queue) ofType(typ int64) *consumer {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.consumer(typ)
}

const (
	hurryPause = 100 * time.Millisecond // who calls again within it is in a hurry
	hurryAfter = 16                     // this often
	hurryMost  = 256                    // messages in advance
)

// hurry says how many messages to ask for.
func (q *Queue) hurry() int {
	if !q.last.IsZero() && time.Since(q.last) > hurryPause {
		q.streak = 0
	}
	return max(1, min(hurryMost, q.atOnce, q.streak-hurryAfter))
}

// served notes that a receiver got what it asked for.
func (q *Queue) served(it *item) {
	q.mu.Lock()
	q.streak++
	q.last = time.Now()
	q.mu.Unlock()
	q.conn.metrics.Count("received", q.name, 1)
	if it.attempts > 1 {
		q.conn.metrics.Count("redelivered", q.name, 1)
	}
}

// watchIdle sees to it that what was given in advance goes back.
func (q *Queue) watchIdle() {
	if q.idle == nil {
		q.idle = time.AfterFunc(hurryPause, q.idled)
		return
	}
	q.idle.Reset(hurryPause)
}

func (q *Queue) idled() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done {
		return
	}
	if busy := time.Since(q.last); busy < hurryPause {
		q.idle.Reset(hurryPause - busy)
		return
	}
	if q.looking > 0 {
		q.idle.Reset(hurryPause)
		return
	}
	for _, c := range q.consumers {
		if len(c.items) > 0 && c.underWay() {
			q.idle.Reset(hurryPause) // more of them are on their way
			return
		}
	}
	q.returnAll()
}

// returnAll gives back what nobody took.
func (q *Queue) returnAll() {
	for _, c := range q.consumers {
		n := len(c.items)
		if !c.giveBack() {
			q.idle.Reset(hurryPause)
		} else if n > 0 {
			q.conn.metrics.Count("returned", q.name, n)
			q.conn.nc.Publish(q.hint("h")+"."+c.name[1:], nil)
			q.heard(c.typ)
		}
	}
}

// pullWait is for how long the server keeps a request for the first message.
const pullWait = 20 * time.Second

// takeOf takes the first message of one type.
func (q *Queue) takeOf(ctx context.Context, c *consumer, n int, wait bool) (*item, error) {
	if wait {
		return q.awaitOf(ctx, c, n)
	}
	q.mu.Lock()
	since := q.clock()
	q.mu.Unlock()
	for {
		if err := c.settle(ctx, n, since); err != nil {
			return nil, err
		}
		q.mu.Lock()
		settled, it := c.settled(since), q.takeFrom(c, n)
		q.mu.Unlock()
		if settled {
			return it, nil
		}
	}
}

// takeFrom takes the first message of a type that is here, or nil.
func (q *Queue) takeFrom(c *consumer, n int) *item {
	if len(c.items) == 0 {
		return nil
	}
	it := c.take()
	c.prefetch(n)
	return it
}

// awaitOf takes the first message of one type, or waits for one.
func (q *Queue) awaitOf(ctx context.Context, c *consumer, n int) (*item, error) {
	ctx, done := q.conn.refusals.await(ctx, c.next())
	defer done()
	q.mu.Lock()
	c.alone++
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		c.alone--
		if q.may[c.typ] > 0 {
			q.tell() // others left messages of this type to us
		}
	}()
	for {
		if err := c.make(ctx); err != nil {
			return nil, err
		}
		q.mu.Lock()
		if q.done {
			q.mu.Unlock()
			return nil, errClosed
		}
		if it := q.takeFrom(c, n); it != nil {
			q.mu.Unlock()
			return it, nil
		}
		err := c.ask(n, pullWait)
		changed, until := c.changed, c.until
		q.mu.Unlock()
		if err != nil && !transient(err) {
			return nil, err
		}
		if err := c.await(ctx, changed, until); err != nil {
			q.mu.Lock()
			c.abandon()
			c.change()
			q.mu.Unlock()
			return nil, err
		}
		q.mu.Lock()
		silent := !c.idle() && !c.underWay()
		q.mu.Unlock()
		if silent && !q.exists(ctx) {
			return nil, errNoStream
		}
	}
}

// ack acknowledges an item, and waits for the answer unless the receiver is in a hurry.
// Where senders wait for room, it tells them.
func (q *Queue) ack(it *item) {
	q.mu.Lock()
	wanted := time.Now().Before(q.wanted)
	hurried := q.hurry() > 1
	if hurried && !wanted {
		q.acked = it.msg.Reply
	}
	q.mu.Unlock()
	if hurried && !wanted {
		q.conn.nc.Publish(it.msg.Reply, wordAck)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), attempt)
	defer cancel()
	q.conn.nc.RequestWithContext(ctx, it.msg.Reply, wordAck)
	if wanted {
		q.conn.nc.Publish(q.hint("r"), nil)
	}
}

// flushAcks waits until the servers know what was acknowledged.
func (q *Queue) flushAcks(ctx context.Context) {
	q.mu.Lock()
	last := q.acked
	q.acked = ""
	q.mu.Unlock()
	if last != "" {
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		q.conn.nc.RequestWithContext(ctx, last, wordAck)
	}
}
