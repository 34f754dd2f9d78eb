package shared

import (
	"context"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"
)

// A Topic without its type. The protocol is that of model/topic.pml, in its form FIXED: a
// message has a position, counted from 0, and lies in cell position mod N. All below tail
// is published. All below intent may have been written, or is being written by whoever
// holds the lock: so what is at position p is whole if, after it was copied, intent is not
// beyond p+N. Intent never goes back, since a publisher that was killed may have written up
// to its own (I13). Each message keeps its position, so that a subscriber who counts
// positions knows how many it has lost, also over the death of a publisher.
//
// After the head come two events, of N messages and of a gate that has moved; then the
// gates, then the cells. The parameters are a message's size, N, and the number of gates.
type topicHead struct {
	_      structs.HostLayout
	lock   node // of the publisher
	_      [24]byte
	intent uint64
	tail   uint64
	_      [48]byte
	gates  uint32 // the gates from this one on were never taken
	_      [60]byte
}

const (
	topicHeadSize = 192
	minTopic      = 4 // a batch of a quarter has one message
)

type topic struct {
	thing
	size   uintptr // of a message
	stride uint64  // of a cell
	mask   uint64  // N-1
	count  uint64  // of gates
	news   uint64  // the event for which subscribers wait
	room   uint64  // the event for which publishers wait
	gates  uint64  // offset of the first gate
	start  uint64  // offset of the first cell
	local  chan struct{}
	spins  bool
	eager  eagerness // of this process's publishers
}

// topicStride is a cell's length: messages that are smaller than a line share one, but do
// not lie on two.
func topicStride(size uint64) uint64 {
	if size <= line {
		return powerOfTwo(roundUp(size, 8))
	}
	return roundUp(size, line)
}

func topicSize(r *Region, params [4]uint64) uint64 {
	return topicHeadSize + 2*roundUp(r.eventSize(), line) + params[2]*gateLen + params[1]*topicStride(params[0])
}

// topicOf returns the topic that lies in t, if what its entry says can be true.
func topicOf(t thing) (*topic, bool) {
	size, capacity, gates := t.params[0], t.params[1], t.params[2]
	if size == 0 || size > maxMessage || capacity < minTopic || capacity > maxCapacity || capacity != powerOfTwo(capacity) || gates > 1<<20 {
		return nil, false
	}
	r := t.region
	c := &topic{thing: t, size: uintptr(size), stride: topicStride(size), mask: capacity - 1, count: gates, news: t.offset + topicHeadSize}
	c.room = c.news + roundUp(r.eventSize(), line)
	c.gates = c.room + roundUp(r.eventSize(), line)
	c.start = c.gates + gates*gateLen
	c.local, c.spins = r.localLock(t.offset), manyProcessors()
	return c, topicSize(r, t.params) == t.size
}

func (c *topic) head(v *view) *topicHead { return (*topicHead)(v.at(c.offset)) }

// cell returns where the message of position p lies: inside whatever p is.
func (c *topic) cell(v *view, p uint64) unsafe.Pointer { return v.at(c.start + p&c.mask*c.stride) }

// batch is how many messages may be published at once.
func (c *topic) batch() uint64 { return (c.mask + 1) / 4 }

// beyond reports whether position a is beyond b.
func beyond(a, b uint64) bool { return int64(a-b) > 0 }

// publish publishes n messages, which lie one after the other at from. No lock is held
// while it waits for gates: others may try meanwhile.
func (c *topic) publish(ctx context.Context, from unsafe.Pointer, n uint64) error {
	v, err := c.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	lock := &c.head(v).lock
	for {
		g, _, err := c.region.lock(ctx, v, lock, c.local)
		if err != nil {
			return fmt.Errorf("shared: publish to topic %q: %w", c.name, err)
		}
		p := c.intend(v, n)
		open := c.open(v, p+n)
		if open {
			c.fill(v, p, from, n)
			c.commit(v, p+n)
		}
		g.unlock(lock)
		if open {
			c.region.notify(v, c.news)
			return nil
		}
		if err := c.awaitGates(ctx, v, p+n); err != nil {
			return err
		}
	}
}

// intend says where the next n messages come (T2, T3). The lock is held, as in all steps.
func (c *topic) intend(v *view, n uint64) (p uint64) {
	h := c.head(v)
	p = atomic.LoadUint64(&h.tail)
	if beyond(p+n, atomic.LoadUint64(&h.intent)) {
		atomic.StoreUint64(&h.intent, p+n)
	}
	return p
}

// fill writes messages into their cells (T4).
func (c *topic) fill(v *view, p uint64, from unsafe.Pointer, n uint64) {
	for i := range n {
		copyIn(c.cell(v, p+i), unsafe.Add(from, uintptr(i)*c.size), c.size)
	}
}

// commit publishes what is below end (T6).
func (c *topic) commit(v *view, end uint64) {
	raceReleaseMerge(c.local)
	atomic.StoreUint64(&c.head(v).tail, end)
}

// published returns tail.
func (c *topic) published(v *view) (uint64, error) {
	tail := atomic.LoadUint64(&c.head(v).tail)
	return tail, c.thing.open(v)
}

// latest copies the newest message.
func (c *topic) latest(v *view, to unsafe.Pointer) (bool, error) {
	h := c.head(v)
	for {
		tail := atomic.LoadUint64(&h.tail)
		copyOut(to, c.cell(v, tail-1), c.size)
		intent := atomic.LoadUint64(&h.intent)
		switch {
		case c.region.view.Load() != v:
			return false, c.region.closed()
		case tail == 0:
			return false, nil
		case !beyond(intent, tail+c.mask):
			raceAcquire(c.local)
			return true, nil
		case atomic.LoadUint64(&h.tail) == tail: // an honest intent is not far beyond tail
			return false, c.damage()
		}
	}
}

func (c *topic) damage() error {
	return fmt.Errorf("shared: topic %q in region %q: %w: its positions do not fit", c.name, c.region.name, errCorrupt)
}
