package shared

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

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
	return m.failed(err)
}

// failed says what became of taking the lock for writing.
func (m *RWMutex) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrOwnerDied):
		return fmt.Errorf("shared: rwmutex %q: %w: "+nowYours, m.name, err)
	}
	return fmt.Errorf("shared: lock rwmutex %q: %w", m.name, err)
}

// TryLock takes the lock for writing if nobody holds it, and reports whether it did.
// ErrOwnerDied is as for Lock.
func (m *RWMutex) TryLock() (bool, error) {
	v, err := m.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	g, in := pick(), door{m.region, v}
	if ok, _ := g.tryLock(&m.head(v).lock, 0, in); !ok && in.closed() {
		return false, m.region.closed()
	} else if !ok {
		return false, tooManyAt("rwmutex", m.name)
	}
	err = m.write(v, g, func() error {
		if m.empty(v) {
			return nil
		}
		return errReaders
	})
	if errors.Is(err, errReaders) {
		return false, nil
	}
	return err == nil || errors.Is(err, ErrOwnerDied), m.failed(err)
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
	raceAcquire(m.local)
	raceAcquire(m.left)
	m.holder, m.died = g, before != nil
	keep(&h.lock, g)
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

// Do takes the lock for writing, as [RWMutex.Lock] does, calls f, and releases it, with
// repair as for [Mutex.Do].
func (m *RWMutex) Do(ctx context.Context, repair, f func() error) error {
	return do(m, "rwmutex", m.name, m.Lock(ctx), repair, f)
}

// RDo takes the lock for reading, as [RWMutex.RLock] does, calls f, and gives it back, also
// if f panics. If the last writer was killed with the lock, it first takes it for writing
// and calls repair, as Do does.
func (m *RWMutex) RDo(ctx context.Context, repair, f func() error) error {
	err := m.RLock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		if err = m.Do(ctx, repair, func() error { return nil }); err == nil {
			err = m.RLock(ctx)
		} else if errors.Is(err, ErrOwnerDied) {
			return err // not repaired
		}
	}
	if err != nil {
		return err
	}
	given := false
	defer func() {
		if !given {
			_ = m.RUnlock()
		}
	}()
	err = f()
	given = true
	if failed := m.RUnlock(); err == nil {
		err = failed
	}
	return err
}

// MarkConsistent says that what the lock guards is in order again, after ErrOwnerDied. It
// fails if this process does not hold the lock for writing.
func (m *RWMutex) MarkConsistent() error {
	if m.holder == nil {
		return fmt.Errorf("shared: mark rwmutex %q consistent: this process does not hold it for writing", m.name)
	}
	m.died = false
	return nil
}

// abandon leaves the state as it is, which says that the lock was held.
func (m *RWMutex) abandon() {
	v, err := m.region.inside()
	if err != nil || m.holder == nil {
		return
	}
	defer v.done()
	h, g := m.head(v), m.holder
	m.holder, m.died = nil, false
	h.lock.owner = 0
	raceRelease(m.local)
	g.unlock(&h.lock)
}

// Unlock gives the lock back, which this process holds for writing. After ErrOwnerDied
// without MarkConsistent it makes the lock useless: see ErrNotRecoverable.
func (m *RWMutex) Unlock() error {
	v, err := m.region.inside()
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
