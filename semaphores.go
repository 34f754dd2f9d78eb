package sysvipc

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// SemaphoreSet is a set of counting semaphores, semget(2): values from 0 to 32,767
// that [SemaphoreSet.Do] changes together, all or none. It holds nothing in this
// process, so there is nothing to close. Safe for concurrent use.
type SemaphoreSet struct{ object }

// OpenSemaphores finds the set with this key. It fails with [fs.ErrNotExist] if there
// is none. It never changes a value, and does not ask whether the creator is done:
// see [EnsureSemaphores].
func OpenSemaphores(key Key) (*SemaphoreSet, error) {
	o := object{KindSemaphores, key, noID}
	if err := o.checkOpen("open"); err != nil {
		return nil, err
	}
	id, errno := sysv.Semget(int32(key), 0, 0)
	if errno != 0 {
		return nil, o.fail("open", errno, o.notFound(errno))
	}
	o.id = id
	return &SemaphoreSet{o}, nil
}

// SemaphoresByID returns the set with this ID, without asking the kernel: the first
// call on it will tell whether there is one.
func SemaphoresByID(id int) *SemaphoreSet {
	return &SemaphoreSet{byID(KindSemaphores, id)}
}

// ID returns the kernel's handle, which any process of the IPC namespace may use. It
// may be 0.
func (s *SemaphoreSet) ID() int { return s.id }

// Do makes all operations at once, or waits until that is possible: semop(2). It
// makes all or none. It fails with ErrRemoved if the set is removed, with the
// context's error if that ends first, and with ErrTooBig for an index that is not
// there, a value beyond 32,767, or more operations than [SemaphoreLimits] allow.
//
// A context that is done already stops it before it begins. While it waits it is
// neither polled nor woken in vain, and goroutines of this process that wait for the
// same stand in line, in order: the kernel counts them as one waiter.
func (s *SemaphoreSet) Do(ctx context.Context, ops ...Op) error {
	return s.do(ctx, "operate on", ops)
}

func (s *SemaphoreSet) do(ctx context.Context, op string, ops []Op) error {
	if ctx.Err() != nil {
		return s.cancelled(op, ctx)
	}
	var room [8]sysv.Sembuf
	sops, err := s.sembufs(op, room[:0], ops)
	if err != nil {
		return err
	}
	errno := syscall.EAGAIN
	if waiting.count.Load() == 0 || !waiting.queued(s.lineKey(sops)) {
		errno = sysv.SemopNowait(s.id, sops)
	}
	if errno == syscall.EAGAIN {
		var cancelled bool
		if errno, cancelled = s.wait(ctx, sops); cancelled {
			return s.cancelled(op, ctx)
		}
	}
	return s.result(op, errno, ops)
}

// TryDo makes all operations at once if that is possible now, and reports whether it
// was.
func (s *SemaphoreSet) TryDo(ops ...Op) (bool, error) { return s.tryDo("operate on", ops) }

func (s *SemaphoreSet) tryDo(op string, ops []Op) (bool, error) {
	var room [8]sysv.Sembuf
	sops, err := s.sembufs(op, room[:0], ops)
	if err != nil {
		return false, err
	}
	errno := sysv.SemopNowait(s.id, sops)
	if errno == syscall.EAGAIN {
		return false, nil
	}
	return errno == 0, s.result(op, errno, ops)
}

// lineKey says what operations wait for.
func (s *SemaphoreSet) lineKey(sops []sysv.Sembuf) *lineKey {
	key := &lineKey{object: objectKey{s.kind, s.id}, call: 'o'}
	if n := copy(key.ops[:], sops); n < len(sops) {
		// A copy, since what is printed escapes to the heap: sops shall stay where they are.
		key.rest = fmt.Sprint(slices.Clone(sops[n:]))
	}
	return key
}

// wait stands in line for operations that were not possible at once. Sops carry
// IPC_NOWAIT, which is taken off for waiting in the kernel.
func (s *SemaphoreSet) wait(ctx context.Context, sops []sysv.Sembuf) (errno syscall.Errno, cancelled bool) {
	try := slices.Clone(sops)
	wait := slices.Clone(sops)
	for i := range wait {
		wait[i].Flg &^= sysv.IPC_NOWAIT
	}
	id := s.id
	return waiting.wait(ctx, s.lineKey(sops), func(block bool) syscall.Errno {
		if block {
			return sysv.Semop(id, wait)
		}
		return sysv.SemopNowait(id, try)
	})
}

// result turns the kernel's answer to operations into an error.
func (s *SemaphoreSet) result(op string, errno syscall.Errno, ops []Op) error {
	hint := ""
	switch errno {
	case 0:
		return nil
	case syscall.EFBIG:
		hint = s.wrongIndex(ops)
	case syscall.ERANGE:
		hint = "a value would pass 32767, or the sum of what this process would undo"
	case syscall.E2BIG:
		hint = fmt.Sprintf("%d operations in one call", len(ops))
		if lim, err := ReadLimits(); err == nil {
			hint += fmt.Sprintf("; kernel.sem allows %d (SEMOPM)", lim.Semaphores.MaxOps)
		}
	case syscall.ENOSPC, syscall.ENOMEM:
		hint = "the kernel has no memory for undo records"
	}
	return s.fail(op, errno, hint)
}

// wrongIndex says which operation is on a semaphore that is not there.
func (s *SemaphoreSet) wrongIndex(ops []Op) string {
	if st, err := s.Stat(); err == nil {
		for i, o := range ops {
			if o.index < 0 || o.index >= st.Len {
				return fmt.Sprintf("operation %d is on semaphore %d: %s", i, o.index, s.indexes())
			}
		}
	}
	return s.indexes()
}

// indexes says which indexes there are.
func (s *SemaphoreSet) indexes() string {
	st, err := s.Stat()
	if err != nil {
		return "it has no semaphore with this index"
	}
	if st.Len == 1 {
		return "the set has one semaphore, with index 0"
	}
	return fmt.Sprintf("the set has %d semaphores, with indexes 0 to %d", st.Len, st.Len-1)
}

// SemaphoreSetStat is what the kernel keeps of a set: struct semid_ds of semctl(2).
type SemaphoreSetStat struct {
	Object
	Len      int       // semaphores in the set
	Operated time.Time // of the last semop, waiting for zero too; zero if never
}

// Stat asks the kernel for what it keeps of the set. Where the mode does not let this
// process read it, the answer comes from the list of all objects.
func (s *SemaphoreSet) Stat() (SemaphoreSetStat, error) {
	ds, _, errno := sysv.SemctlStat(s.id, sysv.IPC_STAT)
	if errno == syscall.EACCES {
		return statByList(s.object, SemaphoreSets())
	}
	if errno != 0 {
		return SemaphoreSetStat{}, s.fail("stat", errno, "")
	}
	return semaphoreSetStat(s.id, ds), nil
}

func semaphoreSetStat(id int, ds sysv.SemidDS) SemaphoreSetStat {
	return SemaphoreSetStat{
		Object:   objectOf(KindSemaphores, id, ds.Perm, ds.Ctime),
		Len:      int(ds.Nsems),
		Operated: timeOf(ds.Otime),
	}
}

// Remove removes the set at once (IPC_RMID). Whoever waits on it gets ErrRemoved.
func (s *SemaphoreSet) Remove() error {
	if errno := sysv.SemctlRmid(s.id); errno != 0 {
		return s.fail("remove", errno, "")
	}
	return nil
}

// Chmod changes the permission bits (IPC_SET).
func (s *SemaphoreSet) Chmod(perm fs.FileMode) error {
	return s.set("chmod", func(st *Object) { st.Mode = perm })
}

// Chown changes the owner (IPC_SET); -1 leaves a value as it is.
func (s *SemaphoreSet) Chown(uid, gid int) error {
	if err := s.checkOwner("chown", uid, gid); err != nil {
		return err
	}
	return s.set("chown", chown(uid, gid))
}

func (s *SemaphoreSet) set(op string, change func(*Object)) error {
	st, err := s.Stat()
	if err != nil {
		return err
	}
	change(&st.Object)
	if err := s.checkPerm(op, st.Mode); err != nil {
		return err
	}
	errno := sysv.SemctlSet(s.id, uint32(st.UID), uint32(st.GID), uint32(st.Mode))
	if errno == 0 {
		return nil
	}
	_, gone := s.Stat()
	return s.notSet(op, errno, st.Object, gone)
}
