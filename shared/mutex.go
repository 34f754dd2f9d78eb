package shared

import (
	"context"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

var (
	// ErrOwnerDied comes with a lock that was taken: its last holder was killed with it,
	// so that what it guards may be half changed. Look, repair, and call
	// [Mutex.MarkConsistent] before Unlock; or use [Mutex.Do], which does all that.
	ErrOwnerDied = structure.ErrOwnerDied
	// ErrNotRecoverable: a lock was released after ErrOwnerDied without
	// MarkConsistent. Nobody can take it any more.
	ErrNotRecoverable = structure.ErrNotRecoverable
)

// Mutex is a lock among the goroutines of all processes that have the region open. Its
// holder may be killed at any instant: the kernel then gives the lock to one who waits,
// who gets [ErrOwnerDied] with it. Nothing polls.
//
// It is a robust, process-shared pthread_mutex_t of glibc on 64-bit Linux, and C programs
// may lock it as such.
type Mutex struct{ lock structure.Mutex }

// MutexOf returns the region's mutex with this name, and makes it if there is none. A
// second call returns the same.
func MutexOf(r *Region, name string) (*Mutex, error) {
	lock, err := structure.DeclareMutex(core.Of(r), name)
	if err != nil {
		return nil, err
	}
	m := &Mutex{*lock}
	return core.Once(core.Of(r), m.lock.Offset, m), nil
}

// Lock takes the mutex, and waits for it until ctx is done. With [ErrOwnerDied] it is
// taken too; with any other error it is not.
func (m *Mutex) Lock(ctx context.Context) error { return m.lock.Lock(ctx) }

// TryLock takes the mutex if it is free, and reports whether it did. ErrOwnerDied is as
// for Lock.
func (m *Mutex) TryLock() (bool, error) { return m.lock.TryLock() }

// Do takes the mutex, as Lock does, calls f, and releases it. If the last holder was killed
// with the mutex, it first calls repair, which brings what the mutex guards into order. Do
// returns the first error, of which f is not called after one of repair.
//
// Where repair fails, or is nil, and where one of the two panics, the mutex is released as
// if this process had been killed with it: the next one who takes it repairs.
func (m *Mutex) Do(ctx context.Context, repair, f func() error) error {
	return m.lock.Do(ctx, repair, f)
}

// MarkConsistent says that what the mutex guards is in order again, after ErrOwnerDied. It
// fails if this process does not hold the mutex.
func (m *Mutex) MarkConsistent() error { return m.lock.MarkConsistent() }

// Unlock releases the mutex, which this process holds. After ErrOwnerDied without
// MarkConsistent it makes the mutex useless: see ErrNotRecoverable.
func (m *Mutex) Unlock() error { return m.lock.Unlock() }
