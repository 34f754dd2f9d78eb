package shared

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A lock is the robust lock of one node. Its word is 0, or the TID of the guardian that
// holds it; FUTEX_WAITERS asks whoever releases it to wake one; FUTEX_OWNER_DIED is set
// by the kernel when the holder's process ends. So it is taken by a compare-and-swap
// from 0 or from a dead owner's word, and a kill at any instant leaves it free or
// marked: the node is in the guardian's list, or pending, whenever the word carries the
// guardian's TID.

// notRecoverable is glibc's mark of that, in the owner field: PTHREAD_MUTEX_NOTRECOVERABLE.
const notRecoverable = 0x7ffffffe

// tryLock takes n's lock if it is free. Died tells that its last holder died with it.
// Waiters is futexWaiters for one who has slept: others may sleep too, whose bit the
// last holder has cleared. The bit must come with the lock: a holder killed without it
// would wake nobody.
//
// It takes nothing in a region that is closed: see [door].
func (g *guardian) tryLock(n *node, waiters uint32, in door) (ok, died bool) {
	word := atomic.LoadUint32(&n.word)
	if word&futexTIDMask != 0 {
		return false, false
	}
	g.mu.Lock()
	if len(g.list) >= maxHeld || in.closed() {
		g.mu.Unlock()
		return false, false
	}
	g.begin(n)
	// A dead owner's word keeps its waiters bit: others may be asleep.
	ok = atomic.CompareAndSwapUint32(&n.word, word, g.tid|word&futexWaiters|waiters)
	if ok {
		g.insert(n)
	}
	g.end()
	g.mu.Unlock()
	if died = ok && word&futexOwnerDied != 0; died {
		stopLate() // before anything that it guards is read or written
	}
	return ok, died
}

// door is the region in which a lock lies, as its taker has seen it. Close shuts the door
// and then looks at the list of each guardian, under its mutex; so whoever takes a lock is
// in the list when Close looks, and Close waits for it, or finds the door shut. Between
// Close's look and the end of the memory nobody takes a lock there that nobody could
// release. The zero door is always open.
type door struct {
	region *Region
	view   *view
}

func (d door) closed() bool { return d.region != nil && d.region.view.Load() != d.view }

// unlock releases n's lock, which g holds, and wakes one who waits for it.
func (g *guardian) unlock(n *node) {
	g.mu.Lock()
	g.begin(n)
	g.remove(n)
	for {
		// Not a swap: a thread that is late to die must not release another's lock.
		word := atomic.LoadUint32(&n.word)
		if word&futexTIDMask != g.tid {
			break
		}
		if atomic.CompareAndSwapUint32(&n.word, word, 0) {
			if word&futexWaiters != 0 {
				futexWake(&n.word, 1)
			}
			break
		}
	}
	g.end()
	g.mu.Unlock()
	leavers.tell()
}

// pick returns the guardian for a new holder: one that has room, if any has.
func pick() *guardian {
	all := &guardians.all
	first := rand.Uint32()
	for i := range uint32(len(all)) {
		if g := all[(first+i)%uint32(len(all))]; !g.full.Load() {
			return g
		}
	}
	return all[first%uint32(len(all))]
}

// tooMany is why no lock can be taken, if this process holds too many.
func tooMany() error {
	for _, g := range &guardians.all {
		if !g.full.Load() {
			return nil
		}
	}
	return errTooMany
}

func tooManyAt(kind, name string) error {
	if err := tooMany(); err != nil {
		return fmt.Errorf("shared: lock %s %q: %w", kind, name, err)
	}
	return nil
}

var errTooMany = fmt.Errorf("this process holds %d locks, and the kernel looks after no more (ROBUST_LIST_LIMIT)", guardianCount*maxHeld)

// spins is how often a lock is tried before its taker sleeps.
const spins = 100

// lock takes the lock of a node in v, and waits for it until ctx is done or the region is
// closed: behind the goroutines of this process that want it, if there is a local lock.
func (r *Region) lock(ctx context.Context, v *view, n *node, local chan struct{}) (*guardian, bool, error) {
	g, in := pick(), door{r, v}
	if ok, died := g.tryLock(n, 0, in); ok {
		return g, died, nil
	}
	if local != nil {
		select {
		case local <- struct{}{}:
			defer func() { <-local }()
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	ctx, leave, err := r.sleeper(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	defer r.sleepOnLock(v, n)()
	g, died, err := lockNode(ctx, n, in, func(word uint32) {
		if r.listen(v, &n.word, word) {
			r.reapDead(v)
		}
		r.glance(v)
	})
	if err != nil && in.closed() {
		return nil, false, r.closed()
	}
	return g, died, err
}

// leavers are the Closes of this process that wait until its writers have written.
var leavers leaving

type leaving struct {
	waiting atomic.Int32
	mu      sync.Mutex
	changed *sync.Cond // made by the first
}

// await returns when gone says so, which it asks again whenever a writer may have written, or
// after limit: then it returns false.
func (l *leaving) await(limit time.Duration, gone func() bool) bool {
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = sync.NewCond(&l.mu)
	}
	late := false
	alarm := time.AfterFunc(limit, func() {
		l.mu.Lock()
		late = true
		l.mu.Unlock()
		l.wake()
	})
	defer alarm.Stop()
	for !gone() {
		if late {
			return false
		}
		l.changed.Wait()
	}
	return true
}

// tell has those who wait look again, if there are any.
func (l *leaving) tell() {
	if l.waiting.Load() > 0 {
		l.wake()
	}
}

func (l *leaving) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		l.changed.Broadcast()
	}
}

// sleepers are the goroutines of this process that sleep on locks of a region. Close sends
// them away before it gives the memory back: afterwards nobody could wake them.
type sleepers struct {
	mu     sync.Mutex
	gone   sync.Cond
	closed bool
	cancel map[int]context.CancelFunc
	next   int
}

// sleeper returns a context that ends with ctx or with the region.
func (r *Region) sleeper(ctx context.Context) (context.Context, func(), error) {
	s := &r.sleepers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, r.closed()
	}
	ctx, cancel := context.WithCancel(ctx)
	if s.cancel == nil {
		s.cancel = make(map[int]context.CancelFunc)
	}
	id := s.next
	s.next++
	s.cancel[id] = cancel
	return ctx, func() {
		cancel()
		s.mu.Lock()
		delete(s.cancel, id)
		s.mu.Unlock()
		s.gone.Broadcast()
	}, nil
}

// cancelAll ends all sleeps.
func (s *sleepers) cancelAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.cancel {
		cancel()
	}
}

// sendAway ends all sleeps, for good, and waits until the last has ended.
func (s *sleepers) sendAway() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancelAll()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone.L = &s.mu
	for len(s.cancel) > 0 {
		s.gone.Wait()
	}
}

// lockNode takes n's lock, and waits for it until ctx is done or the door shut: by nap, which
// sleeps while the word is what it is given, and may return for no reason.
func lockNode(ctx context.Context, n *node, in door, nap func(word uint32)) (g *guardian, died bool, err error) {
	for range spins {
		g = pick()
		if ok, died := g.tryLock(n, 0, in); ok {
			return g, died, nil
		}
		runtime.Gosched()
	}
	for ctx.Err() == nil && !in.closed() {
		word := atomic.LoadUint32(&n.word)
		if word&futexTIDMask == 0 {
			if err := tooMany(); err != nil {
				futexWake(&n.word, 1) // as below
				return nil, false, err
			}
			g = pick()
			if ok, died := g.tryLock(n, futexWaiters, in); ok {
				return g, died, nil
			}
			continue
		}
		if word&futexWaiters == 0 && !atomic.CompareAndSwapUint32(&n.word, word, word|futexWaiters) {
			continue
		}
		sleep(ctx, &n.word, func() { nap(word | futexWaiters) })
	}
	// The wake that a release grants to one sleeper may have come here: hand it on.
	futexWake(&n.word, 1)
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	return nil, false, fs.ErrClosed
}
