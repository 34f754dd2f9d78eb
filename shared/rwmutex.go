package shared

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"structs"
	"sync/atomic"
)

// RWMutex is a lock among the goroutines of all processes that have the region open: held
// by any number of readers, or by one writer. Readers of different processes share no
// cache line. A writer that waits keeps new readers out, so that they cannot starve it;
// readers and writers then stand in one line, so that writers cannot starve them either.
// So a goroutine that holds it for reading must not take it again. Its methods may be
// called by any goroutine; [RWMutex.Unlock] and [RWMutex.MarkConsistent] are for whoever
// holds it for writing.
//
// A reader that is killed, at any instant, is counted out by whoever notices first: a
// writer that waits for it is woken by the kernel, and no other sees anything of it. A
// writer that is killed while it waits has changed nothing, and the next one goes on. A
// writer that is killed while it holds the lock may have left half a change: the next
// [RWMutex.Lock] has the lock and gets [ErrOwnerDied], to repair what the lock guards, and
// until one has done so [RWMutex.RLock] fails with ErrOwnerDied and does not take it.
type RWMutex struct {
	thing
	local  chan struct{} // held by the one goroutine of this process that waits
	left   chan struct{} // stands for the readers, for the race detector
	own    uint64        // where this participant's count is
	holder *guardian     // of the writer, while it is held here
	died   bool          // it was taken from a dead writer, and is not marked consistent
}

// A reader adds itself to its own participant's count and then looks at the state: free,
// and it is in. A writer takes the lock, sets the state, and then waits for the counts of
// all who live. Of two who do this at once at least one sees the other. A reader that
// finds the state set takes its count back and stands in line for the lock, under which
// nobody else can change the state, and counts itself there.
//
// The state changes under the lock only, so that the kernel's mark of a dead holder is all
// that its successor needs, together with the state, to know what the dead one was at.
type rwHead struct {
	_     structs.HostLayout
	lock  node
	_     [24]byte
	state uint32
	upTo  uint32 // the slots of those who ever opened it lie below this one
	_     [56]byte
}

const rwHeadSize = 128

const (
	rwFree   = 0
	rwWanted = 1 // whoever holds the lock waits for the readers to leave
	rwHeld   = 2 // whoever holds the lock may be changing what it guards
	rwBroken = 3 // a writer was killed when it held it; with the lock held, as wanted
	rwLost   = 4 // a writer gave it back unrepaired
)

// RWMutexOf returns the region's reader and writer lock with this name, and makes it if
// there is none.
func RWMutexOf(r *Region, name string) (*RWMutex, error) {
	t, err := r.declare(context.Background(), wanted{
		kind: kindRWMutex, name: name, size: r.rwCounts() + uint64(r.config.slots)*line,
		init: func(v *view, t thing) { (*rwHead)(v.at(t.offset)).lock.kind = robustShared },
	})
	if err != nil {
		return nil, err
	}
	v, err := r.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	m := &RWMutex{thing: t, own: r.rwCount(t, r.slot), local: r.localLock(t.offset), left: r.localLock(t.offset + rwHeadSize)}
	// The count bears the participant's incarnation: an earlier owner's is void.
	for own := m.count(v); ; {
		n := atomic.LoadUint64(own)
		if n>>32 == uint64(r.id)>>32 || atomic.CompareAndSwapUint64(own, n, uint64(r.id)>>32<<32) {
			break
		}
	}
	for upTo := &m.head(v).upTo; ; {
		n := atomic.LoadUint32(upTo)
		if n > uint32(r.slot) || atomic.CompareAndSwapUint32(upTo, n, uint32(r.slot)+1) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[m.own] = true
	return m, nil
}

// After the head comes the event for which a writer waits, then a line for the count of
// each participant: the number of its readers, below its incarnation.

func (r *Region) rwCounts() uint64 { return rwHeadSize + roundUp(r.eventSize(), line) }

func (r *Region) rwCount(t thing, slot int) uint64 {
	return t.offset + r.rwCounts() + uint64(slot)*line
}

// drained is the event that the last reader of a participant has left.
func (t thing) drained() uint64 { return t.offset + rwHeadSize }

func (m *RWMutex) head(v *view) *rwHead  { return (*rwHead)(v.at(m.offset)) }
func (m *RWMutex) count(v *view) *uint64 { return (*uint64)(v.at(m.own)) }

// RLock takes the lock for reading, and waits for it until ctx is done. With an error it
// is not taken; [ErrOwnerDied] says that a writer must repair what it guards first.
func (m *RWMutex) RLock(ctx context.Context) error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	if ok, err := m.enter(v); ok || err != nil {
		return err
	}
	if err := m.queue(ctx, v); err != nil {
		return fmt.Errorf("shared: lock rwmutex %q for reading: %w", m.name, err)
	}
	raceAcquire(m.local)
	return nil
}

// TryRLock takes the lock for reading if no writer holds it or waits for it, and reports
// whether it did.
func (m *RWMutex) TryRLock() (bool, error) {
	v, err := m.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	if ok, err := m.enter(v); ok || err != nil {
		return ok, err
	}
	// The state may be that of a writer that was killed.
	h := m.head(v)
	g := pick()
	if ok, _ := g.tryLock(&h.lock, 0); !ok {
		return false, nil
	}
	err = m.admit(v)
	g.unlock(&h.lock)
	if err != nil {
		return false, fmt.Errorf("shared: lock rwmutex %q for reading: %w", m.name, err)
	}
	raceAcquire(m.local)
	return true, nil
}

// enter counts a reader in if the state is free.
func (m *RWMutex) enter(v *view) (bool, error) {
	if err := m.add(v); err != nil {
		return false, err
	}
	if atomic.LoadUint32(&m.head(v).state) == rwFree {
		raceAcquire(m.local)
		return true, nil
	}
	m.exit(v)
	return false, nil
}

// add counts a reader in.
func (m *RWMutex) add(v *view) error {
	n := atomic.AddUint64(m.count(v), 1)
	switch {
	case n>>32 == uint64(m.region.id)>>32:
		return nil
	case m.region.view.Load() != v:
		return m.region.closed()
	}
	return fmt.Errorf("shared: rwmutex %q: %w: this participant's count of readers is another's", m.name, errCorrupt)
}

// exit counts a reader out, and tells a writer that waits for it. It reports whether
// there was one to count out.
func (m *RWMutex) exit(v *view) bool {
	for own := m.count(v); ; {
		n := atomic.LoadUint64(own)
		if uint32(n) == 0 {
			return false
		}
		if atomic.CompareAndSwapUint64(own, n, n-1) {
			if uint32(n) == 1 && atomic.LoadUint32(&m.head(v).state) != rwFree {
				m.region.notify(v, m.drained())
			}
			return true
		}
	}
}

// queue stands in line with the writers, to be counted in.
func (m *RWMutex) queue(ctx context.Context, v *view) error {
	select {
	case m.local <- struct{}{}:
		defer func() { <-m.local }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if ok, err := m.enter(v); ok || err != nil {
		return err // others of this process have waited for it
	}
	h := m.head(v)
	g, _, err := m.region.lock(ctx, v, &h.lock, nil)
	if err != nil {
		return err
	}
	defer g.unlock(&h.lock)
	return m.admit(v)
}

// admit counts a reader in. The lock is held: a state that is set is a dead writer's.
func (m *RWMutex) admit(v *view) error {
	if err := m.settle(v); err != nil {
		return err
	}
	return m.add(v)
}

// settle brings the state into order that a dead writer has left, and says whether what
// the lock guards is whole. The lock was just taken.
func (m *RWMutex) settle(v *view) error {
	state := &m.head(v).state
	switch atomic.LoadUint32(state) {
	case rwFree:
		return nil
	case rwWanted:
		atomic.StoreUint32(state, rwFree)
		return nil
	case rwLost:
		return ErrNotRecoverable
	}
	atomic.StoreUint32(state, rwBroken)
	return ErrOwnerDied
}

// RUnlock gives the lock back, which this process holds for reading.
func (m *RWMutex) RUnlock() error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	raceReleaseMerge(m.left)
	if !m.exit(v) {
		return fmt.Errorf("shared: unlock rwmutex %q: this process does not hold it for reading", m.name)
	}
	return nil
}

// Lock takes the lock for writing, and waits for it until ctx is done. With [ErrOwnerDied]
// it is taken too; with any other error it is not.
func (m *RWMutex) Lock(ctx context.Context) error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	g, _, err := m.region.lock(ctx, v, &m.head(v).lock, m.local)
	if err == nil {
		err = m.write(v, g, func() error { return m.drain(ctx, v) })
	}
	if err != nil {
		return fmt.Errorf("shared: lock rwmutex %q: %w", m.name, err)
	}
	return nil
}

// TryLock takes the lock for writing if nobody holds it, and reports whether it did.
// ErrOwnerDied is as for Lock.
func (m *RWMutex) TryLock() (bool, error) {
	v, err := m.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	g := pick()
	if ok, _ := g.tryLock(&m.head(v).lock, 0); !ok {
		return false, nil
	}
	err = m.write(v, g, func() error {
		if m.empty(v) {
			return nil
		}
		return errReaders
	})
	switch {
	case errors.Is(err, errReaders):
		return false, nil
	case err != nil:
		err = fmt.Errorf("shared: lock rwmutex %q: %w", m.name, err)
	}
	return err == nil || errors.Is(err, ErrOwnerDied), err
}

var errReaders = errors.New("there are readers")

// write makes the holder of the lock the writer, once drain finds that the readers have
// left. The lock is given back with any error but ErrOwnerDied.
func (m *RWMutex) write(v *view, g *guardian, drain func() error) error {
	h := m.head(v)
	before := m.settle(v)
	if before != nil && !errors.Is(before, ErrOwnerDied) {
		g.unlock(&h.lock)
		return before
	}
	if before == nil {
		atomic.StoreUint32(&h.state, rwWanted)
	}
	if err := drain(); err != nil {
		if before == nil {
			atomic.StoreUint32(&h.state, rwFree)
		}
		g.unlock(&h.lock)
		return err
	}
	atomic.StoreUint32(&h.state, rwHeld)
	if m.region.view.Load() != v {
		g.unlock(&h.lock)
		return m.region.closed()
	}
	raceAcquire(m.local)
	raceAcquire(m.left)
	m.holder, m.died = g, before != nil
	h.lock.owner = g.tid
	return before
}

// drain waits until there are no readers.
func (m *RWMutex) drain(ctx context.Context, v *view) error {
	if m.empty(v) {
		return nil
	}
	for range rwSpins {
		if runtime.Gosched(); m.empty(v) {
			return nil
		}
	}
	return m.region.wait(ctx, v, m.drained(), func() bool { return m.empty(v) })
}

// rwSpins is how often a writer looks for the readers to leave before it sleeps.
const rwSpins = 20

// empty reports whether no participant that lives has readers.
func (m *RWMutex) empty(v *view) bool {
	for i := range int(min(atomic.LoadUint32(&m.head(v).upTo), m.region.config.slots)) {
		n := atomic.LoadUint64((*uint64)(v.at(m.region.rwCount(m.thing, i))))
		if uint32(n) != 0 && m.region.alive(v, ownerOf(i, uint32(n>>32))) {
			return false
		}
	}
	return true
}

// repairRWMutex takes away the readers of a participant that died.
func repairRWMutex(r *Region, v *view, t thing, dead owner) {
	if t.size < r.rwCounts()+uint64(r.config.slots)*line {
		return // no participant made this
	}
	own := (*uint64)(v.at(r.rwCount(t, int(uint32(dead))-1)))
	if n := atomic.LoadUint64(own); n>>32 == uint64(dead)>>32 {
		atomic.CompareAndSwapUint64(own, n, 0)
	}
	r.notify(v, t.drained())
}

// MarkConsistent says that what the lock guards is in order again, after ErrOwnerDied.
func (m *RWMutex) MarkConsistent() { m.died = false }

// Unlock gives the lock back, which this process holds for writing. After ErrOwnerDied
// without MarkConsistent it makes the lock useless: see ErrNotRecoverable.
func (m *RWMutex) Unlock() error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	h, g := m.head(v), m.holder
	if g == nil || atomic.LoadUint32(&h.lock.word)&futexTIDMask != g.tid {
		return fmt.Errorf("shared: unlock rwmutex %q: this process does not hold it for writing", m.name)
	}
	state := uint32(rwFree)
	if m.died {
		state = rwLost
	}
	m.holder, m.died = nil, false
	h.lock.owner = 0
	raceRelease(m.local)
	atomic.StoreUint32(&h.state, state)
	g.unlock(&h.lock)
	return nil
}

// readLocks counts what this process holds for reading in the region.
func (r *Region) readLocks(v *view) (count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for own := range r.read {
		count += atomic.LoadUint64((*uint64)(v.at(own))) & math.MaxUint32
	}
	return count
}
