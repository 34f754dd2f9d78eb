package core

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Waiting. A structure for which goroutines may wait has an event in the region: one bit for
// each participant, set before a goroutine of it sleeps. A change of the structure swaps the
// event to 0 and wakes each participant whose bit was set, by a futex in its slot.
//
// In each process one waiting goroutine at a time, the leader, sleeps in the kernel on that
// futex; the others park on channels. The leader that wakes up wakes those whose event has lost
// the bit, and when it has got what it waited for itself, another one leads. So a process has
// one thread in the kernel for each region, however many wait.
//
// A sleeper that is killed costs one wake-up in vain. A process that is killed after its
// change, and before it has woken all, leaves sleepers behind. So the leader sleeps on the life
// words of all other participants, too (futex_waitv(2)): the kernel wakes one leader when one
// of them ends, and that one brings its work into order and wakes all, who then look again.

// waker is the process's side of it, for one region.
type waker struct {
	Lead chan struct{} // holds a token: the goroutine that takes it leads

	Mu      sync.Mutex
	Waiters map[uint64][]*waiter // by the offset of their event
}

// waiter is one goroutine that waits for an event.
type waiter struct {
	event uint64
	wake  chan struct{}
}

func newWaker() *waker {
	b := &waker{Lead: make(chan struct{}, 1), Waiters: make(map[uint64][]*waiter)}
	b.Lead <- struct{}{}
	return b
}

// EventWords is how many words an event has.
func (r *Region) EventWords() uint64 { return (uint64(r.Config.Slots) + 63) / 64 }

// EventSize is how many bytes an event takes.
func (r *Region) EventSize() uint64 { return 8 * r.EventWords() }

// Notify wakes all that wait for the event. Call it after the change is published.
func (r *Region) Notify(v *View, event uint64) {
	for i := range r.EventWords() {
		word := (*uint64)(v.At(event + 8*i))
		if atomic.LoadUint64(word) == 0 {
			continue
		}
		for set := atomic.SwapUint64(word, 0); set != 0; set &= set - 1 {
			if index := int(i)*64 + bits.TrailingZeros64(set); index < int(r.Config.Slots) {
				r.Wake(v, index)
			}
		}
	}
}

// Wake wakes the leader of one participant.
func (r *Region) Wake(v *View, index int) {
	b := &v.Slot(r.Plan, index).Wakes
	atomic.AddUint32(b, 1)
	futexWake(b, 1)
}

// WakeAll has everybody who waits in the region look again.
func (r *Region) WakeAll(v *View) {
	atomic.AddUint64(&v.Header().Wakes, 1)
	for index := range int(r.Config.Slots) {
		if atomic.LoadUint32(&v.Slot(r.Plan, index).Life.Word) != 0 {
			r.Wake(v, index)
		}
	}
}

// Wait returns when ready does, which it asks again after each event, or when ctx is done
// or the region closed. Ready must not block.
func (r *Region) Wait(ctx context.Context, v *View, event uint64, ready func() bool) error {
	w := &waiter{event: event, wake: make(chan struct{}, 1)}
	r.Waker.enter(w)
	defer r.Waker.leave(w)
	for {
		r.sleepOn(v, w)
		if ready() {
			return nil
		}
		if r.View.Load() != v {
			return r.Closed()
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return fmt.Errorf("shared: region %q: %w", r.Name, ctx.Err())
		case <-r.Waker.Lead:
			err := r.leadUntil(ctx, v, w, ready)
			r.Waker.Lead <- struct{}{}
			return err
		}
	}
}

// sleepOn sets this participant's bit in w's event. Where it was cleared, the event has
// happened since others of this process have set it: they have to look again, and the
// leader, who comes after this, can no longer see it.
func (r *Region) sleepOn(v *View, w *waiter) {
	word, bit := r.eventBit(v, w.event)
	if atomic.OrUint64(word, bit)&bit == 0 {
		r.Waker.WakeEvent(w.event, w)
	}
}

// eventBit returns this participant's bit of an event.
func (r *Region) eventBit(v *View, event uint64) (word *uint64, bit uint64) {
	return (*uint64)(v.At(event + uint64(r.Slot/64)*8)), 1 << (r.Slot % 64)
}

// leadUntil sleeps in the kernel for all goroutines of this process that wait, until ready.
func (r *Region) leadUntil(ctx context.Context, v *View, w *waiter, ready func() bool) error {
	own := &v.Slot(r.Plan, r.Slot).Wakes
	stop := context.AfterFunc(ctx, func() { r.Wake(v, r.Slot) })
	defer stop()
	alarms := atomic.LoadUint64(&v.Header().Wakes)
	for {
		rung := atomic.LoadUint32(own)
		if now := atomic.LoadUint64(&v.Header().Wakes); now != alarms {
			alarms = now
			r.CheckRemoved(v)
			r.Waker.WakeIf(func(uint64) bool { return true })
		} else {
			r.Waker.WakeIf(func(event uint64) bool {
				word, bit := r.eventBit(v, event)
				return atomic.LoadUint64(word)&bit == 0
			})
		}
		r.sleepOn(v, w)
		switch {
		case ready():
			return nil
		case r.View.Load() != v:
			return r.Closed()
		case ctx.Err() != nil:
			return fmt.Errorf("shared: region %q: %w", r.Name, ctx.Err())
		}
		if r.ReapDead(v) {
			continue // WakeAll has woken this one
		}
		r.listen(v, own, rung)
	}
}

func (b *waker) enter(w *waiter) {
	b.Mu.Lock()
	b.Waiters[w.event] = append(b.Waiters[w.event], w)
	b.Mu.Unlock()
}

func (b *waker) leave(w *waiter) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	all := b.Waiters[w.event]
	if all = slices.DeleteFunc(all, func(other *waiter) bool { return other == w }); len(all) == 0 {
		delete(b.Waiters, w.event)
		return
	}
	b.Waiters[w.event] = all
}

// WakeEvent wakes who waits for an event, but not one of them.
func (b *waker) WakeEvent(event uint64, not *waiter) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	for _, w := range b.Waiters[event] {
		if w != not {
			w.lookAgain()
		}
	}
}

// WakeIf wakes who waits for the events that are picked.
func (b *waker) WakeIf(pick func(event uint64) bool) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	for event, all := range b.Waiters {
		if pick(event) {
			for _, w := range all {
				w.lookAgain()
			}
		}
	}
}

// lookAgain has a waiter look again. One that is awake already looks again, too.
func (w *waiter) lookAgain() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
