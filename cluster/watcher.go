package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// heartbeat is how often the servers tell a watcher that they live. A server that had one
// and dies is missed after two to four of them.
const heartbeat = time.Second

// watcher tells what keys hold and of each change, in the order of writing. It is made
// anew by the servers' client if the one of them that has it dies; nats.go's own watcher of
// a bucket is the same, but finds that out after 10 to 20 s.
type watcher struct {
	changes chan *change  // nil: that was all that there is
	closed  chan struct{} // closed when the client has given up
	sub     *nats.Subscription
}

// change is what was written to a key.
type change struct {
	key      string
	data     []byte
	revision uint64
	gone     bool
	last     bool // no other one was written before the servers sent this
}

// watch begins to watch keys. After the end of ctx it tells no more, but is to be stopped.
func (c *Conn) watch(ctx context.Context, keys ...string) (*watcher, error) {
	js, err := c.nc.JetStream(nats.MaxWait(attempt))
	if err != nil {
		return nil, err
	}
	w := &watcher{changes: make(chan *change, 256), closed: make(chan struct{})}
	say := func(e *change) {
		select {
		case w.changes <- e:
		case <-ctx.Done():
		}
	}
	complete := sync.OnceFunc(func() { say(nil) })
	begun := make(chan struct{})
	subjects := make([]string, len(keys))
	for i, key := range keys {
		subjects[i] = bucketPrefix + key
	}
	w.sub, err = js.Subscribe("", func(m *nats.Msg) {
		<-begun
		meta, err := m.Metadata()
		if err != nil {
			return
		}
		say(&change{
			key: m.Subject[len(bucketPrefix):], data: m.Data, revision: meta.Sequence.Stream,
			gone: m.Header.Get(operationHeader) != "" || m.Header.Get(jetstream.MarkerReasonHeader) != "",
			last: meta.NumPending == 0,
		})
		if meta.NumPending == 0 {
			complete()
		}
	}, nats.BindStream(bucketStream), nats.OrderedConsumer(), nats.DeliverLastPerSubject(), nats.IdleHeartbeat(heartbeat),
		nats.ConsumerFilterSubjects(subjects...))
	if err != nil {
		return nil, err
	}
	w.sub.SetClosedHandler(func(string) { close(w.closed) })
	if n, err := w.sub.InitialConsumerPending(); err == nil && n == 0 {
		complete()
	}
	close(begun)
	return w, nil
}

// stop ends it, which asks the server, who may not answer.
func (w *watcher) stop() { go w.sub.Unsubscribe() }
