package shared

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

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
		return m.failedToRead(err)
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
	g, in := pick(), door{m.region, v}
	if ok, _ := g.tryLock(&h.lock, 0, in); !ok && in.closed() {
		return false, m.region.closed()
	} else if !ok {
		return false, tooManyAt("rwmutex", m.name)
	}
	err = m.admit(v)
	g.unlock(&h.lock)
	if err != nil {
		return false, m.failedToRead(err)
	}
	raceAcquire(m.local)
	return true, nil
}

func (m *RWMutex) failedToRead(err error) error {
	if errors.Is(err, ErrOwnerDied) {
		return fmt.Errorf("shared: rwmutex %q was not locked for reading: %w: a writer must repair what it guards (see Do and RDo)", m.name, err)
	}
	return fmt.Errorf("shared: lock rwmutex %q for reading: %w", m.name, err)
}

// enter counts a reader in if the state is free. It looks at the view last: Close shuts that
// and then looks at the count, so that one of the two sees the other.
func (m *RWMutex) enter(v *view) (bool, error) {
	if err := m.add(v); err != nil {
		return false, err
	}
	free := atomic.LoadUint32(&m.head(v).state) == rwFree
	closed := m.region.view.Load() != v
	if free && !closed {
		raceAcquire(m.local)
		return true, nil
	}
	m.exit(v)
	if closed {
		return false, m.region.closed()
	}
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
			leavers.tell()
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

// RUnlock gives the lock back, which this process holds for reading.
func (m *RWMutex) RUnlock() error {
	v, err := m.region.inside()
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

// readLocks counts what this process holds for reading in the region.
func (r *Region) readLocks(v *view) (count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for own := range r.read {
		count += atomic.LoadUint64((*uint64)(v.at(own))) & math.MaxUint32
	}
	return count
}
