package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
)

var errNoStream = jetstream.ErrStreamNotFound

// relist is after what time a receiver that waits for more than one type asks which
// there are: hints may be lost, and there is none of a receiver's death.
const relist = 3 * time.Second

// takeFirst takes the first message of several types. The consumers know only one type
// each, so it first finds out which type is next, and then asks for one of that.
func (q *Queue) takeFirst(ctx context.Context, s selection, n int, wait bool) (*item, error) {
	if err := q.listen(); err != nil {
		return nil, err
	}
	for {
		q.mu.Lock()
		news, known := q.news, q.known
		q.mu.Unlock()
		if !known {
			if err := q.list(ctx); err != nil {
				return nil, err
			}
		}
		it, err := q.look(ctx, s, n)
		if it != nil || err != nil {
			return it, err
		}
		if !wait {
			// What is known comes from hints, which may be late.
			if err := q.list(ctx); err != nil {
				return nil, err
			}
			return q.look(ctx, s, n)
		}
		if len(q.candidates(s)) > 0 {
			continue // they came meanwhile
		}
		timer := time.NewTimer(relist)
		select {
		case <-news:
		case <-timer.C:
			q.forget()
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// look takes the first message of those that there are now, or none.
func (q *Queue) look(ctx context.Context, s selection, n int) (it *item, err error) {
	q.mu.Lock()
	q.looking++ // nothing goes back while messages are compared
	era := q.era
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.looking--
		if it != nil && q.era != era { // some of them were not asked
			c := q.consumer(it.typ)
			c.items = slices.Insert(c.items, 0, it)
			it = nil
			q.wakeLocked()
		}
	}()
	types := q.candidates(s)
	if s.lowest && (len(types) == 0 || types[0] > s.from) {
		// A lower type may have come from another client whose hint is late.
		if err := q.list(ctx); err != nil {
			return nil, err
		}
		types = q.candidates(s)
	}
	if n == 1 && len(types) > 1 && !s.lowest {
		it, err = q.walk(ctx, s)
	}
	if it == nil && err == nil {
		it, err = q.probe(ctx, s, types, n)
	}
	return it, err
}

// listen begins to hear of messages that come.
func (q *Queue) listen() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done {
		return errClosed
	}
	if q.hints != nil {
		return nil
	}
	var err error
	q.hints, err = q.conn.nc.Subscribe(q.hint("h")+".*", func(m *nats.Msg) {
		typ, ok := q.typeOf(m.Subject)
		q.mu.Lock()
		defer q.mu.Unlock()
		// If it is known to have messages, nobody waits for it: who does has found it empty
		// before, and marked it so.
		if ok {
			q.heard(typ)
		}
	})
	return err
}

// heard notes that there may be messages of a type.
func (q *Queue) heard(typ int64) {
	known := q.may[typ] > 0
	q.may[typ] = q.clock()
	if !known {
		q.tell()
	}
}

// tell has receivers of several types look again.
func (q *Queue) tell() {
	close(q.news)
	q.news = make(chan struct{})
}

// wrote notes that a message of this client was stored, or given back: its receivers do not wait
// for the hint, and do not take for empty what was found so before.
func (q *Queue) wrote(typ int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.hints != nil {
		q.heard(typ)
	}
	if c := q.consumers[typ]; c != nil {
		c.wrote = q.clock()
	}
}

// clock counts what happens on this queue in this process, which is compared by it.
func (q *Queue) clock() uint64 {
	q.ticks++
	return q.ticks
}

func (q *Queue) wakeLocked() {
	q.tell()
	for _, c := range q.consumers {
		c.change()
	}
}

// reconnected forgets what may have changed meanwhile.
func (q *Queue) reconnected() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.renew()
}

func (q *Queue) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.known = false
}

// list asks the servers which types there are.
func (q *Queue) list(ctx context.Context) error {
	q.mu.Lock()
	asked := q.clock()
	q.mu.Unlock()
	types, err := q.Types(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.known = false
		q.wakeLocked()
		if errors.Is(err, sysvipc.ErrRemoved) {
			return errNoStream
		}
		return err
	}
	for typ, at := range q.may {
		if _, there := types[typ]; !there && at < asked { // what was heard of meanwhile counts as well
			delete(q.may, typ)
		}
	}
	q.known = true
	for typ := range types {
		q.heard(typ)
	}
	return nil
}

// candidates returns the selected types that may have messages for us, in order.
func (q *Queue) candidates(s selection) (types []int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for typ := range q.may {
		if c := q.consumers[typ]; s.has(typ) && (c == nil || !c.waits()) {
			types = append(types, typ)
		}
	}
	for typ, c := range q.consumers {
		if len(c.items) > 0 && s.has(typ) && q.may[typ] == 0 {
			types = append(types, typ)
		}
	}
	slices.Sort(types)
	return types
}

// probe asks for messages of each of these types, and takes the first of those that come. The
// lowest type is asked for alone, since the others would come in vain.
func (q *Queue) probe(ctx context.Context, s selection, types []int64, n int) (*item, error) {
	q.mu.Lock()
	since := q.clock()
	q.mu.Unlock()
	for {
		it, open := q.choose(s, types, n, since)
		if len(open) == 0 {
			return it, nil
		}
		if err := q.fill(ctx, open, n, since); err != nil {
			return nil, err
		}
	}
}

// choose takes the first message of these types, if it is known of each what comes first. Else it
// returns those of which it is not.
func (q *Queue) choose(s selection, types []int64, n int, since uint64) (it *item, open []int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var from *consumer
	for _, typ := range types {
		c := q.consumer(typ)
		switch {
		case !c.settled(since):
			open = append(open, typ)
		case len(c.items) > 0 && (from == nil || s.before(c.items[0], from.items[0])):
			from = c
		}
		if s.lowest && (from != nil || len(open) > 0) {
			break
		}
	}
	if from == nil || len(open) > 0 {
		return nil, open
	}
	it = from.take()
	from.prefetch(n)
	return it, nil
}

// fill waits until it is known of each of the types what comes first. It asks for all at once.
func (q *Queue) fill(ctx context.Context, types []int64, n int, since uint64) error {
	for _, typ := range types {
		if err := q.ofType(typ).make(ctx); err != nil {
			return err
		}
	}
	q.mu.Lock()
	for _, typ := range types {
		if c := q.consumer(typ); !c.settled(since) && c.asked <= since {
			if err := c.ask(n, 0); err != nil {
				q.mu.Unlock()
				return err
			}
		}
	}
	q.mu.Unlock()
	for _, typ := range types {
		if err := q.ofType(typ).settle(ctx, n, since); err != nil {
			return err
		}
	}
	return nil
}
