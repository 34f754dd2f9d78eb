package structure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// Lock takes the lock for writing, and waits for it until ctx is done. With ErrOwnerDied
// it is taken too; with any other error it is not.
func (m *RWMutex) Lock(ctx context.Context) error {
	v, err := m.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	g, _, err := m.Region.Lock(ctx, v, &m.Head(v).lock, m.local)
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
		return fmt.Errorf("shared: rwmutex %q: %w: "+nowYours, m.Name, err)
	}
	return fmt.Errorf("shared: lock rwmutex %q: %w", m.Name, err)
}

// TryLock takes the lock for writing if nobody holds it, and reports whether it did.
// ErrOwnerDied is as for Lock.
func (m *RWMutex) TryLock() (bool, error) {
	v, err := m.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	g, _, err := m.Region.TryLockOf(v, &m.Head(v).lock, "rwmutex", m.Name)
	if g == nil {
		return false, err
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
func (m *RWMutex) write(v *core.View, g *core.RobustOwner, drain func() error) error {
	h := m.Head(v)
	before := m.repair(v)
	if before != nil && !errors.Is(before, ErrOwnerDied) {
		g.Unlock(&h.lock)
		return before
	}
	if before == nil {
		atomic.StoreUint32(&h.State, rwWanted)
	}
	if err := drain(); err != nil {
		if before == nil {
			atomic.StoreUint32(&h.State, rwFree)
		}
		g.Unlock(&h.lock)
		return err
	}
	atomic.StoreUint32(&h.State, RWHeld)
	core.RaceAcquire(m.local)
	core.RaceAcquire(m.left)
	m.holder, m.died = g, before != nil
	core.Keep(&h.lock, g)
	return before
}

// drain waits until there are no readers.
func (m *RWMutex) drain(ctx context.Context, v *core.View) error {
	if m.empty(v) {
		return nil
	}
	for range rwSpins {
		if runtime.Gosched(); m.empty(v) {
			return nil
		}
	}
	return m.Region.Wait(ctx, v, drained(m.Structure), func() bool { return m.empty(v) })
}

// rwSpins is how often a writer looks for the readers to leave before it sleeps.
const rwSpins = 20

// empty reports whether no participant that lives has readers.
func (m *RWMutex) empty(v *core.View) bool {
	for i := range int(min(atomic.LoadUint32(&m.Head(v).upTo), m.Region.Config.Slots)) {
		n := atomic.LoadUint64((*uint64)(v.At(rwCount(m.Structure, i))))
		if uint32(n) != 0 && m.Region.Alive(v, core.OwnerOf(i, uint32(n>>32))) {
			return false
		}
	}
	return true
}

// Do takes the lock for writing, as [RWMutex.Lock] does, calls f, and releases it, with
// repair as for [Mutex.Do].
func (m *RWMutex) Do(ctx context.Context, repair, f func() error) error {
	return doLocked(m, "rwmutex", m.Name, m.Lock(ctx), repair, f)
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
		return fmt.Errorf("shared: mark rwmutex %q consistent: this process does not hold it for writing", m.Name)
	}
	m.died = false
	return nil
}

// abandon leaves the state as it is, which says that the lock was held.
func (m *RWMutex) abandon() {
	v, err := m.Region.Inside()
	if err != nil || m.holder == nil {
		return
	}
	defer v.Done()
	h, g := m.Head(v), m.holder
	m.holder, m.died = nil, false
	h.lock.Owner = 0
	core.RaceRelease(m.local)
	g.Unlock(&h.lock)
}

// Unlock gives the lock back, which this process holds for writing. After ErrOwnerDied
// without MarkConsistent it makes the lock useless: see ErrNotRecoverable.
func (m *RWMutex) Unlock() error {
	v, err := m.Region.Inside()
	if err != nil {
		return err
	}
	defer v.Done()
	h, g := m.Head(v), m.holder
	if g == nil || atomic.LoadUint32(&h.lock.Word)&core.TIDMask != g.TID {
		return fmt.Errorf("shared: unlock rwmutex %q: this process does not hold it for writing", m.Name)
	}
	state := uint32(rwFree)
	if m.died {
		state = rwLost
	}
	m.holder, m.died = nil, false
	h.lock.Owner = 0
	core.RaceRelease(m.local)
	atomic.StoreUint32(&h.State, state)
	g.Unlock(&h.lock)
	return nil
}
