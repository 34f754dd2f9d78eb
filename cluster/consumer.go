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
	until   time.Time          // when the pull under way, or the way back, is lost if nothing came
	seen    uint64             // the last message in the stream that came here
	behind  int                // how many of what went back the servers have yet, at most
	changed chan struct{}      // closed with the next change
}

// pullState is what a consumer's latest pull came to.
type pullState int

const (
	pullNone   pullState = iota // there is none, or it got all that it asked for
	pullAsked                   // it is under way
	pullWaits                   // it is under way, and waits for a first message
	pullEmpty                   // it has ended: there is nothing more
	pullBarred                  // what was prefetched is on its way back, and has to be there before the next one
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

// waits reports whether the server waits for a first message.
func (c *consumer) waits() bool { return c.pull == pullWaits && c.underWay() }

// idle reports whether nothing more comes by itself.
func (c *consumer) idle() bool { return c.pull == pullNone || c.pull == pullEmpty }

// ask asks for up to n messages. With wait the server waits for the first one.
func (c *consumer) ask(n int, wait time.Duration) error {
	if c.pull == pullBarred || c.underWay() {
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
	c.left, c.until = n, time.Now().Add(patience)
	return c.q.conn.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+c.q.stream+"."+c.name, c.sub.Subject, text)
}

// overlooked reports whether there is a message that no receiver was given, after a pull that
// found nothing. The servers tell their consumers of a message a moment after they have
// acknowledged it to its sender.
func (c *consumer) overlooked(ctx context.Context) (bool, error) {
	q := c.q
	q.mu.Lock()
	seen := c.seen
	q.mu.Unlock()
	m, err := q.conn.stored(ctx, q.stream, `{"last_by_subj":"`+q.subject+strconv.FormatInt(c.typ, 10)+`"}`)
	if err != nil || m.Seq <= seen {
		return false, err
	}
	var given uint64
	err = q.conn.Retry(ctx, func(ctx context.Context) error {
		known, err := q.conn.js.Consumer(ctx, q.stream, c.name)
		if err == nil {
			given = known.CachedInfo().Delivered.Stream
		}
		return err
	})
	return m.Seq > given, err
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
	if c.sub != sub || q.done {
		it.nak(q.conn) // it came too late: nobody waits for it here
		return
	}
	if c.pull == pullAsked || c.pull == pullWaits {
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
	default:
		c.made = false // no such consumer, or no leader now
	}
	if c.pull != pullBarred {
		c.pull = pullEmpty
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

// abandon has the server forget the pull that is under way. What is on its way still
// goes back.
func (c *consumer) abandon() {
	if c.sub != nil {
		c.sub.Drain()
	}
	c.sub = nil
	if c.pull != pullBarred {
		c.pull = pullNone
	}
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
	if c.behind > 0 && !c.q.done {
		c.ask(c.behind, 0)
		return false
	}
	c.behind = len(c.items)
	conn := c.q.conn
	// The server delivers them in the order in which they come back.
	last := c.items[len(c.items)-1]
	for _, it := range c.items[:len(c.items)-1] {
		it.nak(conn)
	}
	c.items, c.pull, c.until = nil, pullBarred, time.Now().Add(attempt)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), attempt)
		defer cancel()
		conn.nc.RequestWithContext(ctx, last.msg.Reply, wordNak)
		c.q.mu.Lock()
		defer c.q.mu.Unlock()
		c.pull = pullNone
		c.change()
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
