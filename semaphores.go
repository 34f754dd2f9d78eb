package sysvipc

import (
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// SemaphoreSet is a set of counting semaphores, semget(2): values from 0 to 32,767
// that [SemaphoreSet.Do] changes together, all or none. It holds nothing in this
// process, so there is nothing to close. Safe for concurrent use.
//
// The zero value is not opened: every call on it is an error, which is [fs.ErrInvalid].
type SemaphoreSet struct {
	object
	next blockHint
}

// OpenSemaphores finds the set with this key. It fails with [fs.ErrNotExist] if there
// is none. It never changes a value, and does not ask whether the creator is done:
// see [EnsureSemaphores].
func OpenSemaphores(key Key) (*SemaphoreSet, error) {
	o := object{kind: KindSemaphores, key: key}
	if err := o.checkOpen("open"); err != nil {
		return nil, err
	}
	id, errno := sysv.Semget(int32(key), 0, 0)
	if errno != 0 {
		return nil, o.fail("open", errno, o.notFound(errno))
	}
	o.handle = handleOf(id)
	return &SemaphoreSet{object: o}, nil
}

// SemaphoresByID returns the set with this ID, without asking the kernel: the first
// call on it will tell whether there is one.
func SemaphoresByID(id int) *SemaphoreSet {
	return &SemaphoreSet{object: byID(KindSemaphores, id)}
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
	if st.Len == 1 {
		return "the set has 1 semaphore, with index 0"
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
func (s *SemaphoreSet) Stat() (SemaphoreSetStat, error) { return s.stat("stat") }

// stat is Stat for the sake of another operation, which its error names.
func (s *SemaphoreSet) stat(op string) (SemaphoreSetStat, error) {
	ds, _, errno := sysv.SemctlStat(s.ID(), sysv.IPC_STAT)
	if errno == syscall.EACCES {
		return statByList(s.object, op, SemaphoreSets())
	}
	if errno != 0 {
		return SemaphoreSetStat{}, s.fail(op, errno, "")
	}
	return semaphoreSetStat(s.ID(), ds), nil
}

func semaphoreSetStat(id int, ds sysv.SemidDS) SemaphoreSetStat {
	return SemaphoreSetStat{
		Object:   objectOf(KindSemaphores, id, ds.Perm, ds.Ctime),
		Len:      int(ds.Nsems),
		Operated: timeOf(ds.Otime),
	}
}

// Len asks the kernel how many semaphores the set has.
func (s *SemaphoreSet) Len() (int, error) {
	st, err := s.stat("count the semaphores of")
	return st.Len, err
}

// Remove removes the set at once (IPC_RMID). Waiters get ErrRemoved.
func (s *SemaphoreSet) Remove() error {
	if errno := sysv.SemctlRmid(s.ID()); errno != 0 {
		return s.failOwner("remove", errno)
	}
	return nil
}

// Chmod changes the permission bits (IPC_SET).
func (s *SemaphoreSet) Chmod(perm fs.FileMode) error { return s.chmod("chmod", perm) }

func (s *SemaphoreSet) chmod(op string, perm fs.FileMode) error {
	return s.set(op, func(st *Object) { st.Mode = perm })
}

// Chown changes the owner (IPC_SET); -1 leaves a value as it is.
func (s *SemaphoreSet) Chown(uid, gid int) error {
	if err := s.checkOwner("chown", uid, gid); err != nil {
		return err
	}
	return s.set("chown", chown(uid, gid))
}

func (s *SemaphoreSet) set(op string, change func(*Object)) error {
	st, err := s.stat(op)
	if err != nil {
		return err
	}
	change(&st.Object)
	if err := s.checkPerm(op, st.Mode); err != nil {
		return err
	}
	errno := sysv.SemctlSet(s.ID(), uint32(st.UID), uint32(st.GID), uint32(st.Mode))
	if errno == 0 {
		return nil
	}
	_, gone := s.Stat()
	return s.notSet(op, errno, st.Object, gone)
}

// semaphoresText is a number with its noun.
func semaphoresText(n int) string {
	if n == 1 {
		return "1 semaphore"
	}
	return fmt.Sprintf("%d semaphores", n)
}
