package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// consumer is one type of a queue as this process receives it: the servers' consumer for it,
// and what came from there and was not taken yet. All under the queue's lock.
//
// It asks by one-shot pulls: the server answers with what there is, up to so many messages, or
// waits for the first one. So nothing comes that was not asked for. The consumers of nats.go
// ask ahead, which takes messages from other receivers that wait for them.
type consumer struct {
	q    *Queue
	typ  int64
	name string
	made bool // the servers have it

	items   []*item
	pull    pullState
	sub     *nats.Subscription // of the answers
	left    int                // of the pull under way, how many messages may still come
	until   time.Time          // when the pull under way is lost if nothing came
	bars    int                // what has to end before the next pull: a way back, a pull that was abandoned
	seen    uint64             // the last message in the stream that came here
	behind  int                // how many of what went back the servers have yet, at most
	alone   int                // receivers of this type alone that wait
	changed chan struct{}      // closed with the next change

	// By the queue's ticks, when a pull was asked for, when the servers were found to have nothing
	// for us, and when a message of this client was stored or given back.
	asked, empty, wrote uint64
}

// pullState is what a consumer's latest pull came to.
type pullState int

const (
	pullNone  pullState = iota // there is none, or it got all that it asked for
	pullAsked                  // it is under way
	pullWaits                  // it is under way, and waits for a first message
	pullEmpty                  // it has ended: there is nothing more
)

// item is a message as it came from the servers.
type item struct {
	msg      *nats.Msg
	typ      int64
	seq      uint64 // in the stream
	attempts int    // 1: for the first time
}

// consumerIdle is after what time without use the servers forget a consumer.
const consumerIdle = 10 * time.Minute

func (q *Queue) consumer(typ int64) *consumer {
	c := q.consumers[typ]
	if c == nil {
		c = &consumer{q: q, typ: typ, name: "t" + strconv.FormatInt(typ, 10), changed: make(chan struct{})}
		q.consumers[typ] = c
	}
	return c
}

// make has the servers know the consumer. Without the queue's lock.
func (c *consumer) make(ctx context.Context) error {
	q := c.q
	q.mu.Lock()
	made := c.made
	q.mu.Unlock()
	if made {
		return nil
	}
	err := q.conn.Retry(ctx, func(ctx context.Context) error {
		_, err := q.conn.js.CreateOrUpdateConsumer(ctx, q.stream, jetstream.ConsumerConfig{
			Durable: c.name, FilterSubject: q.subject + strconv.FormatInt(c.typ, 10), AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: q.ackWait, MaxAckPending: q.atOnce, MaxWaiting: 1 << 14, InactiveThreshold: consumerIdle,
		})
		return err
	})
	if jserr.IsOverlap(err) {
		return q.fail("receive from", err, "a bridge receives from it: it has one receiver then")
	}
	q.mu.Lock()
	c.made = err == nil
	q.mu.Unlock()
	return err
}

// pullBeat is how often a server says that it still waits for a first message. Silence for
// three of them means that it does no longer.
const pullBeat = time.Second

// underWay reports whether an answer is still expected.
func (c *consumer) underWay() bool {
	return (c.pull == pullAsked || c.pull == pullWaits) && time.Now().Before(c.until)
}

// waits reports whether a receiver waits for this type alone, which is served first.
func (c *consumer) waits() bool { return c.alone > 0 && c.pull == pullWaits && c.underWay() }

// idle reports whether nothing more comes by itself.
func (c *consumer) idle() bool { return c.pull == pullNone || c.pull == pullEmpty }

// ask asks for up to n messages, unless that has to wait: see changed. With wait the server waits
// for the first one.
func (c *consumer) ask(n int, wait time.Duration) error {
	if c.bars > 0 || c.underWay() {
		return nil
	}
	if !c.idle() { // the pull before, or its answer, is lost
		c.abandon()
		return nil
	}
	if c.sub == nil {
		inbox := nats.NewInbox()
		var sub *nats.Subscription
		sub, err := c.q.conn.nc.Subscribe(inbox, func(m *nats.Msg) { c.came(sub, m) })
		if err != nil {
			return err
		}
		sub.SetPendingLimits(-1, -1)
		c.sub = sub
	}
	req := struct {
		Batch   int           `json:"batch"`
		NoWait  bool          `json:"no_wait"`
		Expires time.Duration `json:"expires,omitempty"`
		Beat    time.Duration `json:"idle_heartbeat,omitempty"`
	}{n, true, wait, 0}
	patience := 2 * time.Second
	c.pull = pullAsked
	if wait > 0 {
		req.Beat, patience = pullBeat, 3*pullBeat
		c.pull = pullWaits
	}
	text, err := json.Marshal(req)
	if err != nil {
		return err
	}
	c.behind = max(c.behind-n, 0) // these come first
	c.left, c.until, c.asked = n, time.Now().Add(patience), c.q.clock()
	return c.q.conn.nc.PublishRequest(c.next(), c.sub.Subject, text)
}

// settled reports whether it is known since then what of this type comes first: that is here, or
// there is nothing for us.
func (c *consumer) settled(since uint64) bool {
	return len(c.items) > 0 || c.waits() || c.empty > since && c.empty > c.wrote
}

// next is where it asks for messages.
func (c *consumer) next() string {
	return c.q.conn.api + "CONSUMER.MSG.NEXT." + c.q.stream + "." + c.name
}

// settle waits until it is settled.
func (c *consumer) settle(ctx context.Context, n int, since uint64) error {
	q := c.q
	ctx, done := q.conn.refusals.await(ctx, c.next())
	defer done()
	lost := false
	for {
		if err := c.make(ctx); err != nil {
			return err
		}
		var err error
		q.mu.Lock()
		changed, wait := c.changed, c.bars > 0 || c.underWay()
		until := c.until
		verify := !wait && c.asked > since && (c.pull == pullEmpty || lost)
		switch {
		case q.done:
			err = errClosed
		case c.settled(since):
			q.mu.Unlock()
			return nil
		case wait, verify:
		default:
			lost = !c.idle()
			err = c.ask(n, 0)
		}
		q.mu.Unlock()
		switch {
		case err != nil:
			return err
		case verify:
			err = c.verify(ctx, n, !lost)
			lost = false
		case wait:
			err = c.await(ctx, changed, until)
		}
		if err != nil {
			return err
		}
	}
}

// await waits for a change, until the pull under way is lost.
func (c *consumer) await(ctx context.Context, changed <-chan struct{}, until time.Time) error {
	timer := time.NewTimer(max(time.Until(until), 20*time.Millisecond))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		if r, ok := context.Cause(ctx).(*refused); ok {
			return r
		}
		return ctx.Err()
	}
	return nil
}

// verify notes that there is nothing for us, or asks again: after a pull that found nothing, since the
// servers tell their consumers of a message a moment after they have acknowledged it to its
// sender; or after one that was not answered.
func (c *consumer) verify(ctx context.Context, n int, answered bool) error {
	q := c.q
	q.mu.Lock()
	began, asked, seen := q.clock(), c.asked, c.seen
	q.mu.Unlock()
	missed, err := c.missed(ctx, seen, answered)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case c.asked != asked: // another receiver asks
	case missed && answered:
		return c.ask(n, overlookedWait)
	case missed:
		return c.ask(n, 0)
	default:
		c.empty = began
		if q.may[c.typ] <= asked {
			delete(q.may, c.typ)
		}
	}
	return nil
}

// missed reports whether the servers have a message that can be had and was not yet given to any
// receiver. After a pull that was not answered it can be so.
func (c *consumer) missed(ctx context.Context, seen uint64, answered bool) (bool, error) {
	q := c.q
	var last storedMessage
	if answered {
		var err error
		last, err = q.conn.stored(ctx, q.stream, `{"last_by_subj":"`+q.subject+strconv.FormatInt(c.typ, 10)+`"}`)
		if err != nil || last.Seq <= seen {
			return false, err
		}
	}
	var known *jetstream.ConsumerInfo
	err := q.conn.Retry(ctx, func(ctx context.Context) error {
		consumer, err := q.conn.js.Consumer(ctx, q.stream, c.name)
		if err == nil {
			known = consumer.CachedInfo()
		}
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		q.mu.Lock()
		defer q.mu.Unlock()
		c.made = false
		return true, nil
	case err != nil:
		return false, err
	case known.NumAckPending >= q.atOnce: // the next one has to wait for an acknowledgement
		return false, nil
	}
	return !answered || last.Seq > known.Delivered.Stream, nil
}

// overlookedWait is for how long to wait for a message that was overlooked: it comes at once,
// unless another receiver is given it.
const overlookedWait = 3 * pullBeat

// came is called with each message of a pull, and with the word that it has ended.
func (c *consumer) came(sub *nats.Subscription, m *nats.Msg) {
	q := c.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.Reply == "" {
		if c.sub == sub {
			c.ended(m.Header.Get("Status"))
		}
		return
	}
	at, err := m.Metadata()
	if err != nil {
		return
	}
	it := &item{m, c.typ, at.Sequence.Stream, int(at.NumDelivered)}
	if q.done {
		it.nak(q.conn)
		return
	}
	// Of a pull that was abandoned, too: the next one waits until all of that came.
	if c.sub == sub && !c.idle() {
		c.pull = pullAsked
		if c.left--; c.left == 0 {
			c.pull = pullNone
		}
	}
	c.items, c.seen = append(c.items, it), max(c.seen, it.seq)
	c.change()
	q.watchIdle()
}

// ended reads the status of a pull.
func (c *consumer) ended(status string) {
	switch status {
	case "100": // the server still waits
		c.until = time.Now().Add(3 * pullBeat)
		return
	case "404", "408":
		c.pull = pullEmpty
	default:
		c.made, c.pull = false, pullNone // no such consumer, or no leader now
	}
	c.change()
}

// change wakes those who wait for the consumer.
func (c *consumer) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// take returns the first item.
func (c *consumer) take() *item {
	it := c.items[0]
	c.items[0] = nil
	c.items = c.items[1:]
	if len(c.items) == 0 {
		c.items = nil
	}
	return it
}

// prefetch asks for more before the last is taken, for a receiver in a hurry.
func (c *consumer) prefetch(n int) {
	if n > 32 && len(c.items) < n/2 && c.idle() {
		c.ask(n, 0)
	}
}

// abandon has the server forget the pull that is under way. What is on its way still comes, and
// the next pull waits for that: it could be given later messages first.
func (c *consumer) abandon() {
	sub := c.sub
	if sub == nil {
		return
	}
	c.sub, c.pull = nil, pullNone
	c.bars++
	sub.SetClosedHandler(func(string) { c.unbar() })
	if err := sub.Drain(); err != nil { // it is closed
		c.bars--
	}
}

// unbar notes that a way back or an abandoned pull has ended for which the next pull waits.
func (c *consumer) unbar() {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.bars--
	c.change()
}

// giveBack returns what was prefetched and not taken, if there is anything, and reports whether
// it did. The next pull waits until the server knows: else it would be given later messages
// first.
//
// The server puts what comes back behind what came back before. So if some of that is there
// yet, it has to be fetched first.
func (c *consumer) giveBack() bool {
	if len(c.items) == 0 {
		return true
	}
	switch {
	case c.q.done:
	case c.bars > 0:
		return false
	case c.behind > 0 || !c.idle():
		c.ask(max(c.behind, 1), 0)
		return false
	}
	c.behind = len(c.items)
	conn := c.q.conn
	// The server delivers them in the order in which they come back.
	last := c.items[len(c.items)-1]
	for _, it := range c.items[:len(c.items)-1] {
		it.nak(conn)
	}
	c.items, c.pull = nil, pullNone
	c.bars++
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), attempt)
		defer cancel()
		conn.nc.RequestWithContext(ctx, last.msg.Reply, wordNak)
		c.unbar()
	}()
	return true
}

// words to the server about a message
var (
	wordAck  = []byte("+ACK")
	wordNak  = []byte("-NAK")
	wordWork = []byte("+WPI")
)

func (it *item) nak(c *Conn) { c.nc.Publish(it.msg.Reply, wordNak) }

// isGone reports that the stream is not there.
func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || jserr.Is(err, jetstream.JSErrCodeStreamNotFound)
}
