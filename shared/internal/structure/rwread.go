package structure

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// RLock takes the lock for reading, and waits for it until ctx is done. With an error it
// is not taken; ErrOwnerDied says that a writer must repair what it guards first.
func (m *RWMutex) RLock(ctx context.Context) error {
	v, err := m.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	if ok, err := m.enter(v); ok || err != nil {
		return err
	}
	if err := m.queue(ctx, v); err != nil {
		return m.failedToRead(err)
	}
	core.RaceAcquire(m.local)
	return nil
}

// TryRLock takes the lock for reading if no writer holds it or waits for it, and reports
// whether it did.
func (m *RWMutex) TryRLock() (bool, error) {
	v, err := m.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	if ok, err := m.enter(v); ok || err != nil {
		return ok, err
	}
	// The state may be that of a writer that was killed.
	h := m.Head(v)
	g, _, err := m.Region.TryLockOf(v, &h.lock, "rwmutex", m.Name)
	if g == nil {
		return false, err
	}
	err = m.admit(v)
	g.Unlock(&h.lock)
	if err != nil {
		return false, m.failedToRead(err)
	}
	core.RaceAcquire(m.local)
	return true, nil
}

func (m *RWMutex) failedToRead(err error) error {
	if errors.Is(err, ErrOwnerDied) {
		return fmt.Errorf("shared: rwmutex %q was not locked for reading: %w: a writer must repair what it guards (see Do and RDo)", m.Name, err)
	}
	return fmt.Errorf("shared: lock rwmutex %q for reading: %w", m.Name, err)
}

// enter counts a reader in if the state is free. It looks at the view last: Close shuts that
// and then looks at the count, so that one of the two sees the other.
func (m *RWMutex) enter(v *core.View) (bool, error) {
	if err := m.add(v); err != nil {
		return false, err
	}
	free := atomic.LoadUint32(&m.Head(v).State) == rwFree
	closed := m.Region.View.Load() != v
	if free && !closed {
		core.RaceAcquire(m.local)
		return true, nil
	}
	m.exit(v)
	if closed {
		return false, m.Region.Closed()
	}
	return false, nil
}

// add counts a reader in.
func (m *RWMutex) add(v *core.View) error {
	n := atomic.AddUint64(m.count(v), 1)
	switch {
	case n>>32 == uint64(m.Region.ID)>>32:
		return nil
	case m.Region.View.Load() != v:
		return m.Region.Closed()
	}
	return fmt.Errorf("shared: rwmutex %q: %w: this participant's count of readers is another's", m.Name, core.ErrCorrupt)
}

// exit counts a reader out, and tells a writer that waits for it. It reports whether
// there was one to count out.
func (m *RWMutex) exit(v *core.View) bool {
	for own := m.count(v); ; {
		n := atomic.LoadUint64(own)
		if uint32(n) == 0 {
			return false
		}
		if atomic.CompareAndSwapUint64(own, n, n-1) {
			if uint32(n) == 1 && atomic.LoadUint32(&m.Head(v).State) != rwFree {
				m.Region.Notify(v, drained(m.Structure))
			}
			core.Closes.Wake()
			return true
		}
	}
}

// queue stands in line with the writers, to be counted in.
func (m *RWMutex) queue(ctx context.Context, v *core.View) error {
	select {
	case m.local <- struct{}{}:
		defer func() { <-m.local }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if ok, err := m.enter(v); ok || err != nil {
		return err // others of this process have waited for it
	}
	h := m.Head(v)
	g, _, err := m.Region.Lock(ctx, v, &h.lock, nil)
	if err != nil {
		return err
	}
	defer g.Unlock(&h.lock)
	return m.admit(v)
}

// admit counts a reader in. The lock is held: a state that is set is a dead writer's.
func (m *RWMutex) admit(v *core.View) error {
	if err := m.repair(v); err != nil {
		return err
	}
	return m.add(v)
}

// RUnlock gives the lock back, which this process holds for reading.
func (m *RWMutex) RUnlock() error {
	v, err := m.Region.Inside()
	if err != nil {
		return err
	}
	defer v.Done()
	core.RaceReleaseMerge(m.left)
	if !m.exit(v) {
		return fmt.Errorf("shared: unlock rwmutex %q: this process does not hold it for reading", m.Name)
	}
	return nil
}
