package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// lane is one type of a queue as this process receives it: the servers' consumer for it,
// and what came from there and nobody took yet. All under the queue's lock.
//
// It asks for messages in one-shot pulls: the server answers with what there is, up to
// so many, or waits for the first one. So nothing comes that nobody asked for.
type lane struct {
	q        *Queue
	typ      int64
	consumer string

	items   []*item
	made    bool // the consumer exists
	sub     *nats.Subscription
	left    int       // of the pull under way, how many may still come
	until   time.Time // when the pull under way is lost if nothing came
	empty   bool      // the last pull found nothing
	waits   bool      // the pull under way waits for a first message, and none came yet
	back    bool      // what was in advance is on its way back, and has to be there before the next pull
	again   bool      // somebody wants to pull after that
	rest    int       // how many of what went back the servers have yet, at most
	changed chan struct{}
}

// item is a message as it came from the servers.
type item struct {
	msg      *nats.Msg
	typ      int64
	seq      uint64 // in the stream
	attempts int    // 1: for the first time
}

// laneIdle is after what time without use the servers forget a consumer.
const laneIdle = 10 * time.Minute

func (q *Queue) lane(typ int64) *lane {
	l := q.lanes[typ]
	if l == nil {
		l = &lane{q: q, typ: typ, consumer: "t" + strconv.FormatInt(typ, 10), changed: make(chan struct{})}
		q.lanes[typ] = l
	}
	return l
}

// make has the servers know the lane's consumer. Without the queue's lock.
func (l *lane) make(ctx context.Context) error {
	q := l.q
	q.mu.Lock()
	made := l.made
	q.mu.Unlock()
	if made {
		return nil
	}
	err := q.conn.persist(ctx, func(ctx context.Context) error {
		_, err := q.conn.js.CreateOrUpdateConsumer(ctx, q.stream, jetstream.ConsumerConfig{
			Durable: l.consumer, FilterSubject: q.subject + strconv.FormatInt(l.typ, 10), AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: q.ackWait, MaxAckPending: q.atOnce, MaxWaiting: 1 << 14, InactiveThreshold: laneIdle,
		})
		return err
	})
	if isCode(err, codeConsumerOverlap, codeConsumerOverlapAll) {
		return q.fail("receive from", err, "a bridge receives from it: it has one receiver then")
	}
	q.mu.Lock()
	l.made = err == nil
	q.mu.Unlock()
	return err
}

const (
	codeConsumerOverlap    = 10100
	codeConsumerOverlapAll = 10099
)

// pullBeat is how often a server says that it still waits for a first message. Silence for
// three of them means that it does no longer.
const pullBeat = time.Second

// pull asks for up to n messages. With wait the server waits for the first one.
func (l *lane) pull(n int, wait time.Duration) error {
	if l.back || l.left > 0 && time.Now().Before(l.until) {
		return nil
	}
	if l.sub == nil {
		inbox := nats.NewInbox()
		var sub *nats.Subscription
		sub, err := l.q.conn.nc.Subscribe(inbox, func(m *nats.Msg) { l.came(sub, m) })
		if err != nil {
			return err
		}
		sub.SetPendingLimits(-1, -1)
		l.sub = sub
	}
	req := struct {
		Batch   int           `json:"batch"`
		NoWait  bool          `json:"no_wait"`
		Expires time.Duration `json:"expires,omitempty"`
		Beat    time.Duration `json:"idle_heartbeat,omitempty"`
	}{n, true, wait, 0}
	patience := 2 * time.Second
	if wait > 0 {
		req.Beat, patience = pullBeat, 3*pullBeat
	}
	text, err := json.Marshal(req)
	if err != nil {
		return err
	}
	l.rest = max(l.rest-n, 0) // these come first
	l.left, l.until, l.empty, l.waits = n, time.Now().Add(patience), false, wait > 0
	return l.q.conn.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+l.q.stream+"."+l.consumer, l.sub.Subject, text)
}

// came is called with each message of a pull, and with the word that it has ended.
func (l *lane) came(sub *nats.Subscription, m *nats.Msg) {
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.Reply == "" {
		if l.sub != sub {
			return
		}
		status := m.Header.Get("Status")
		if status == "100" { // the server still waits
			l.until = time.Now().Add(3 * pullBeat)
			return
		}
		l.left, l.empty, l.waits = 0, true, false
		if status != "404" && status != "408" {
			l.made = false // no such consumer, or no leader now
		}
		l.change()
		return
	}
	it, ok := newItem(m, l.typ)
	if !ok {
		return
	}
	if l.sub != sub || q.done {
		it.nak(q.conn) // it came too late: nobody waits for it here
		return
	}
	l.left, l.waits = max(l.left-1, 0), false
	l.items = append(l.items, it)
	l.change()
	q.watchIdle()
}

func newItem(m *nats.Msg, typ int64) (*item, bool) {
	at, ok := standingOf(m.Reply)
	return &item{m, typ, at.seq, at.attempts}, ok
}

// change wakes those who wait for the lane.
func (l *lane) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// take returns the first item.
func (l *lane) take() *item {
	it := l.items[0]
	l.items[0] = nil
	l.items = l.items[1:]
	if len(l.items) == 0 {
		l.items = nil
	}
	return it
}

// ahead asks for more before the last is taken, for a receiver in a hurry.
func (l *lane) ahead(n int) {
	if n > 32 && len(l.items) < n/2 && l.left == 0 {
		l.pull(n, 0)
	}
}

// abandon has the server forget the pull that is under way. What is on its way still
// goes back.
func (l *lane) abandon() {
	if l.sub != nil {
		l.sub.Drain()
	}
	l.sub, l.left, l.waits = nil, 0, false
}

// giveBack returns what nobody took, if there is anything, and reports whether it did. The
// next pull waits until the server knows: else it would be given later messages first.
//
// The server puts what comes back behind what came back before. So if some of that is there
// yet, it has to be fetched first.
func (l *lane) giveBack() bool {
	if len(l.items) == 0 {
		return true
	}
	if l.rest > 0 && !l.q.done {
		l.pull(l.rest, 0)
		return false
	}
	l.rest = len(l.items)
	c := l.q.conn
	// The server delivers them in the order in which they come back.
	last := l.items[len(l.items)-1]
	for _, it := range l.items[:len(l.items)-1] {
		it.nak(c)
	}
	l.items, l.back, l.until = nil, true, time.Now().Add(attempt)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), attempt)
		defer cancel()
		c.nc.RequestWithContext(ctx, last.msg.Reply, wordNak)
		l.q.mu.Lock()
		defer l.q.mu.Unlock()
		l.back = false
		l.change()
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

// errGone is why a lane's consumer cannot be made: the stream is not there.
func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || isCode(err, jetstream.JSErrCodeStreamNotFound)
}
