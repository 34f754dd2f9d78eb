package structure

import (
	"context"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// A Topic without its type. The protocol is that of model/topic.pml, in its form FIXED: a
// message has a position, counted from 0, and lies in cell position mod N. All below tail
// is published. All below intent may have been written, or is being written by the process that
// holds the lock: so what is at position p is whole if, after it was copied, intent is not
// beyond p+N. Intent never goes back, since a publisher that was killed may have written up
// to its own (I13). Each message keeps its position, so that a subscriber who counts
// positions knows how many it has lost, also over the death of a publisher.
//
// After the head come two events, of N messages and of a gate that has moved; then the
// gates, then the cells. The parameters are a message's size, N, and the number of gates.
type topicHead struct {
	_      structs.HostLayout
	lock   core.Node // of the publisher
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

type Topic struct {
	core.Structure
	size       uintptr // of a message
	stride     uint64  // of a cell
	mask       uint64  // N-1
	count      uint64  // of gates
	news       uint64  // the event for which subscribers wait
	room       uint64  // the event for which publishers wait
	gates      uint64  // offset of the first gate
	start      uint64  // offset of the first cell
	local      chan struct{}
	spins      bool
	publishing core.Spinner // of this process's publishers
}

// topicStride is a cell's length: messages that are smaller than a line share one, but do
// not lie on two.
func topicStride(size uint64) uint64 {
	if size <= core.Line {
		return core.PowerOfTwo(core.RoundUp(size, 8))
	}
	return core.RoundUp(size, core.Line)
}

func topicSize(r *core.Region, params [4]uint64) uint64 {
	return topicHeadSize + 2*core.RoundUp(r.EventSize(), core.Line) + params[2]*gateLen + params[1]*topicStride(params[0])
}

// DeclareTopic finds the topic, or makes it: it keeps the last messages, capacity of them.
func DeclareTopic(r *core.Region, name string, s shape.Shape, capacity int) (*Topic, error) {
	if capacity < 1 || capacity > maxCapacity {
		return nil, fmt.Errorf("shared: topic %q: a capacity of %d: use 1 to %d", name, capacity, maxCapacity)
	}
	if s.Size > maxMessage {
		return nil, fmt.Errorf("shared: topic %q: a message of %d bytes: at most %d", name, s.Size, maxMessage)
	}
	params := [4]uint64{uint64(s.Size), core.PowerOfTwo(uint64(max(capacity, minTopic))), uint64(r.Config.Slots)}
	t, err := r.Declare(context.Background(), core.Declaration{
		Kind: KindTopic, Name: name, Shape: s, Size: topicSize(r, params), Params: params,
		Init: func(v *core.View, t core.Structure) { (*topicHead)(v.At(t.Offset)).lock.Kind = core.RobustShared },
	})
	if err != nil {
		return nil, err
	}
	c, ok := TopicOf(t)
	if !ok {
		return nil, fmt.Errorf("shared: topic %q in region %q: %w: its sizes do not fit", name, r.Name, core.ErrCorrupt)
	}
	return c, nil
}

// TopicOf returns the topic that lies in t, if what its entry says can be true.
func TopicOf(t core.Structure) (*Topic, bool) {
	size, capacity, gates := t.Params[0], t.Params[1], t.Params[2]
	if size == 0 || size > maxMessage || capacity < minTopic || capacity > maxCapacity || capacity != core.PowerOfTwo(capacity) || gates > 1<<20 {
		return nil, false
	}
	r := t.Region
	c := &Topic{Structure: t, size: uintptr(size), stride: topicStride(size), mask: capacity - 1, count: gates, news: t.Offset + topicHeadSize}
	c.room = c.news + core.RoundUp(r.EventSize(), core.Line)
	c.gates = c.room + core.RoundUp(r.EventSize(), core.Line)
	c.start = c.gates + gates*gateLen
	c.local, c.spins = r.LocalLock(t.Offset), core.ManyProcessors()
	return c, topicSize(r, t.Params) == t.Size
}

func (c *Topic) head(v *core.View) *topicHead { return (*topicHead)(v.At(c.Offset)) }

// cell returns where the message of position p lies: inside whatever p is.
func (c *Topic) cell(v *core.View, p uint64) unsafe.Pointer { return v.At(c.start + p&c.mask*c.stride) }

// Cap returns how many of the last messages are kept.
func (c *Topic) Cap() int { return int(c.mask + 1) }

// Batch is how many messages may be published at once.
func (c *Topic) Batch() uint64 { return (c.mask + 1) / 4 }

// beyond reports whether position a is beyond b.
func beyond(a, b uint64) bool { return int64(a-b) > 0 }

// Publish publishes n messages, which lie one after the other at from. No lock is held
// while it waits for gates: others may try meanwhile.
func (c *Topic) Publish(ctx context.Context, from core.Value, n uint64) error {
	if from.Size != uintptr(n)*c.size {
		return c.damage()
	}
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	lock := &c.head(v).lock
	for {
		g, _, err := c.Region.Lock(ctx, v, lock, c.local)
		if err != nil {
			return fmt.Errorf("shared: publish to topic %q: %w", c.Name, err)
		}
		p := c.intend(v, n)
		open := c.open(v, p+n)
		if open {
			c.fill(v, p, from.At, n)
			c.commit(v, p+n)
		}
		g.Unlock(lock)
		if open {
			c.Region.Notify(v, c.news)
			return nil
		}
		if err := c.awaitGates(ctx, v, p+n); err != nil {
			return err
		}
	}
}

// intend says where the next n messages come (T2, T3). The lock is held, as in all steps.
func (c *Topic) intend(v *core.View, n uint64) (p uint64) {
	h := c.head(v)
	p = atomic.LoadUint64(&h.tail)
	if beyond(p+n, atomic.LoadUint64(&h.intent)) {
		atomic.StoreUint64(&h.intent, p+n)
	}
	return p
}

// fill writes messages into their cells (T4).
func (c *Topic) fill(v *core.View, p uint64, from unsafe.Pointer, n uint64) {
	for i := range n {
		core.CopyIn(c.cell(v, p+i), unsafe.Add(from, uintptr(i)*c.size), c.size)
	}
}

// commit publishes what is below end (T6).
func (c *Topic) commit(v *core.View, end uint64) {
	core.RaceReleaseMerge(c.local)
	atomic.StoreUint64(&c.head(v).tail, end)
}

// Published returns tail.
func (c *Topic) Published() (uint64, error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	tail := atomic.LoadUint64(&c.head(v).tail)
	return tail, c.Structure.Open(v)
}

// Latest copies the newest message.
func (c *Topic) Latest(to core.Value) (bool, error) {
	v, err := c.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	h := c.head(v)
	for {
		tail := atomic.LoadUint64(&h.tail)
		core.CopyOut(to.At, c.cell(v, tail-1), c.size)
		intent := atomic.LoadUint64(&h.intent)
		switch {
		case c.Region.View.Load() != v:
			return false, c.Region.Closed()
		case tail == 0:
			return false, nil
		case !beyond(intent, tail+c.mask):
			core.RaceAcquire(c.local)
			return true, nil
		case atomic.LoadUint64(&h.tail) == tail: // an honest intent is not far beyond tail
			return false, c.damage()
		}
	}
}

func (c *Topic) damage() error {
	return fmt.Errorf("shared: topic %q in region %q: %w: its positions do not fit", c.Name, c.Region.Name, core.ErrCorrupt)
}
