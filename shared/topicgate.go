package shared

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"structs"
	"sync"
	"sync/atomic"
	"unsafe"
)

// gate is where a gated subscription says how far it is. It is taken by the owner's name,
// so that it is never nobody's while it holds publishers up.
type gate struct {
	_      structs.HostLayout
	owner  uint64 // the participant who subscribed; 0 is free
	joined uint64 // whether publishers wait for it
	cursor uint64 // the next message that it takes
	_      [40]byte
}

const gateLen = 64

func (c *topic) gate(v *view, i uint64) *gate { return (*gate)(v.at(c.gates + i*gateLen)) }

// open reports whether no gate is in the way of filling up to end: whether each has gone
// beyond the messages that are overwritten by it.
func (c *topic) open(v *view, end uint64) bool {
	for i := range min(uint64(atomic.LoadUint32(&c.head(v).gates)), c.count) {
		g := c.gate(v, i)
		if atomic.LoadUint64(&g.joined) != 0 && beyond(end, atomic.LoadUint64(&g.cursor)+c.mask+1) {
			return false
		}
	}
	return true
}

// awaitGates returns when the gates are open up to end.
func (c *topic) awaitGates(ctx context.Context, v *view, end uint64) error {
	if spin(c.spins, &c.eager, func() bool { return c.open(v, end) }) {
		return nil
	}
	err := c.region.wait(ctx, v, c.room, func() bool { return c.open(v, end) })
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return fmt.Errorf("shared: publish to topic %q: a gated subscriber has not taken what is in the way: %w", c.name, cause)
	}
	return err
}

// subscriber is a Subscription without its type.
type subscriber struct {
	topic  *topic
	next   uint64 // position of the next message
	behind uint64 // messages lost since the last one that was taken
	missed uint64 // messages lost in all
	gate   uint64 // number of its gate; math.MaxUint64 if it is lossy
	ended  atomic.Bool
	mu     sync.Mutex // held to write to the gate: after Close it is somebody else's
	keen   eagerness
}

func (s *subscriber) gated() bool { return s.gate != math.MaxUint64 }

// join takes a gate and places it at the end of what is published (J in the model).
func (s *subscriber) join(v *view) error {
	c := s.topic
	r, h := c.region, c.head(v)
	for again := range 2 {
		for i := range c.count {
			g := c.gate(v, i)
			if atomic.LoadUint64(&g.owner) != 0 || !atomic.CompareAndSwapUint64(&g.owner, 0, uint64(r.id)) {
				continue
			}
			for upTo := atomic.LoadUint32(&h.gates); uint64(upTo) <= i; upTo = atomic.LoadUint32(&h.gates) {
				atomic.CompareAndSwapUint32(&h.gates, upTo, uint32(i)+1)
			}
			s.gate = i
			for range patience {
				s.next = atomic.LoadUint64(&h.tail)
				atomic.StoreUint64(&g.cursor, s.next)
				atomic.StoreUint64(&g.joined, 1)
				if !beyond(atomic.LoadUint64(&h.intent), s.next+c.mask+1) {
					return c.thing.open(v)
				}
			}
			s.release(v)
			return c.damage()
		}
		if again > 0 || !r.reapDead(v) {
			break
		}
	}
	return fmt.Errorf("shared: topic %q: all %d gated subscriptions are taken (make the region with more Participants)", c.name, c.count)
}

// take copies the next message to to, if there is one.
func (s *subscriber) take(v *view, to unsafe.Pointer) (lost uint64, how outcome) {
	c := s.topic
	h := c.head(v)
	for {
		if s.ended.Load() {
			return 0, ended
		}
		tail := atomic.LoadUint64(&h.tail)
		if !beyond(tail, s.next) {
			if tail == s.next {
				return 0, blocked
			}
			return 0, damaged
		}
		copyOut(to, c.cell(v, s.next), c.size)
		// What is behind a gate cannot be overrun, though a publisher may intend it.
		if intent := atomic.LoadUint64(&h.intent); !s.gated() && beyond(intent, s.next+c.mask+1) {
			// Overrun: it goes on halfway between the oldest and the newest, so that it
			// is not overrun again at once.
			half := atomic.LoadUint64(&h.tail) - (c.mask+1)/2
			if !beyond(half, s.next) {
				return 0, damaged
			}
			s.behind += half - s.next
			s.next = half
			continue
		}
		if c.region.view.Load() != v {
			return 0, gone
		}
		raceAcquire(c.local)
		lost, s.behind = s.behind, 0
		s.missed += lost
		s.next++
		if s.gated() {
			s.advance(v)
		}
		return lost, done
	}
}

// advance says that the message before next is taken.
func (s *subscriber) advance(v *view) {
	s.mu.Lock()
	if !s.ended.Load() {
		atomic.StoreUint64(&s.topic.gate(v, s.gate).cursor, s.next)
	}
	s.mu.Unlock()
	s.topic.region.notify(v, s.topic.room)
}

// retry makes something of a try that has not succeeded: nil says that another may.
func (s *subscriber) retry(ctx context.Context, v *view, how outcome) error {
	c := s.topic
	if err := c.thing.open(v); err != nil {
		return err
	}
	switch how {
	case blocked:
		return s.await(ctx, v)
	case ended:
		return fmt.Errorf("shared: subscription to topic %q: %w", c.name, fs.ErrClosed)
	}
	return c.damage()
}

// await returns when it is worth another try.
func (s *subscriber) await(ctx context.Context, v *view) error {
	c := s.topic
	tail := &c.head(v).tail
	ready := func() bool { return atomic.LoadUint64(tail) != s.next || s.ended.Load() }
	if spin(c.spins, &s.keen, ready) {
		return nil
	}
	err := c.region.wait(ctx, v, c.news, ready)
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return fmt.Errorf("shared: subscription to topic %q: %w", c.name, cause)
	}
	return err
}

// close ends the subscription, and wakes who waits in it.
func (s *subscriber) close() error {
	c := s.topic
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Swap(true) {
		return fmt.Errorf("shared: subscription to topic %q: %w", c.name, fs.ErrClosed)
	}
	v := c.region.view.Load()
	if v == nil {
		return nil // the region's Close has closed it
	}
	defer v.done()
	s.release(v)
	c.region.bell.wake(c.news, nil)
	c.region.ring(v, c.region.slot)
	return nil
}

// release gives the gate back.
func (s *subscriber) release(v *view) {
	if s.gated() {
		g := s.topic.gate(v, s.gate)
		if atomic.LoadUint64(&g.owner) == uint64(s.topic.region.id) {
			g.free()
		}
		s.topic.region.notify(v, s.topic.room)
	}
}

// free lets publishers pass, and then the next subscription take the gate.
func (g *gate) free() {
	atomic.StoreUint64(&g.joined, 0)
	atomic.StoreUint64(&g.owner, 0)
}

// repairTopic opens the gates of a participant that is dead. A dead publisher has left
// nothing to repair; the alarm that follows wakes whom it has not woken.
func repairTopic(r *Region, v *view, t thing, dead owner) {
	c, ok := topicOf(t)
	if !ok {
		return
	}
	for i := range c.count {
		if g := c.gate(v, i); atomic.LoadUint64(&g.owner) == uint64(dead) {
			g.free()
		}
	}
}
