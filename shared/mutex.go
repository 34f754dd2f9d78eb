package shared

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

var (
	// ErrOwnerDied comes with a lock that was taken: its last holder was killed with it,
	// so that what it guards may be half changed. Look, repair, and call
	// [Mutex.MarkConsistent] before Unlock; or use [Mutex.Do], which does all that.
	ErrOwnerDied = errors.New("the last owner died with the lock")
	// ErrNotRecoverable: a lock was released after ErrOwnerDied without
	// MarkConsistent. Nobody can take it any more.
	ErrNotRecoverable = errors.New("what the lock guards was not repaired")
)

// Mutex is a lock among the goroutines of all processes that have the region open. Its
// holder may be killed at any instant: the kernel then gives the lock to one who waits,
// who gets [ErrOwnerDied] with it. Nothing polls.
//
// It is a robust, process-shared pthread_mutex_t of glibc on 64-bit Linux, and C programs
// may lock it as such.
type Mutex struct {
	thing
	local  chan struct{} // held by the one goroutine of this process that waits
	holder *guardian     // of the holder, while it is held here
	died   bool          // it was taken from a dead owner, and is not marked consistent
}

// mutexBytes is the size of a pthread_mutex_t.
const mutexBytes = 40

// pthread_mutex_t's kind for a robust mutex of the default type, shared among processes:
// PTHREAD_MUTEX_ROBUST_NORMAL_NP and the process-shared bit of glibc.
const robustShared = 0x10 | 0x80

// MutexOf returns the region's mutex with this name, and makes it if there is none. A
// second call returns the same.
func MutexOf(r *Region, name string) (*Mutex, error) {
	t, err := r.declare(context.Background(), wanted{
		kind: kindMutex, name: name, size: mutexBytes,
		init: func(v *view, t thing) { (*node)(v.at(t.offset)).kind = robustShared },
	})
	if err != nil {
		return nil, err
	}
	return lockAt(r, t.offset, &Mutex{thing: t, local: r.localLock(t.offset)}), nil
}

// Lock takes the mutex, and waits for it until ctx is done. With [ErrOwnerDied] it is
// taken too; with any other error it is not.
func (m *Mutex) Lock(ctx context.Context) error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	n := (*node)(v.at(m.offset))
	g, died, err := m.region.lock(ctx, v, n, m.local)
	if err != nil {
		return fmt.Errorf("shared: lock mutex %q: %w", m.name, err)
	}
	return m.locked(n, g, died)
}

// TryLock takes the mutex if it is free, and reports whether it did. ErrOwnerDied is as
// for Lock.
func (m *Mutex) TryLock() (bool, error) {
	v, err := m.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	n, g, in := (*node)(v.at(m.offset)), pick(), door{m.region, v}
	ok, died := g.tryLock(n, 0, in)
	if !ok && in.closed() {
		return false, m.region.closed()
	}
	if !ok {
		return false, tooManyAt("mutex", m.name)
	}
	err = m.locked(n, g, died)
	return err == nil || errors.Is(err, ErrOwnerDied), err
}

// locked notes who holds the lock, which was just taken.
func (m *Mutex) locked(n *node, g *guardian, died bool) error {
	raceAcquire(m.local)
	if n.owner == notRecoverable {
		raceRelease(m.local)
		g.unlock(n)
		return fmt.Errorf("shared: lock mutex %q: %w", m.name, ErrNotRecoverable)
	}
	m.holder, m.died = g, died
	keep(n, g)
	if died {
		return fmt.Errorf("shared: mutex %q: %w: "+nowYours, m.name, ErrOwnerDied)
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
	return do(m, "mutex", m.name, m.Lock(ctx), repair, f)
}

// robust is what Do needs of a lock.
type robust interface {
	MarkConsistent() error
	Unlock() error
	abandon() // as if the process were killed
}

// do is Do for a lock that was just taken, with the error that came of it.
func do(l robust, kind, name string, taken error, repair, f func() error) (err error) {
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
		return fmt.Errorf("shared: mark mutex %q consistent: this process does not hold it", m.name)
	}
	m.died = false
	return nil
}

func (m *Mutex) abandon() {
	v, err := m.region.inside()
	if err != nil || m.holder == nil {
		return // f has released it
	}
	defer v.done()
	n, g := (*node)(v.at(m.offset)), m.holder
	n.owner = 0
	m.holder, m.died = nil, false
	raceRelease(m.local)
	g.abandon(n)
}

// Unlock releases the mutex, which this process holds. After ErrOwnerDied without
// MarkConsistent it makes the mutex useless: see ErrNotRecoverable.
func (m *Mutex) Unlock() error {
	v, err := m.region.inside()
	if err != nil {
		return err
	}
	defer v.done()
	n, g := (*node)(v.at(m.offset)), m.holder
	if g == nil || atomic.LoadUint32(&n.word)&futexTIDMask != g.tid {
		return fmt.Errorf("shared: unlock mutex %q: this process does not hold it", m.name)
	}
	n.owner = 0
	if m.died {
		n.owner = notRecoverable
	}
	m.holder, m.died = nil, false
	raceRelease(m.local)
	g.unlock(n)
	return nil
}
