package cluster

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
)

// Queue is a message queue that the servers keep: messages are whole, each has a type,
// and a receiver may choose by it, as from the kernel's. Messages of one type come in the
// order in which they were sent: see [QueueOptions.Strict] for what happens when something
// dies. Safe for concurrent use.
//
// A message is on the queue until it is acknowledged. Receive does that itself;
// [Queue.Take] and [Queue.Messages] leave it until the message was worked on, so that one
// whose receiver dies is delivered again, after [QueueOptions.AckWait].
//
// It is one JetStream stream with a subject for each type, and each type that was ever
// chosen has a consumer, which goes away ten minutes after its last use.
type Queue struct {
	object
	conn    *Conn
	stream  string
	subject string // with the type to follow
	ackWait time.Duration
	atOnce  int // how many messages of a type may be on their way

	mu        sync.Mutex
	consumers map[int64]*consumer
	turns     map[sysvipc.Selector]chan struct{}
	ticks     uint64           // see clock
	may       map[int64]uint64 // types that may have messages, and when that was heard
	known     bool             // may has all that there are
	news      chan struct{}    // closed when may grows
	hints     *nats.Subscription
	calls     *nats.Subscription // from other users of the queue
	wanted    time.Time          // until when they need to hear of room
	held      map[*Delivery]struct{}
	streak    int       // receivers in a row that came without a pause
	last      time.Time // when the last of them was served
	idle      *time.Timer
	beat      *time.Timer // the next time that held deliveries are to be prolonged
	era       int         // grows when receivers must begin again
	made      time.Time   // when the stream was
	looking   int         // receivers of several types that compare messages
	acked     string      // where the last acknowledgement went that was not confirmed
	done      bool
}

// queuePrefix is how the names of queues' streams begin.
const queuePrefix = "SYSVIPC_Q_"

// QueueOptions are the choices that are made when a queue is made. Nil and the zero
// value are right for most.
type QueueOptions struct {
	// MaxMessages and MaxBytes are the capacity: senders wait when it would be passed.
	// The bytes are those that the stream needs, which for each message is about 100 more
	// than its data has. The servers reserve them. 0 messages is without limit; 0 bytes is
	// 256 MiB, or less if the servers have less left; -1 is without limit, for those who
	// accept that a queue which nobody drains stops all that is on the same servers.
	MaxMessages, MaxBytes int64
	// MaxMessage is the largest message. 0 is what the server takes, mostly 1 MiB.
	MaxMessage int
	// AckWait is after what silence of its receiver a message is delivered again. 0 is
	// 30 s.
	AckWait time.Duration
	// Strict keeps the order of each type whatever dies: the next message of a type is
	// delivered when the one before is acknowledged. Without, one that was on its way to a
	// receiver or over a connection that died comes after later ones. It costs
	// throughput: one message of a type at a time.
	Strict bool
	// Duplicates is for how long the servers know a message that is sent once more,
	// because the answer to the first time was lost. 0 is 2 min.
	Duplicates time.Duration
	// Memory keeps it in the servers' memory only.
	Memory bool
}

// CreateQueue makes a queue. It fails with [fs.ErrExist] if there is one.
func (c *Conn) CreateQueue(ctx context.Context, name string, opts *QueueOptions) (*Queue, error) {
	return c.queue(ctx, "create", name, opts)
}

// OpenQueue finds the queue. It fails with [fs.ErrNotExist] if there is none.
func (c *Conn) OpenQueue(ctx context.Context, name string) (*Queue, error) {
	return c.queue(ctx, "open", name, nil)
}

// EnsureQueue finds the queue, which keeps its options, or makes it.
func (c *Conn) EnsureQueue(ctx context.Context, name string, opts *QueueOptions) (*Queue, error) {
	return c.queue(ctx, "ensure", name, opts)
}

func (c *Conn) queue(ctx context.Context, op, name string, opts *QueueOptions) (*Queue, error) {
	q := &Queue{
		object: object{"queue", name}, conn: c, consumers: map[int64]*consumer{}, turns: map[sysvipc.Selector]chan struct{}{},
		may: map[int64]uint64{}, news: make(chan struct{}), held: map[*Delivery]struct{}{},
	}
	tok, err := token(name)
	if err != nil {
		return nil, err
	}
	q.stream, q.subject = queuePrefix+tok, "sysvipc.q."+tok+"."
	var info *jetstream.StreamInfo
	err = c.Retry(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, q.stream)
		switch {
		case err == nil && op == "create":
			return fs.ErrExist
		case errors.Is(err, jetstream.ErrStreamNotFound) && op == "open":
			return fs.ErrNotExist
		case errors.Is(err, jetstream.ErrStreamNotFound):
			s, err = c.reserve(ctx, q.config(opts))
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				if op == "create" { // with other options, or it would have been found
					return fs.ErrExist
				}
				s, err = c.js.Stream(ctx, q.stream)
			}
		}
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	if err != nil {
		return nil, q.fail(op, err, "")
	}
	q.ackWait, q.made = ackWaitOf(info), info.Created
	q.atOnce = 1 << 16
	if info.Config.Metadata["strict"] != "" {
		q.atOnce = 1
	}
	if q.calls, err = c.nc.Subscribe(q.hint("c"), q.called); err != nil {
		return nil, q.fail(op, err, "")
	}
	c.opened(q)
	return q, nil
}

// ackWaitOf is a queue's [QueueOptions.AckWait].
func ackWaitOf(info *jetstream.StreamInfo) time.Duration {
	if d, err := time.ParseDuration(info.Config.Metadata["ack_wait"]); err == nil && d > 0 {
		return d
	}
	return 30 * time.Second
}

// config is the stream of a new queue.
func (q *Queue) config(opts *QueueOptions) jetstream.StreamConfig {
	if opts == nil {
		opts = &QueueOptions{}
	}
	orNone := func(n int64) int64 {
		if n <= 0 {
			return -1
		}
		return n
	}
	cfg := jetstream.StreamConfig{
		Name: q.stream, Description: "sysvipc queue " + strconv.Quote(q.name), Subjects: []string{q.subject + "*"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, Replicas: q.conn.replicas,
		MaxMsgs: orNone(opts.MaxMessages), MaxBytes: orNone(opts.MaxBytes), MaxMsgSize: int32(orNone(int64(opts.MaxMessage))),
		Duplicates: opts.Duplicates, AllowDirect: true, AllowBatchPublish: newer(q.conn.nc.ConnectedServerVersion(), 14),
		// Receivers that wait for more than one type hear of what comes.
		RePublish: &jetstream.RePublish{Source: q.subject + "*", Destination: q.hint("h") + ".{{wildcard(1)}}", HeadersOnly: true},
	}
	if opts.MaxBytes == 0 {
		cfg.MaxBytes = defaultBytes
	}
	if opts.Memory {
		cfg.Storage = jetstream.MemoryStorage
	}
	cfg.Metadata = map[string]string{}
	if opts.AckWait > 0 {
		cfg.Metadata["ack_wait"] = opts.AckWait.String()
	}
	if opts.Strict {
		cfg.Metadata["strict"] = "true"
	}
	return cfg
}

// hint is the subject of a kind of hints: h, a message came; c, a call
// from another user; r, there is room. They are sent once and not kept, so that who waits for one also asks
// by itself now and then.
func (q *Queue) hint(kind string) string {
	return "sysvipc." + kind + strings.TrimSuffix(strings.TrimPrefix(q.subject, "sysvipc.q"), ".")
}

// Conn returns the connection of the queue.
func (q *Queue) Conn() *Conn { return q.conn }

// Stream returns the name of the JetStream stream that keeps the queue.
func (q *Queue) Stream() string { return q.stream }

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// QueueStat is what the servers keep of a queue.
type QueueStat struct {
	Messages, Bytes       int64 // on the queue now, those too that were taken and not yet acknowledged; bytes as stored
	MaxMessages, MaxBytes int64 // its capacity; 0 if it has no limit
	MaxMessage            int   // the largest message; 0 if the server's limit applies
	Created, Sent         time.Time
	Replicas              int
}

// Stat asks the servers for what they keep of the queue. What this Queue received before
// is no longer counted.
func (q *Queue) Stat(ctx context.Context) (QueueStat, error) {
	info, err := q.info(ctx, "stat")
	if err != nil {
		return QueueStat{}, err
	}
	return QueueStat{
		Messages: int64(info.State.Msgs), Bytes: int64(info.State.Bytes),
		MaxMessages: max(info.Config.MaxMsgs, 0), MaxBytes: max(info.Config.MaxBytes, 0), MaxMessage: int(max(info.Config.MaxMsgSize, 0)),
		Created: info.Created, Sent: info.State.LastTime, Replicas: info.Config.Replicas,
	}, nil
}

// Types returns how many messages of each type are on the queue.
func (q *Queue) Types(ctx context.Context) (map[int64]int64, error) {
	info, err := q.info(ctx, "list the types of", jetstream.WithSubjectFilter(q.subject+"*"))
	if err != nil {
		return nil, err
	}
	types := map[int64]int64{}
	for subject, n := range info.State.Subjects {
		if typ, ok := q.typeOf(subject); ok {
			types[typ] = int64(n)
		}
	}
	return types, nil
}

func (q *Queue) info(ctx context.Context, op string, opts ...jetstream.StreamInfoOpt) (info *jetstream.StreamInfo, err error) {
	err = q.conn.Retry(ctx, func(ctx context.Context) error {
		q.flushAcks(ctx)
		s, err := q.conn.js.Stream(ctx, q.stream)
		if err == nil {
			info, err = s.Info(ctx, opts...)
		}
		return err
	})
	return info, q.fail(op, err, "")
}

// typeOf reads the type from a subject.
func (q *Queue) typeOf(subject string) (int64, bool) {
	typ, err := strconv.ParseInt(subject[strings.LastIndexByte(subject, '.')+1:], 10, 64)
	return typ, err == nil && typ > 0
}

// SetCapacity changes the capacity: messages and bytes as in [QueueOptions]. With less
// than is on it, senders wait until receivers have made room.
func (q *Queue) SetCapacity(ctx context.Context, messages, bytes int64) error {
	const op = "set the capacity of"
	if messages < 0 || bytes < 0 {
		return q.refuse(op, nil, "%d messages, %d bytes: 0 is without limit", messages, bytes)
	}
	info, err := q.info(ctx, op)
	if err != nil {
		return err
	}
	cfg := info.Config
	cfg.MaxMsgs, cfg.MaxBytes = -1, -1
	if messages > 0 {
		cfg.MaxMsgs = messages
	}
	if bytes > 0 {
		cfg.MaxBytes = bytes
	}
	err = q.conn.Retry(ctx, func(ctx context.Context) error {
		_, err := q.conn.js.UpdateStream(ctx, cfg)
		return err
	})
	q.conn.nc.Publish(q.hint("r"), nil)
	return q.fail(op, err, "")
}

// Remove removes the queue and its messages. Its waiters get ErrRemoved, within
// some seconds.
func (q *Queue) Remove(ctx context.Context) error {
	err := q.conn.Retry(ctx, func(ctx context.Context) error { return q.conn.js.DeleteStream(ctx, q.stream) })
	q.conn.nc.Publish(q.hint("r"), nil)
	q.conn.nc.Publish(q.hint("c"), []byte(q.callRemoved()))
	return q.fail("remove", err, "")
}

// callWanted is a sender's call that it waits for room.
const callWanted = "w"

// callRemoved is the call that this queue is removed: not one of the same name that was
// made before or after it.
func (q *Queue) callRemoved() string { return "x" + strconv.FormatInt(q.made.UnixNano(), 36) }

func (q *Queue) called(m *nats.Msg) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch string(m.Data) {
	case callWanted:
		q.wanted = time.Now().Add(2 * roomPause)
	case q.callRemoved():
		q.renew()
	}
}

// renew has receivers begin again, with consumers that they make, and lists that they ask
// for.
func (q *Queue) renew() {
	q.known = false
	q.era++
	for _, c := range q.consumers {
		c.abandon()
		c.made = false
	}
	q.wakeLocked()
}

// Close returns what was taken and not acknowledged, and forgets the queue in this
// process.
func (q *Queue) Close(ctx context.Context) error { return q.close(ctx) }

func (q *Queue) close(ctx context.Context) error {
	q.flushAcks(ctx)
	q.mu.Lock()
	if q.done {
		q.mu.Unlock()
		return nil
	}
	q.done = true
	for d := range q.held {
		d.item.nak(q.conn)
	}
	clear(q.held)
	q.returnAll()
	for _, c := range q.consumers {
		c.abandon()
	}
	for _, s := range []*nats.Subscription{q.hints, q.calls} {
		if s != nil {
			s.Unsubscribe()
		}
	}
	for _, t := range []*time.Timer{q.idle, q.beat} {
		if t != nil {
			t.Stop()
		}
	}
	q.wakeLocked()
	q.mu.Unlock()
	q.conn.closed(q)
	return nil
}

var errClosed = fs.ErrClosed
