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
		news, known := q.news, q.may != nil
		q.mu.Unlock()
		if !known {
			if err := q.list(ctx); err != nil {
				return nil, err
			}
		}
		it, err := q.look(ctx, s, n, false)
		if it != nil || err != nil {
			return it, err
		}
		if !wait {
			// What is known comes from hints, which may be late.
			if err := q.list(ctx); err != nil {
				return nil, err
			}
			return q.look(ctx, s, n, true)
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

// look takes the first message of those that there are now, or none. With sure it does not
// overlook the only one.
func (q *Queue) look(ctx context.Context, s selection, n int, sure bool) (it *item, err error) {
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
		// A lower type may have come whose hint is late.
		if err := q.list(ctx); err != nil {
			return nil, err
		}
		types = q.candidates(s)
	}
	if n == 1 && len(types) > 1 && !s.lowest {
		it, err = q.walk(ctx, s)
	}
	if it == nil && err == nil {
		it, err = q.probe(ctx, s, types, n, sure)
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
		if ok && q.may != nil && !q.may[typ] {
			q.may[typ] = true
			q.wakeLocked()
		}
	})
	return err
}

func (q *Queue) wakeLocked() {
	close(q.news)
	q.news = make(chan struct{})
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
	q.may = nil
}

// list asks the servers which types there are.
func (q *Queue) list(ctx context.Context) error {
	// What comes while it asks is heard of: it counts as well.
	q.mu.Lock()
	q.may = map[int64]bool{}
	q.mu.Unlock()
	types, err := q.Types(ctx)
	if err != nil {
		q.mu.Lock()
		q.may = nil
		q.wakeLocked()
		q.mu.Unlock()
		if errors.Is(err, sysvipc.ErrRemoved) {
			return errNoStream
		}
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.may == nil {
		q.may = map[int64]bool{}
	}
	fresh := false
	for typ := range types {
		fresh = fresh || !q.may[typ]
		q.may[typ] = true
	}
	if fresh {
		q.wakeLocked() // others who wait have seen the list while it was empty
	}
	return nil
}

// candidates returns the selected types that may have messages, in order.
func (q *Queue) candidates(s selection) (types []int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for typ, yes := range q.may {
		if yes && s.has(typ) {
			types = append(types, typ)
		}
	}
	for typ, c := range q.consumers {
		if len(c.items) > 0 && s.has(typ) && !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	slices.Sort(types)
	return types
}

// probe asks for messages of each of these types, and returns the first of those that
// come. The lowest type is asked for alone, since the others would come in vain.
func (q *Queue) probe(ctx context.Context, s selection, types []int64, n int, sure bool) (*item, error) {
	if s.lowest {
		for _, typ := range types {
			if err := q.fill(ctx, []int64{typ}, n, true); err != nil {
				return nil, err
			}
			upTo := s
			upTo.to = typ // a message of a higher type may be here already
			if it := q.best(upTo, n); it != nil {
				return it, nil
			}
		}
		return nil, nil
	}
	if err := q.fill(ctx, types, n, sure || len(types) > 1); err != nil {
		return nil, err
	}
	return q.best(s, n), nil
}

// fill waits until each of the types has a message here, or none for us. With sure it overlooks
// none.
func (q *Queue) fill(ctx context.Context, types []int64, n int, sure bool) error {
	for _, typ := range types {
		if err := q.ofType(typ).make(ctx); err != nil {
			return err
		}
	}
	var asked []*consumer
	barred := map[*consumer]bool{}
	q.mu.Lock()
	for _, typ := range types {
		c := q.consumer(typ)
		if len(c.items) > 0 {
			continue
		}
		q.doubt(typ, false) // if one comes from now on, it is heard of
		if c.waits() {
			continue // another receiver waits for this type alone, and is served first
		}
		if err := c.ask(n, 0); err != nil {
			q.mu.Unlock()
			return err
		}
		barred[c] = c.pull == pullBarred
		asked = append(asked, c)
	}
	q.mu.Unlock()
	for _, c := range asked {
		for checked := !sure; ; {
			q.mu.Lock()
			if barred[c] && c.pull != pullBarred {
				barred[c] = false
				c.ask(n, 0)
			}
			ready, empty, changed := len(c.items) > 0 || c.idle(), len(c.items) == 0 && c.pull == pullEmpty && c.made, c.changed
			if len(c.items) > 0 {
				q.doubt(c.typ, true) // there may be more
			}
			q.mu.Unlock()
			if empty && !checked {
				checked = true
				late, err := c.overlooked(ctx)
				if err != nil {
					return err
				}
				if late {
					q.mu.Lock()
					c.ask(n, overlookedWait)
					q.mu.Unlock()
					continue
				}
			}
			if ready {
				break
			}
			timer := time.NewTimer(2 * time.Second)
			select {
			case <-changed:
			case <-timer.C:
				q.mu.Lock()
				c.abandon()
				q.may = nil
				q.mu.Unlock()
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
			timer.Stop()
		}
	}
	return nil
}

// doubt notes whether a type may have messages.
func (q *Queue) doubt(typ int64, may bool) {
	if q.may != nil {
		q.may[typ] = may
	}
}

// best takes the first of the messages that are here.
func (q *Queue) best(s selection, n int) *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	var from *consumer
	for typ, c := range q.consumers {
		if len(c.items) > 0 && s.has(typ) && (from == nil || s.before(c.items[0], from.items[0])) {
			from = c
		}
	}
	if from == nil {
		return nil
	}
	it := from.take()
	from.prefetch(n)
	return it
}
