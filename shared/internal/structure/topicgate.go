package structure

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

	"github.com/sysvipc/sysvipc/shared/internal/core"
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

func (c *Topic) gate(v *core.View, i uint64) *gate { return (*gate)(v.At(c.gates + i*gateLen)) }

// open reports whether no gate is in the way of filling up to end: whether each has gone
// beyond the messages that are overwritten by it.
func (c *Topic) open(v *core.View, end uint64) bool {
	for i := range min(uint64(atomic.LoadUint32(&c.head(v).gates)), c.count) {
		g := c.gate(v, i)
		if atomic.LoadUint64(&g.joined) != 0 && beyond(end, atomic.LoadUint64(&g.cursor)+c.mask+1) {
			return false
		}
	}
	return true
}

// awaitGates returns when the gates are open up to end.
func (c *Topic) awaitGates(ctx context.Context, v *core.View, end uint64) error {
	if core.Spin(c.spins, &c.publishing, func() bool { return c.open(v, end) }) {
		return nil
	}
	err := c.Region.Wait(ctx, v, c.room, func() bool { return c.open(v, end) })
	c.publishing.Slept()
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return fmt.Errorf("shared: publish to topic %q: a gated subscriber has not taken what is in the way: %w", c.Name, cause)
	}
	return err
}

// Subscription is a Subscription without its type.
type Subscription struct {
	topic   *Topic
	cursor  uint64 // position of the next message
	behind  uint64 // messages lost since the last one that was taken
	Missed  uint64 // messages lost in all
	gate    uint64 // number of its gate; math.MaxUint64 if it is lossy
	ended   atomic.Bool
	mu      sync.Mutex // held to write to the gate: after Close it is another subscription's
	spinner core.Spinner
}

// Subscribe returns a subscription to what is published from now on.
func (c *Topic) Subscribe(gated bool) (*Subscription, error) {
	v, err := c.Region.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	s := &Subscription{topic: c, gate: math.MaxUint64}
	if gated {
		err = s.join(v)
	} else {
		s.cursor, err = c.Published()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Next copies the next message to to, and waits for one until ctx is done. It returns how many
// were lost before it.
func (s *Subscription) Next(ctx context.Context, to core.Value) (lost uint64, err error) {
	v, err := s.topic.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	for {
		lost, how := s.take(v, to.At)
		if how == done {
			return lost, nil
		}
		if err := s.retry(ctx, v, how); err != nil {
			return 0, err
		}
	}
}

func (s *Subscription) gated() bool { return s.gate != math.MaxUint64 }

// join takes a gate and places it at the end of what is published (J in the model).
func (s *Subscription) join(v *core.View) error {
	c := s.topic
	r, h := c.Region, c.head(v)
	for again := range 2 {
		for i := range c.count {
			g := c.gate(v, i)
			if atomic.LoadUint64(&g.owner) != 0 || !atomic.CompareAndSwapUint64(&g.owner, 0, uint64(r.ID)) {
				continue
			}
			for upTo := atomic.LoadUint32(&h.gates); uint64(upTo) <= i; upTo = atomic.LoadUint32(&h.gates) {
				atomic.CompareAndSwapUint32(&h.gates, upTo, uint32(i)+1)
			}
			s.gate = i
			for range patience {
				s.cursor = atomic.LoadUint64(&h.tail)
				atomic.StoreUint64(&g.cursor, s.cursor)
				atomic.StoreUint64(&g.joined, 1)
				if !beyond(atomic.LoadUint64(&h.intent), s.cursor+c.mask+1) {
					return c.Structure.Open(v)
				}
			}
			s.release(v)
			return c.damage()
		}
		if again > 0 || !r.ReapDead(v) {
			break
		}
	}
	return fmt.Errorf("shared: topic %q: all %d gated subscriptions are taken (make the region with more Participants)", c.Name, c.count)
}

// take copies the next message to to, if there is one.
func (s *Subscription) take(v *core.View, to unsafe.Pointer) (lost uint64, how outcome) {
	c := s.topic
	h := c.head(v)
	for {
		if s.ended.Load() {
			return 0, ended
		}
		tail := atomic.LoadUint64(&h.tail)
		if !beyond(tail, s.cursor) {
			if tail == s.cursor {
				return 0, blocked
			}
			return 0, damaged
		}
		core.CopyOut(to, c.cell(v, s.cursor), c.size)
		// What is behind a gate cannot be overrun, though a publisher may intend it.
		if intent := atomic.LoadUint64(&h.intent); !s.gated() && beyond(intent, s.cursor+c.mask+1) {
			// Overrun: it goes on halfway between the oldest and the newest, so that it
			// is not overrun again at once.
			half := atomic.LoadUint64(&h.tail) - (c.mask+1)/2
			if !beyond(half, s.cursor) {
				return 0, damaged
			}
			s.behind += half - s.cursor
			s.cursor = half
			continue
		}
		if c.Region.View.Load() != v {
			return 0, gone
		}
		core.RaceAcquire(c.local)
		lost, s.behind = s.behind, 0
		s.Missed += lost
		s.cursor++
		if s.gated() {
			s.advance(v)
		}
		return lost, done
	}
}

// advance says that the message before next is taken.
func (s *Subscription) advance(v *core.View) {
	s.mu.Lock()
	if !s.ended.Load() {
		atomic.StoreUint64(&s.topic.gate(v, s.gate).cursor, s.cursor)
	}
	s.mu.Unlock()
	s.topic.Region.Notify(v, s.topic.room)
}

// retry makes something of a try that has not succeeded: nil says that another may.
func (s *Subscription) retry(ctx context.Context, v *core.View, how outcome) error {
	c := s.topic
	if err := c.Structure.Open(v); err != nil {
		return err
	}
	switch how {
	case blocked:
		return s.await(ctx, v)
	case ended:
		return fmt.Errorf("shared: subscription to topic %q: %w", c.Name, fs.ErrClosed)
	}
	return c.damage()
}

// await returns when it is worth another try.
func (s *Subscription) await(ctx context.Context, v *core.View) error {
	c := s.topic
	tail := &c.head(v).tail
	ready := func() bool { return atomic.LoadUint64(tail) != s.cursor || s.ended.Load() }
	if core.Spin(c.spins, &s.spinner, ready) {
		return nil
	}
	err := c.Region.Wait(ctx, v, c.news, ready)
	s.spinner.Slept()
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return fmt.Errorf("shared: subscription to topic %q: %w", c.Name, cause)
	}
	return err
}

// Close ends the subscription, and wakes who waits in it.
func (s *Subscription) Close() error {
	c := s.topic
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Swap(true) {
		return fmt.Errorf("shared: subscription to topic %q: %w", c.Name, fs.ErrClosed)
	}
	v := c.Region.View.Load()
	if v == nil {
		return nil // the region's Close has closed it
	}
	defer v.Done()
	s.release(v)
	c.Region.Waker.WakeEvent(c.news, nil)
	c.Region.Wake(v, c.Region.Slot)
	return nil
}

// release gives the gate back.
func (s *Subscription) release(v *core.View) {
	if s.gated() {
		g := s.topic.gate(v, s.gate)
		if atomic.LoadUint64(&g.owner) == uint64(s.topic.Region.ID) {
			g.free()
		}
		s.topic.Region.Notify(v, s.topic.room)
	}
}

// free lets publishers pass, and then the next subscription take the gate.
func (g *gate) free() {
	atomic.StoreUint64(&g.joined, 0)
	atomic.StoreUint64(&g.owner, 0)
}

// repairTopic opens the gates of a participant that is dead. A dead publisher has left
// nothing to repair; the WakeAll that follows wakes those that it has not woken.
func repairTopic(v *core.View, t core.Structure, dead core.Owner) {
	c, ok := TopicOf(t)
	if !ok {
		return
	}
	for i := range c.count {
		if g := c.gate(v, i); atomic.LoadUint64(&g.owner) == uint64(dead) {
			g.free()
		}
	}
}
