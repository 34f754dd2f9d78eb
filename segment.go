package sysvipc

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Segment is a shared memory segment: shmget(2). It holds nothing in this process,
// so there is nothing to close; [Segment.Attach] gives the memory itself. Safe for
// concurrent use.
//
// The zero value is not opened: every call on it is an error, which is [fs.ErrInvalid].
type Segment struct {
	object
}

// CreateSegment makes a segment of size bytes, all zero. It fails with
// [fs.ErrExist] if the key is taken. The kernel hands out whole pages, but keeps
// and reports size as it was given.
func CreateSegment(key Key, size int64, perm fs.FileMode) (*Segment, error) {
	return Creator{}.CreateSegment(key, size, perm)
}

// OpenSegment finds the segment with this key. It fails with [fs.ErrNotExist] if
// there is none. Permissions are checked when it is used.
func OpenSegment(key Key) (*Segment, error) {
	o := object{kind: KindSegment, key: key}
	if err := o.checkOpen("open"); err != nil {
		return nil, err
	}
	id, errno := sysv.Shmget(int32(key), 0, 0)
	if errno != 0 {
		return nil, o.fail("open", errno, o.notFound(errno))
	}
	o.handle = handleOf(id)
	return &Segment{object: o}, nil
}

// EnsureSegment finds the segment with this key, or makes it. However many
// processes race, one segment comes out. One that exists must have at least size
// bytes, grant this process what perm asks for, and let in nobody whom perm keeps out: see
// [Creator.Check].
func EnsureSegment(key Key, size int64, perm fs.FileMode) (*Segment, error) {
	return Creator{}.EnsureSegment(key, size, perm)
}

// SegmentByID returns the segment with this ID, without asking the kernel: the
// first call on it will tell whether there is one. IDs are never negative; 0 is an
// ID like any other.
func SegmentByID(id int) *Segment {
	return &Segment{object: byID(KindSegment, id)}
}

// SegmentStat is what the kernel keeps of a segment: struct shmid_ds of shmctl(2).
type SegmentStat struct {
	Object
	Size                 int64     // in bytes, as it was created
	Attaches             int       // mappings of it: a process can have several, and a fork doubles them
	Attached, Detached   time.Time // of the last attach and detach; zero if never
	CreatorPID, LastPID  int       // of the creator, and of the last attach or detach; 0 if not visible from here
	Destroyed            bool      // removed, and gone with its last detach
	Locked               bool      // SHM_LOCK: never swapped out
	Resident, SwappedOut int64     // bytes in memory and in swap; -1 if not known ([Segments] knows)
}

// Stat asks the kernel for what it keeps of the segment. Where the mode does not
// let this process read it, the answer comes from the list of all objects.
func (s *Segment) Stat() (SegmentStat, error) { return s.stat("stat") }

// stat is Stat for the sake of another operation, which its error names.
func (s *Segment) stat(op string) (SegmentStat, error) {
	ds, _, errno := sysv.ShmctlStat(s.ID(), sysv.IPC_STAT)
	if errno == syscall.EACCES {
		return statByList(s.object, op, Segments())
	}
	if errno != 0 {
		return SegmentStat{}, s.fail(op, errno, "")
	}
	return segmentStat(s.ID(), ds), nil
}

func segmentStat(id int, ds sysv.ShmidDS) SegmentStat {
	return SegmentStat{
		Object:     objectOf(KindSegment, id, ds.Perm, ds.Ctime),
		Size:       int64(ds.Segsz),
		Attaches:   int(ds.Nattch),
		Attached:   timeOf(ds.Atime),
		Detached:   timeOf(ds.Dtime),
		CreatorPID: int(ds.Cpid),
		LastPID:    int(ds.Lpid),
		Destroyed:  ds.Perm.Mode&sysv.SHM_DEST != 0,
		Locked:     ds.Perm.Mode&sysv.SHM_LOCKED != 0,
		Resident:   -1, SwappedOut: -1,
	}
}

// Remove marks the segment for removal (IPC_RMID): its key is free at once, and its
// memory lives until the last process detaches. A process that has the ID can
// attach it until then.
func (s *Segment) Remove() error {
	if errno := sysv.Shmctl(s.ID(), sysv.IPC_RMID); errno != 0 {
		return s.failOwner("remove", errno)
	}
	return nil
}

// Chmod changes the permission bits (IPC_SET).
func (s *Segment) Chmod(perm fs.FileMode) error {
	return s.set("chmod", func(st *Object) { st.Mode = perm })
}

// Chown changes the owner (IPC_SET); -1 leaves a value as it is. The creator's
// rights remain.
func (s *Segment) Chown(uid, gid int) error {
	if err := s.checkOwner("chown", uid, gid); err != nil {
		return err
	}
	return s.set("chown", chown(uid, gid))
}

func (s *Segment) set(op string, change func(*Object)) error {
	st, err := s.stat(op)
	if err != nil {
		return err
	}
	change(&st.Object)
	if err := s.checkPerm(op, st.Mode); err != nil {
		return err
	}
	errno := sysv.ShmctlSet(s.ID(), uint32(st.UID), uint32(st.GID), uint32(st.Mode))
	if errno == 0 {
		return nil
	}
	_, gone := s.Stat()
	return s.notSet(op, errno, st.Object, gone)
}

// Lock keeps the segment out of swap (SHM_LOCK). Pages that were never touched are
// not brought in by it. It needs the owner within RLIMIT_MEMLOCK, or CAP_IPC_LOCK.
func (s *Segment) Lock() error { return s.lock("lock", sysv.SHM_LOCK) }

// Unlock lets the segment be swapped out again (SHM_UNLOCK).
func (s *Segment) Unlock() error { return s.lock("unlock", sysv.SHM_UNLOCK) }

func (s *Segment) lock(op string, cmd int) error {
	errno := sysv.Shmctl(s.ID(), cmd)
	hint := ""
	switch errno {
	case 0:
		return nil
	case syscall.EPERM:
		if hint = s.notOwner("CAP_IPC_LOCK"); hint == sandboxed && cmd == sysv.SHM_LOCK {
			hint = "RLIMIT_MEMLOCK is 0 (see \"ulimit -l\"), or " + sandboxed
		}
	case syscall.ENOMEM:
		hint = "it passes RLIMIT_MEMLOCK, which CAP_IPC_LOCK may: see \"ulimit -l\""
	}
	return s.fail(op, errno, hint)
}

// segment is shmget with checks, and says which limit is behind an error.
func (c Creator) segment(op string, key Key, size int64, perm fs.FileMode, flags int) (*Segment, error) {
	o := object{kind: KindSegment, key: key}
	if err := o.checkPerm(op, perm); err != nil {
		return nil, err
	}
	if size <= 0 || uint64(size) > math.MaxInt {
		return nil, o.refuse(op, syscall.EINVAL, "size %d: a segment has from 1 to %d bytes", size, math.MaxInt)
	}
	huge, err := c.hugeFlags(o, op)
	if err != nil {
		return nil, err
	}
	id, errno, hint := c.withID(o, func(key Key) (int, syscall.Errno) {
		return sysv.Shmget(int32(key), uintptr(size), flags|huge|int(perm))
	})
	if errno != 0 {
		if hint == "" {
			hint = c.segmentHint(o, errno, size)
		}
		return nil, o.fail(op, errno, hint)
	}
	o.handle = handleOf(id)
	return &Segment{object: o}, nil
}

// reserveHugePages says how to get so many bytes in huge pages.
func (c Creator) reserveHugePages(size int64) string {
	if c.HugePages == 1 {
		return fmt.Sprintf("not enough free huge pages for %d bytes: reserve them, as root, by \"sysctl vm.nr_hugepages=N\"; /proc/meminfo has their size and how many are free", size)
	}
	n := (size-1)/c.HugePages + 1
	return fmt.Sprintf("not enough free huge pages: %d of %d bytes are needed; reserve them, as root, by writing how many there shall be to /sys/kernel/mm/hugepages/hugepages-%dkB/nr_hugepages", n, c.HugePages, c.HugePages>>10)
}

// segmentHint finds out which of the limits that share an errno was met.
func (c Creator) segmentHint(o object, errno syscall.Errno, size int64) string {
	lim, err := ReadLimits()
	if err != nil {
		return o.notMade(errno)
	}
	l, page := lim.Segments, int64(os.Getpagesize())
	switch errno {
	case syscall.EINVAL:
		if old, err := OpenSegment(o.key); err == nil && o.key != Private {
			if st, err := old.Stat(); err == nil && st.Size < size {
				return fmt.Sprintf("segment %d has this key and only %d bytes, not %d: remove it, or ask for no more", old.ID(), st.Size, size)
			}
		}
		if uint64(size) > l.MaxSize {
			return fmt.Sprintf("kernel.shmmax: a segment has at most %d bytes, not %d", l.MaxSize, size)
		}
		switch c.HugePages {
		case 0:
		case 1:
			return "this kernel offers no huge pages; see /sys/kernel/mm/hugepages"
		default:
			return fmt.Sprintf("this kernel offers no huge pages of %d bytes; see /sys/kernel/mm/hugepages", c.HugePages)
		}
	case syscall.ENOSPC:
		if l.InUse >= l.Max {
			return fmt.Sprintf("kernel.shmmni: %d of %d segments in use; see \"sysvipc limits\"", l.InUse, l.Max)
		}
		return fmt.Sprintf("kernel.shmall: %d of %d pages in use, and %d more wanted; see \"sysvipc limits\"", l.Pages, l.MaxPages, (size+page-1)/page)
	case syscall.ENOMEM:
		if c.HugePages != 0 {
			return c.reserveHugePages(size)
		}
		return fmt.Sprintf("no memory for %d bytes: see vm.overcommit_memory, or reserve none (NoReserve, --noreserve)", size)
	case syscall.EPERM:
		if c.HugePages != 0 {
			return "huge pages need CAP_IPC_LOCK or a group in vm.hugetlb_shm_group"
		}
	case syscall.EACCES:
		return o.notGranted()
	}
	return o.notMade(errno)
}
