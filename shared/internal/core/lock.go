package core

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

// A lock is the robust lock of one node. Its word is 0, or the TID of the robust owner that
// holds it; FUTEX_WAITERS asks its owner to wake one at the release; FUTEX_OWNER_DIED is set
// by the kernel when the holder's process ends. So it is taken by a compare-and-swap
// from 0 or from a dead owner's word, and a kill at any instant leaves it free or
// marked: the node is in the robust owner's list, or pending, whenever the word carries the
// robust owner's TID.

// NotRecoverable is glibc's mark of that, in the owner field: PTHREAD_MUTEX_NOTRECOVERABLE.
const NotRecoverable = 0x7ffffffe

// TryLock takes n's lock if it is free. Died tells that its last holder died with it.
// Waiters is futexWaiters for one who has slept: others may sleep too, whose bit the
// last holder has cleared. The bit must come with the lock: a holder killed without it
// would wake nobody.
//
// It takes nothing in a region that is closed: see [Door].
func (g *RobustOwner) TryLock(n *Node, waiters uint32, in Door) (ok, died bool) {
	word := atomic.LoadUint32(&n.Word)
	if word&TIDMask != 0 {
		return false, false
	}
	g.Mu.Lock()
	if len(g.list) >= maxHeld || in.closed() {
		g.Mu.Unlock()
		return false, false
	}
	g.begin(n)
	// A dead owner's word keeps its waiters bit: others may be asleep.
	ok = atomic.CompareAndSwapUint32(&n.Word, word, g.TID|word&Waiters|waiters)
	if ok {
		g.insert(n)
	}
	g.end()
	g.Mu.Unlock()
	if died = ok && word&OwnerDied != 0; died {
		stopExiting() // before anything that it guards is read or written
	}
	return ok, died
}

// Door is the region in which a lock lies, as its taker has seen it. Close shuts the door
// and then looks at the list of each robust owner, under its mutex; so a new owner of a lock is
// in the list when Close looks, and Close waits for it, or finds the door shut. Between
// Close's look and the end of the memory nobody takes a lock there that nobody could
// release. The zero door is always open.
type Door struct {
	region *Region
	view   *View
}

func (d Door) closed() bool { return d.region != nil && d.region.View.Load() != d.view }

// Unlock releases n's lock, which g holds, and wakes one who waits for it.
func (g *RobustOwner) Unlock(n *Node) {
	g.Mu.Lock()
	g.begin(n)
	g.Remove(n)
	for {
		// Not a swap: a thread that is exiting must not release another's lock.
		word := atomic.LoadUint32(&n.Word)
		if word&TIDMask != g.TID {
			break
		}
		if atomic.CompareAndSwapUint32(&n.Word, word, 0) {
			if word&Waiters != 0 {
				futexWake(&n.Word, 1)
			}
			break
		}
	}
	g.end()
	g.Mu.Unlock()
	Closes.Wake()
}

// Pick returns the robust owner for a new holder: one that has room, if any has.
func Pick() *RobustOwner {
	all := &RobustOwners.All
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
	for _, g := range &RobustOwners.All {
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

// TryLockOf takes the lock of a structure, of this kind and name, if it is free. Where it is not it
// returns no owner.
func (r *Region) TryLockOf(v *View, n *Node, kind, name string) (g *RobustOwner, died bool, err error) {
	g, in := Pick(), Door{r, v}
	switch ok, died := g.TryLock(n, 0, in); {
	case ok:
		return r.unlessRemoved(v, n, g, died)
	case in.closed():
		return nil, false, r.Closed()
	}
	return nil, false, tooManyAt(kind, name)
}

var errTooMany = fmt.Errorf("this process holds %d locks, and the kernel looks after no more (ROBUST_LIST_LIMIT)", RobustOwnerCount*maxHeld)

// spins is how often a lock is tried before its taker sleeps.
const spins = 100

// Lock takes the lock of a node in v, and waits for it until ctx is done or the region is
// closed: behind the goroutines of this process that want it, if there is a local lock.
func (r *Region) Lock(ctx context.Context, v *View, n *Node, local chan struct{}) (*RobustOwner, bool, error) {
	g, in := Pick(), Door{r, v}
	if ok, died := g.TryLock(n, 0, in); ok {
		return r.unlessRemoved(v, n, g, died)
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
	defer r.SleepOnLock(v, n)()
	g, died, err := LockNode(ctx, n, in, func(word uint32) {
		if r.listen(v, &n.Word, word) {
			r.ReapDead(v)
		}
		r.CheckRemoved(v)
	})
	if err != nil && in.closed() {
		return nil, false, r.Closed()
	}
	if err != nil {
		return nil, false, err
	}
	return r.unlessRemoved(v, n, g, died)
}

// Closes are the Closes of this process that wait until its writers have written.
var Closes leaving

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

// Wake has those who wait look again, if there are any.
func (l *leaving) Wake() {
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
	Mu     sync.Mutex
	gone   sync.Cond
	closed bool
	Cancel map[int]context.CancelFunc
	next   int
}

// sleeper returns a context that ends with ctx or with the region.
func (r *Region) sleeper(ctx context.Context) (context.Context, func(), error) {
	s := &r.Sleepers
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.closed {
		return nil, nil, r.Closed()
	}
	ctx, cancel := context.WithCancel(ctx)
	if s.Cancel == nil {
		s.Cancel = make(map[int]context.CancelFunc)
	}
	id := s.next
	s.next++
	s.Cancel[id] = cancel
	return ctx, func() {
		cancel()
		s.Mu.Lock()
		delete(s.Cancel, id)
		s.Mu.Unlock()
		s.gone.Broadcast()
	}, nil
}

// cancelAll ends all sleeps.
func (s *sleepers) cancelAll() {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, cancel := range s.Cancel {
		cancel()
	}
}

// sendAway ends all sleeps, for good, and waits until the last has ended.
func (s *sleepers) sendAway() {
	s.Mu.Lock()
	s.closed = true
	s.Mu.Unlock()
	s.cancelAll()
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.gone.L = &s.Mu
	for len(s.Cancel) > 0 {
		s.gone.Wait()
	}
}

// LockNode takes n's lock, and waits for it until ctx is done or the door shut: by nap, which
// sleeps while the word is what it is given, and may return for no reason.
func LockNode(ctx context.Context, n *Node, in Door, nap func(word uint32)) (g *RobustOwner, died bool, err error) {
	for range spins {
		g = Pick()
		if ok, died := g.TryLock(n, 0, in); ok {
			return g, died, nil
		}
		runtime.Gosched()
	}
	for ctx.Err() == nil && !in.closed() {
		word := atomic.LoadUint32(&n.Word)
		if word&TIDMask == 0 {
			if err := tooMany(); err != nil {
				futexWake(&n.Word, 1) // as below
				return nil, false, err
			}
			g = Pick()
			if ok, died := g.TryLock(n, Waiters, in); ok {
				return g, died, nil
			}
			continue
		}
		if word&Waiters == 0 && !atomic.CompareAndSwapUint32(&n.Word, word, word|Waiters) {
			continue
		}
		sleep(ctx, &n.Word, func() { nap(word | Waiters) })
	}
	// The wake that a release grants to one sleeper may have come here: hand it on.
	futexWake(&n.Word, 1)
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	return nil, false, fs.ErrClosed
}
