package shared

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Waiting. A thing for which goroutines may wait has an event in the region: one bit for
// each participant, set by whoever is about to sleep. Whoever changes the thing swaps the
// event to 0 and rings the bell, a futex, of each participant whose bit was set.
//
// In each process one waiting goroutine at a time, the leader, sleeps in the kernel on
// its bell; the others park on channels. When the bell rings, the leader wakes those whose
// event has lost the bit, and when it has got what it waited for itself, another one leads.
// So a process has one thread in the kernel for each region, however many wait.
//
// A sleeper that is killed costs one ring that nobody hears. A waker that is killed after
// the change, and before all bells have rung, leaves sleepers that nobody wakes. So the
// leader sleeps on the life words of all other participants, too (futex_waitv(2)): the
// kernel wakes one leader when one of them ends, and that one brings its work into order
// and raises the alarm, at which everybody who waits looks again.

// bell is the process's side of it, for one region.
type bell struct {
	lead chan struct{} // holds a token: whoever takes it leads

	mu      sync.Mutex
	waiters map[uint64][]*waiter // by the offset of their event
}

// waiter is one goroutine that waits for an event.
type waiter struct {
	event uint64
	wake  chan struct{}
}

func newBell() *bell {
	b := &bell{lead: make(chan struct{}, 1), waiters: make(map[uint64][]*waiter)}
	b.lead <- struct{}{}
	return b
}

// eventWords is how many words an event has.
func (r *Region) eventWords() uint64 { return (uint64(r.config.slots) + 63) / 64 }

// eventSize is how many bytes an event takes.
func (r *Region) eventSize() uint64 { return 8 * r.eventWords() }

// notify wakes whoever waits for the event. Call it after the change is published.
func (r *Region) notify(v *view, event uint64) {
	for i := range r.eventWords() {
		word := (*uint64)(v.at(event + 8*i))
		if atomic.LoadUint64(word) == 0 {
			continue
		}
		for set := atomic.SwapUint64(word, 0); set != 0; set &= set - 1 {
			if index := int(i)*64 + bits.TrailingZeros64(set); index < int(r.config.slots) {
				r.ring(v, index)
			}
		}
	}
}

// ring rings the bell of one participant.
func (r *Region) ring(v *view, index int) {
	b := &v.slot(r.plan, index).bell
	atomic.AddUint32(b, 1)
	futexWake(b, 1)
}

// alarm has everybody who waits in the region look again.
func (r *Region) alarm(v *view) {
	atomic.AddUint64(&v.header().alarms, 1)
	for index := range int(r.config.slots) {
		if atomic.LoadUint32(&v.slot(r.plan, index).life.word) != 0 {
			r.ring(v, index)
		}
	}
}

// wait returns when ready does, which it asks again after each event, or when ctx is done
// or the region closed. Ready must not block.
func (r *Region) wait(ctx context.Context, v *view, event uint64, ready func() bool) error {
	w := &waiter{event: event, wake: make(chan struct{}, 1)}
	r.bell.enter(w)
	defer r.bell.leave(w)
	for {
		r.sleepOn(v, w)
		if ready() {
			return nil
		}
		if r.view.Load() != v {
			return r.closed()
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return fmt.Errorf("shared: region %q: %w", r.name, ctx.Err())
		case <-r.bell.lead:
			err := r.leadUntil(ctx, v, w, ready)
			r.bell.lead <- struct{}{}
			return err
		}
	}
}

// sleepOn sets this participant's bit in w's event. Where it was cleared, the event has
// happened since others of this process have set it: they have to look again, and the
// leader, who comes after this, can no longer see it.
func (r *Region) sleepOn(v *view, w *waiter) {
	word, bit := r.eventBit(v, w.event)
	if atomic.OrUint64(word, bit)&bit == 0 {
		r.bell.wake(w.event, w)
	}
}

// eventBit returns this participant's bit of an event.
func (r *Region) eventBit(v *view, event uint64) (word *uint64, bit uint64) {
	return (*uint64)(v.at(event + uint64(r.slot/64)*8)), 1 << (r.slot % 64)
}

// leadUntil sleeps in the kernel for all goroutines of this process that wait, until ready.
func (r *Region) leadUntil(ctx context.Context, v *view, w *waiter, ready func() bool) error {
	own := &v.slot(r.plan, r.slot).bell
	stop := context.AfterFunc(ctx, func() { r.ring(v, r.slot) })
	defer stop()
	alarms := atomic.LoadUint64(&v.header().alarms)
	for {
		rung := atomic.LoadUint32(own)
		if now := atomic.LoadUint64(&v.header().alarms); now != alarms {
			alarms = now
			r.glance(v)
			r.bell.wakeIf(func(uint64) bool { return true })
		} else {
			r.bell.wakeIf(func(event uint64) bool {
				word, bit := r.eventBit(v, event)
				return atomic.LoadUint64(word)&bit == 0
			})
		}
		r.sleepOn(v, w)
		switch {
		case ready():
			return nil
		case r.view.Load() != v:
			return r.closed()
		case ctx.Err() != nil:
			return fmt.Errorf("shared: region %q: %w", r.name, ctx.Err())
		}
		if r.reapDead(v) {
			continue // the alarm has rung the bell
		}
		r.listen(v, own, rung)
	}
}

func (b *bell) enter(w *waiter) {
	b.mu.Lock()
	b.waiters[w.event] = append(b.waiters[w.event], w)
	b.mu.Unlock()
}

func (b *bell) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.waiters[w.event]
	if all = slices.DeleteFunc(all, func(other *waiter) bool { return other == w }); len(all) == 0 {
		delete(b.waiters, w.event)
		return
	}
	b.waiters[w.event] = all
}

// wake wakes who waits for an event, but not one of them.
func (b *bell) wake(event uint64, not *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.waiters[event] {
		if w != not {
			w.rouse()
		}
	}
}

// wakeIf wakes who waits for the events that are picked.
func (b *bell) wakeIf(pick func(event uint64) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for event, all := range b.waiters {
		if pick(event) {
			for _, w := range all {
				w.rouse()
			}
		}
	}
}

// rouse has a waiter look again. One that is awake already looks again, too.
func (w *waiter) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
