package structure

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

var (
	ErrOwnerDied      = errors.New("the last owner died with the lock")
	ErrNotRecoverable = errors.New("what the lock guards was not repaired")
)

// Mutex is a Mutex: a robust lock that says who holds it.
type Mutex struct {
	core.Structure
	local  chan struct{}     // held by the one goroutine of this process that waits
	holder *core.RobustOwner // of the holder, while it is held here
	died   bool              // it was taken from a dead owner, and is not marked consistent
}

// DeclareMutex finds the mutex, or makes it.
func DeclareMutex(r *core.Region, name string) (*Mutex, error) {
	t, err := r.Declare(context.Background(), core.Declaration{
		Kind: KindMutex, Name: name, Size: core.MutexBytes,
		Init: func(v *core.View, t core.Structure) { (*core.Node)(v.At(t.Offset)).Kind = core.RobustShared },
	})
	if err != nil {
		return nil, err
	}
	return &Mutex{Structure: t, local: r.LocalLock(t.Offset)}, nil
}

// Lock takes the mutex, and waits for it until ctx is done. With [ErrOwnerDied] it is
// taken too; with any other error it is not.
func (m *Mutex) Lock(ctx context.Context) error {
	v, err := m.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	n := (*core.Node)(v.At(m.Offset))
	g, died, err := m.Region.Lock(ctx, v, n, m.local)
	if err != nil {
		return fmt.Errorf("shared: lock mutex %q: %w", m.Name, err)
	}
	return m.locked(n, g, died)
}

// TryLock takes the mutex if it is free, and reports whether it did. ErrOwnerDied is as
// for Lock.
func (m *Mutex) TryLock() (bool, error) {
	v, err := m.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	n := (*core.Node)(v.At(m.Offset))
	g, died, err := m.Region.TryLockOf(v, n, "mutex", m.Name)
	if g == nil {
		return false, err
	}
	err = m.locked(n, g, died)
	return err == nil || errors.Is(err, ErrOwnerDied), err
}

// locked notes who holds the lock, which was just taken.
func (m *Mutex) locked(n *core.Node, g *core.RobustOwner, died bool) error {
	core.RaceAcquire(m.local)
	if n.Owner == core.NotRecoverable {
		core.RaceRelease(m.local)
		g.Unlock(n)
		return fmt.Errorf("shared: lock mutex %q: %w", m.Name, ErrNotRecoverable)
	}
	m.holder, m.died = g, died
	core.Keep(n, g)
	if died {
		return fmt.Errorf("shared: mutex %q: %w: "+nowYours, m.Name, ErrOwnerDied)
	}
	return nil
}

// nowYours is what ErrOwnerDied leaves to do.
const nowYours = "the lock is now yours: repair what it guards, then call MarkConsistent and Unlock (or use Do)"

// Do takes the mutex, as Lock does, calls f, and releases it. If the last holder was killed
// with the mutex, it first calls repair, which brings what the mutex guards into order. Do
// returns the first error, of which f is not called after one of repair.
//
// Where repair fails, or is nil, and where one of the two panics, the mutex is released as
// if this process had been killed with it: the next one who takes it repairs.
func (m *Mutex) Do(ctx context.Context, repair, f func() error) error {
	return doLocked(m, "mutex", m.Name, m.Lock(ctx), repair, f)
}

// robust is what Do needs of a lock.
type robust interface {
	MarkConsistent() error
	Unlock() error
	abandon() // as if the process were killed
}

// doLocked is do for a lock that was just taken, with the error that came of it.
func doLocked(l robust, kind, name string, taken error, repair, f func() error) (err error) {
	died := errors.Is(taken, ErrOwnerDied)
	if taken != nil && !died {
		return taken
	}
	whole := false
	defer func() {
		if !whole {
			l.abandon()
		}
	}()
	if died && repair == nil {
		return fmt.Errorf("shared: %s %q: %w, and there is no repair for what it guards", kind, name, ErrOwnerDied)
	}
	if died {
		if err := repair(); err != nil {
			return fmt.Errorf("shared: %s %q: %w, and the repair failed: %w", kind, name, ErrOwnerDied, err)
		}
		if err := l.MarkConsistent(); err != nil {
			return err
		}
	}
	err = f()
	whole = true
	if failed := l.Unlock(); err == nil {
		err = failed
	}
	return err
}

// MarkConsistent says that what the mutex guards is in order again, after ErrOwnerDied. It
// fails if this process does not hold the mutex.
func (m *Mutex) MarkConsistent() error {
	if m.holder == nil {
		return fmt.Errorf("shared: mark mutex %q consistent: this process does not hold it", m.Name)
	}
	m.died = false
	return nil
}

func (m *Mutex) abandon() {
	v, err := m.Region.Inside()
	if err != nil || m.holder == nil {
		return // f has released it
	}
	defer v.Done()
	n, g := (*core.Node)(v.At(m.Offset)), m.holder
	n.Owner = 0
	m.holder, m.died = nil, false
	core.RaceRelease(m.local)
	g.Abandon(n)
}

// Unlock releases the mutex, which this process holds. After ErrOwnerDied without
// MarkConsistent it makes the mutex useless: see ErrNotRecoverable.
func (m *Mutex) Unlock() error {
	v, err := m.Region.Inside()
	if err != nil {
		return err
	}
	defer v.Done()
	n, g := (*core.Node)(v.At(m.Offset)), m.holder
	if g == nil || atomic.LoadUint32(&n.Word)&core.TIDMask != g.TID {
		return fmt.Errorf("shared: unlock mutex %q: this process does not hold it", m.Name)
	}
	n.Owner = 0
	if m.died {
		n.Owner = core.NotRecoverable
	}
	m.holder, m.died = nil, false
	core.RaceRelease(m.local)
	g.Unlock(n)
	return nil
}
