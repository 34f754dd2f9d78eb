package cluster

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// heartbeat is how often the servers tell a watcher that they live. A server that had one
// and dies is missed after three of them.
const heartbeat = time.Second

// watcher tells what keys hold and of each change, in the order of writing. It ends when it
// misses something, or the servers are silent: then it must be made again, which tells what
// there is now. One that went on from where it was would be deaf if the servers went back.
type watcher struct {
	changes chan *change  // nil: that was all that there is
	closed  chan struct{} // closed when it has ended
	sub     *nats.Subscription
}

// change is what was written to a key.
type change struct {
	key      string
	data     []byte
	revision uint64
	gone     bool
	expired  bool // gone, and the mark of that stays for markerTime
	last     bool // no other one was written before the servers sent this
}

// watch begins to watch keys. After the end of ctx it tells no more, but is to be stopped.
func (c *Conn) watch(ctx context.Context, keys ...string) (*watcher, error) {
	w := &watcher{changes: make(chan *change, 256), closed: make(chan struct{})}
	end := sync.OnceFunc(func() { close(w.closed) })
	say := func(e *change) {
		select {
		case w.changes <- e:
		case <-ctx.Done():
		}
	}
	complete := sync.OnceFunc(func() { say(nil) })
	config := jetstream.ConsumerConfig{
		DeliverSubject: c.nc.NewInbox(), DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
		MaxDeliver: 1, IdleHeartbeat: heartbeat, FlowControl: true, InactiveThreshold: 5 * time.Minute, Replicas: 1, MemoryStorage: true,
	}
	for _, key := range keys {
		config.FilterSubjects = append(config.FilterSubjects, bucketPrefix+key)
	}
	silence := time.AfterFunc(attempt+3*heartbeat, end)
	begun := make(chan struct{})
	heard := uint64(0) // messages
	var err error
	w.sub, err = c.nc.Subscribe(config.DeliverSubject, func(m *nats.Msg) {
		<-begun
		silence.Reset(3 * heartbeat)
		if m.Header.Get("Status") == "100" {
			if m.Reply != "" { // they ask whether all has come
				m.Respond(nil)
			}
			if stalled := m.Header.Get("Nats-Consumer-Stalled"); stalled != "" {
				c.nc.Publish(stalled, nil)
			}
			if sent, err := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64); err == nil && sent != heard {
				end()
			}
			return
		}
		meta, err := m.Metadata()
		if heard++; err != nil || meta.Sequence.Consumer != heard {
			end()
			return
		}
		expired := m.Header.Get(jetstream.MarkerReasonHeader) != ""
		say(&change{
			key: m.Subject[len(bucketPrefix):], data: m.Data, revision: meta.Sequence.Stream,
			gone: expired || m.Header.Get(operationHeader) != "", expired: expired, last: meta.NumPending == 0,
		})
		if meta.NumPending == 0 {
			complete()
		}
	})
	if err != nil {
		return nil, err
	}
	defer close(begun)
	w.sub.SetPendingLimits(-1, -1)
	limited, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	consumer, err := c.js.CreateOrUpdatePushConsumer(limited, bucketStream, config)
	if err != nil {
		silence.Stop()
		w.sub.Unsubscribe()
		return nil, err
	}
	if info := consumer.CachedInfo(); info.NumPending == 0 && info.Delivered.Consumer == 0 {
		complete()
	}
	name := consumer.CachedInfo().Name
	context.AfterFunc(ctx, func() {
		silence.Stop()
		limited, cancel := context.WithTimeout(context.Background(), attempt)
		defer cancel()
		c.js.DeleteConsumer(limited, bucketStream, name)
	})
	return w, nil
}

// stop ends it.
func (w *watcher) stop() { w.sub.Unsubscribe() }
