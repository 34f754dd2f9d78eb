package shared

import (
	"context"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// RWMutex is a lock among the goroutines of all processes that have the region open: held
// by any number of readers, or by one writer. Readers of different processes share no
// cache line. A writer that waits keeps new readers out, so that they cannot starve it;
// readers and writers then stand in one line, so that writers cannot starve them either.
// So a goroutine that holds it for reading must not take it again. Its methods may be
// called by any goroutine; [RWMutex.Unlock] and [RWMutex.MarkConsistent] are for the goroutine that
// holds it for writing.
//
// A reader that is killed, at any instant, is counted out by the process that notices first: a
// writer that waits for it is woken by the kernel, and no other sees anything of it. A
// writer that is killed while it waits has changed nothing, and the next one goes on. A
// writer that is killed while it holds the lock may have left half a change: the next
// [RWMutex.Lock] has the lock and gets [ErrOwnerDied], to repair what the lock guards, and
// until one has done so [RWMutex.RLock] fails with ErrOwnerDied and does not take it.
type RWMutex struct{ lock *structure.RWMutex }

// RWMutexOf returns the region's reader and writer lock with this name, and makes it if
// there is none. A second call returns the same.
func RWMutexOf(r *Region, name string) (*RWMutex, error) {
	lock, err := structure.DeclareRWMutex(core.Of(r), name)
	if err != nil {
		return nil, err
	}
	m := &RWMutex{lock}
	return core.Once(core.Of(r), m.lock.Offset, m), nil
}

// Lock takes the lock for writing, and waits for it until ctx is done. With [ErrOwnerDied]
// it is taken too; with any other error it is not.
func (m *RWMutex) Lock(ctx context.Context) error { return m.lock.Lock(ctx) }

// TryLock takes the lock for writing if nobody holds it, and reports whether it did.
// ErrOwnerDied is as for Lock.
func (m *RWMutex) TryLock() (bool, error) { return m.lock.TryLock() }

// RLock takes the lock for reading, and waits for it until ctx is done. With an error it
// is not taken; [ErrOwnerDied] says that a writer must repair what it guards first.
func (m *RWMutex) RLock(ctx context.Context) error { return m.lock.RLock(ctx) }

// TryRLock takes the lock for reading if no writer holds it or waits for it, and reports
// whether it did.
func (m *RWMutex) TryRLock() (bool, error) { return m.lock.TryRLock() }

// Do takes the lock for writing, as [RWMutex.Lock] does, calls f, and releases it, with
// repair as for [Mutex.Do].
func (m *RWMutex) Do(ctx context.Context, repair, f func() error) error {
	return m.lock.Do(ctx, repair, f)
}

// RDo takes the lock for reading, as [RWMutex.RLock] does, calls f, and gives it back, also
// if f panics. If the last writer was killed with the lock, it first takes it for writing
// and calls repair, as Do does.
func (m *RWMutex) RDo(ctx context.Context, repair, f func() error) error {
	return m.lock.RDo(ctx, repair, f)
}

// MarkConsistent says that what the lock guards is in order again, after ErrOwnerDied. It
// fails if this process does not hold the lock for writing.
func (m *RWMutex) MarkConsistent() error { return m.lock.MarkConsistent() }

// Unlock gives the lock back, which this process holds for writing. After ErrOwnerDied
// without MarkConsistent it makes the lock useless: see ErrNotRecoverable.
func (m *RWMutex) Unlock() error { return m.lock.Unlock() }

// RUnlock gives the lock back, which this process holds for reading.
func (m *RWMutex) RUnlock() error { return m.lock.RUnlock() }
