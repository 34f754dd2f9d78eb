package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// Options are the rare choices of [Connect]. The zero value, and nil, are right for most.
type Options struct {
	// Replicas is on how many servers new objects are kept: 1, 3 or 5. 0 is 3 if the
	// server belongs to a cluster, else 1.
	Replicas int
	// Lease is for how long a process may be silent before what it holds with undo is
	// given back: from 1 s. 0 is 10 s.
	Lease time.Duration
	// Metrics counts what happens. Nil drops it.
	Metrics Metrics
	// Note gets what a person should know of the connection: that it is lost, or there
	// again. Nil drops it.
	Note func(what string, err error)
	// Wait has [Connect] wait for servers that are away, until its context ends, rather than
	// fail: for a service that may start before them. Note gets the news that it waits. What
	// servers refuse, such as a password, is an error at once.
	Wait bool
	// Domain is the JetStream domain of the servers, where leaf nodes have others. "" is that of
	// the server at the URL.
	Domain string
	// Files, for who has no nats.Option at hand: with NATS credentials, with the seed of
	// an NKey, with the certificates that the servers' must go back to, and with this
	// client's certificate and its key.
	Credentials, NKey, RootCA, Cert, Key string
}

// nats returns the options that stand for o's fields.
func (o *Options) nats() (opts []nats.Option, err error) {
	note := o.Note
	if note == nil {
		note = func(string, error) {}
	}
	opts = []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // else it is our own Close
				note("connection to the servers lost", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { note("connected again to "+c.ConnectedUrlRedacted(), nil) }),
		nats.ErrorHandler(errorNotes(note)),
		nats.ClosedHandler(func(c *nats.Conn) {
			if err := c.LastError(); err != nil {
				note("connection closed", err)
			}
		}),
	}
	if o.Credentials != "" {
		opts = append(opts, nats.UserCredentials(o.Credentials))
	}
	if o.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(o.NKey)
		if err != nil {
			return nil, err
		}
		opts = append(opts, key)
	}
	if o.RootCA != "" {
		opts = append(opts, nats.RootCAs(o.RootCA))
	}
	if o.Cert != "" || o.Key != "" {
		opts = append(opts, nats.ClientCert(o.Cert, o.Key))
	}
	return opts, nil
}

// errorNotes notes errors that no call returns, and what comes again and again once in a row: a
// password that is refused is refused many times.
func errorNotes(note func(string, error)) nats.ErrHandler {
	var mu sync.Mutex
	var last string
	var since time.Time
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err.Error() == last && time.Since(since) < time.Minute {
			return
		}
		last, since = err.Error(), time.Now()
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			note("the servers refuse the connection: trying again", err)
			return
		}
		note("nats", err)
	}
}

// Conn is a connection to a cluster of NATS servers with JetStream. It reconnects by
// itself, for ever. Objects that were opened through it are closed with it. Safe for
// concurrent use.
type Conn struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	api      string // what subjects of JetStream's API begin with
	replicas int
	elects   bool // the servers are several, and one of them leads
	lease    time.Duration
	metrics  Metrics
	refusals refusals
	note     func(what string, err error)
	id       string // of this connection; messages and sessions are numbered under it
	next     atomic.Uint64

	mu      sync.Mutex
	renewed chan struct{} // closed with the next reconnection
	open    map[closer]struct{}
	queues  map[string][]*Queue // those of open, by their streams; the slices are not changed
	buckets map[string]bool     // those that are known to exist
}

type closer interface {
	close(ctx context.Context) error
}

// Connect connects to the servers at url, "nats://HOST:4222" or several with commas
// between. TLS, credentials, NKeys and all else are nats.go's options, such as
// [nats.UserCredentials], [nats.RootCAs] or [nats.InProcessServer].
func Connect(ctx context.Context, url string, opts *Options, natsOpts ...nats.Option) (*Conn, error) {
	if opts == nil {
		opts = &Options{}
	}
	return reach(ctx, url, opts, func() (*Conn, error) { return connect(ctx, url, opts, natsOpts) })
}

// connect tries once.
func connect(ctx context.Context, url string, opts *Options, natsOpts []nats.Option) (*Conn, error) {
	server := object{"server", url}
	c := &Conn{
		replicas: opts.Replicas, lease: opts.Lease, metrics: opts.Metrics, id: nuid.Next(),
		open: map[closer]struct{}{}, queues: map[string][]*Queue{}, buckets: map[string]bool{}, renewed: make(chan struct{}),
	}
	switch {
	case c.lease == 0:
		c.lease = 10 * time.Second
	case c.lease < time.Second:
		return nil, server.refuse("connect to", nil, "a lease of %v: servers count in seconds, so from 1s", c.lease)
	}
	if c.metrics == nil {
		c.metrics = nowhere{}
	}
	if c.note = opts.Note; c.note == nil {
		c.note = func(string, error) {}
	}
	patience := 5 * time.Second
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, max(time.Until(end), time.Millisecond))
	}
	own, err := opts.nats()
	if err != nil {
		return nil, server.fail("connect to", err, "NKey is the file with the seed")
	}
	all := slices.Concat(own, []nats.Option{
		nats.Name("sysvipc"), nats.MaxReconnects(-1), nats.CustomReconnectDelay(backOff), nats.Timeout(patience),
		nats.IgnoreAuthErrorAbort(), // a password that is wrong for a moment is not wrong for ever
		nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
	}, natsOpts)
	nc, err := nats.Connect(url, all...)
	if err != nil {
		hint := ""
		if errors.Is(err, nats.ErrNoServers) {
			hint = "nobody listens there: nats://HOST:PORT of a server that runs is needed, with commas between several"
		}
		return nil, server.fail("connect to", err, hint)
	}
	if v := nc.ConnectedServerVersion(); !newer(v, 12) {
		nc.Close()
		return nil, server.refuse("connect to", errors.ErrUnsupported, "it is NATS %s, and 2.12 or later is needed", v)
	}
	reconnected := nc.Opts.ReconnectedCB
	nc.SetReconnectHandler(func(nc *nats.Conn) {
		c.metrics.Count("reconnects", "", 1)
		c.reconnected()
		if reconnected != nil {
			reconnected(nc)
		}
	})
	failed := nc.ErrorHandler()
	nc.SetErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
		c.refusals.heard(err)
		if failed != nil {
			failed(nc, sub, err)
		}
	})
	c.nc = nc
	if c.api = "$JS.API."; opts.Domain != "" {
		c.api = "$JS." + opts.Domain + ".API."
	}
	if c.js, err = jetstream.NewWithAPIPrefix(nc, strings.TrimSuffix(c.api, ".")); err != nil {
		nc.Close()
		return nil, server.fail("connect to", err, "")
	}
	asking := ctx
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	// Again and again: a cluster that elects does not answer, and nobody answers later for it.
	err = c.Retry(asking, func(ctx context.Context) error { _, err := c.js.AccountInfo(ctx); return err })
	if err != nil {
		nc.Close()
		return nil, server.fail("connect to", err, hintOfNone(opts.Domain))
	}
	c.elects = nc.ConnectedClusterName() != ""
	if c.replicas == 0 {
		c.replicas = 1
		if c.elects {
			c.replicas = 3
		}
	}
	return c, nil
}

// hintOfNone says what to do if JetStream does not answer.
func hintOfNone(domain string) string {
	if domain != "" {
		return fmt.Sprintf("no JetStream of domain %q answers: see jetstream { domain } of the servers", domain)
	}
	return "JetStream does not answer: start the server with -js"
}

// JetStream returns JetStream's API over this connection, and what its subjects begin with.
func (c *Conn) JetStream() (js jetstream.JetStream, prefix string) { return c.js, c.api }

// backOff is how long to wait before all servers are tried again: from 0.1 to 5 s, and not the
// same for all clients.
func backOff(rounds int) time.Duration {
	d := min(100*time.Millisecond<<min(rounds, 10), 5*time.Second)
	return d/2 + rand.N(d)/2
}

// newer reports whether a server's version is at least 2.MINOR. What is not understood is taken
// for new.
func newer(version string, minor int) bool {
	var x, y int
	n, _ := fmt.Sscanf(version, "%d.%d.", &x, &y)
	return n < 2 || x > 2 || x == 2 && y >= minor
}

// Close closes the objects that were opened through it, gives back what they hold with
// undo, and closes the connection.
func (c *Conn) Close(ctx context.Context) error {
	c.mu.Lock()
	var open []closer
	for o := range c.open {
		open = append(open, o)
	}
	c.mu.Unlock()
	ended := make(chan error, len(open))
	for _, o := range open {
		go func() { ended <- o.close(ctx) }()
	}
	var errs []error
	for range open {
		select {
		case err := <-ended:
			errs = append(errs, err)
		case <-ctx.Done():
			c.nc.Close()
			return object{"server", c.nc.ConnectedUrlRedacted()}.cancelled("close", ctx)
		}
	}
	if err := c.nc.FlushWithContext(withDeadline(ctx)); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		errs = append(errs, object{"server", c.nc.ConnectedUrlRedacted()}.fail("close", err, ""))
	}
	c.nc.Close()
	return errors.Join(errs...)
}

// NATS returns the connection below, for what this package does not offer. See also
// [Conn.Retry], [Conn.Reconnection] and [Queue.Stream].
func (c *Conn) NATS() *nats.Conn { return c.nc }

// withDeadline is ctx for calls of nats.go that refuse one without a deadline.
func withDeadline(ctx context.Context) context.Context {
	if _, ok := ctx.Deadline(); ok {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (c *Conn) opened(o closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[o] = struct{}{}
	if q, ok := o.(*Queue); ok {
		c.queues[q.stream] = append(slices.Clone(c.queues[q.stream]), q)
	}
}

func (c *Conn) closed(o closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, o)
	if q, ok := o.(*Queue); ok {
		others := slices.DeleteFunc(slices.Clone(c.queues[q.stream]), func(other *Queue) bool { return other == q })
		if c.queues[q.stream] = others; len(others) == 0 {
			delete(c.queues, q.stream)
		}
	}
}

// wrote notes that a message was stored over this connection, for all who opened the queue.
func (c *Conn) wrote(q *Queue, typ int64) {
	c.mu.Lock()
	same := c.queues[q.stream]
	c.mu.Unlock()
	for _, q := range same {
		q.wrote(typ)
	}
}

func (c *Conn) reconnected() {
	type hearer interface{ reconnected() }
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.renewed)
	c.renewed = make(chan struct{})
	for o := range c.open {
		if h, ok := o.(hearer); ok {
			go h.reconnected()
		}
	}
}

// Reconnection returns a channel that is closed with the next one, which loses what was on
// its way.
func (c *Conn) Reconnection() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renewed
}

// number returns a name that nobody else has given.
func (c *Conn) number() string { return c.id + strconv.FormatUint(c.next.Add(1), 36) }

// attempt is for how long one request waits for its answer before it is made again.
const attempt = 3 * time.Second

// Retry makes a call to the servers until it is answered, for as long as ctx lasts:
// servers restart, and clusters elect leaders. The call must be one that may be repeated. What
// servers go on to answer instead is noted after a while, and is in the error at the end.
func (c *Conn) Retry(ctx context.Context, call func(context.Context) error) error {
	began, pause := time.Now(), 20*time.Millisecond
	noted := false
	for {
		refusals := c.refusals.count()
		once, cancel := context.WithTimeout(ctx, attempt)
		err := call(once)
		cancel()
		if r := c.refusals.since(refusals); r != nil && errors.Is(err, context.DeadlineExceeded) {
			err = errors.Join(err, r) // perhaps therefore
		}
		if err == nil || !transient(err) && (!jserr.Is(err, jserr.ClusterNoPeers) || time.Since(began) > placing) {
			return err
		}
		said := answered(err)
		if said && !noted && time.Since(began) >= attempt {
			noted = true
			c.note("the servers refuse, and are asked again", err)
		}
		wait, stop := context.WithTimeout(ctx, pause)
		<-wait.Done()
		stop()
		switch {
		case ctx.Err() != nil && said:
			return &unanswered{ctx.Err(), err}
		case ctx.Err() != nil:
			return ctx.Err()
		}
		pause = min(2*pause, time.Second)
	}
}

// answered reports whether an error has words of the servers.
func answered(err error) bool {
	return errors.As(err, new(*refused)) || errors.As(err, new(*jetstream.APIError)) || errors.As(err, new(nats.JetStreamError))
}

// unanswered is the end of a call: why it ended, and what the servers had said.
type unanswered struct{ end, said error }

func (u *unanswered) Error() string   { return u.end.Error() + ": the servers said: " + u.said.Error() }
func (u *unanswered) Unwrap() []error { return []error{u.end, u.said} }

// placing is for how long it may take until the servers of a new cluster know one another. Until
// then they find no place for replicas.
const placing = 10 * time.Second

// transient reports whether a call may succeed if it is made again.
func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case jetstream.JSErrCodeJetStreamNotEnabledForAccount, jetstream.JSErrCodeJetStreamNotEnabled,
			jserr.MemoryResourcesExceeded, jserr.StorageResourcesExceeded:
			return false
		case jserr.StreamDuplicateMessageConflict, jserr.ConsumerOffline:
			return true
		}
		return (api.Code == 503 || api.Code == 500) && !isFull(err)
	}
	var older nats.JetStreamError // which watches come from
	if errors.As(err, &older) && older.APIError() != nil {
		return older.APIError().Code == 503 || older.APIError().Code == 500
	}
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, jetstream.ErrConsumerCreationResponseEmpty) // its stream is being removed: the next answer says so
}

// ack is the server's answer to a message that it stores.
type ack struct {
	Error     *jetstream.APIError `json:"error"`
	Seq       uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
}

// store publishes a message to a stream once, and returns when the server has stored it
// as durably as the stream is.
func (c *Conn) store(ctx context.Context, msg *nats.Msg) (ack, error) {
	var a ack
	ctx, done := c.refusals.await(ctx, msg.Subject)
	defer done()
	answer, err := c.nc.RequestMsgWithContext(ctx, msg)
	if err != nil {
		if r, ok := context.Cause(ctx).(*refused); ok {
			return a, r
		}
		return a, err
	}
	if err := json.Unmarshal(answer.Data, &a); err != nil {
		return a, fmt.Errorf("answer %.40q to a message: %w", answer.Data, err)
	}
	if a.Error != nil {
		return a, a.Error
	}
	return a, nil
}
