package sysvipc

import (
	"cmp"
	"errors"
	"io/fs"
	"math/bits"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Creator makes objects with rarer options. Its zero value makes what [CreateSegment],
// [CreateSemaphores] and [CreateQueue] make.
type Creator struct {
	// ID, if not nil, is the exact ID that a new object gets, as a restore needs
	// it. This needs CAP_CHECKPOINT_RESTORE (or CAP_SYS_ADMIN) and a kernel with
	// CONFIG_CHECKPOINT_RESTORE. Create fails with [fs.ErrExist] if the ID is
	// taken; Ensure refuses it, since an object that exists has its ID.
	ID *int
	// HugePages, if not 0, is the page size of a segment in bytes, such as 2<<20
	// (SHM_HUGETLB); 1 takes the machine's default size.
	HugePages int64
	// NoReserve promises no swap for a segment (SHM_NORESERVE): a large sparse
	// one is then possible, and touching it may end in SIGBUS.
	NoReserve bool
	// Owners are users to whom an object that Ensure finds may belong, beside this one and
	// root: see [Creator.Check].
	Owners []int
	// AnyMode leaves the mode of an object that Ensure finds to its owner.
	AnyMode bool
}

// CreateSegment is [CreateSegment] with c's options.
func (c Creator) CreateSegment(key Key, size int64, perm fs.FileMode) (*Segment, error) {
	return c.segment("create", key, size, perm, sysv.IPC_CREAT|sysv.IPC_EXCL)
}

// EnsureSegment is [EnsureSegment] with c's options, which take effect if it is made.
func (c Creator) EnsureSegment(key Key, size int64, perm fs.FileMode) (*Segment, error) {
	if err := c.checkEnsure(object{kind: KindSegment, key: key}, perm); err != nil {
		return nil, err
	}
	return ensure(func(flags int) (*Segment, error) {
		return c.segment("ensure", key, size, perm, flags)
	}, func(s *Segment) error {
		st, err := s.Stat()
		return cmp.Or(err, c.Check(st.Object, perm))
	})
}

// ensure finds an object and checks it, or makes it.
func ensure[T any](get func(flags int) (T, error), check func(T) error) (T, error) {
	for {
		o, err := get(0)
		switch {
		case err == nil:
			err = check(o)
		case errors.Is(err, syscall.ENOENT):
			o, err = get(sysv.IPC_CREAT | sysv.IPC_EXCL)
		}
		switch {
		case err == nil:
			return o, nil
		case errors.Is(err, syscall.EEXIST), errors.Is(err, ErrRemoved): // another was first, meanwhile
		default:
			var none T
			return none, err
		}
	}
}

// checkEnsure refuses what Ensure cannot mean, whether the object exists or not.
func (c Creator) checkEnsure(o object, perm fs.FileMode) error {
	const op = "ensure"
	if err := o.checkOpen(op); err != nil {
		return err
	}
	if c.ID != nil {
		return o.refuse(op, syscall.EINVAL, "ID %d: an object that exists has its ID, so only Create takes one", *c.ID)
	}
	return o.checkPerm(op, perm)
}

// hugeFlags returns the flags of shmget for c's options.
func (c Creator) hugeFlags(o object, op string) (int, error) {
	flags := 0
	if c.NoReserve {
		flags |= sysv.SHM_NORESERVE
	}
	switch {
	case c.HugePages == 0:
	case c.HugePages == 1:
		flags |= sysv.SHM_HUGETLB
	case c.HugePages < 0 || bits.OnesCount64(uint64(c.HugePages)) != 1:
		return 0, o.refuse(op, syscall.EINVAL, "huge pages of %d bytes: not a power of two", c.HugePages)
	default:
		flags |= sysv.SHM_HUGETLB | bits.TrailingZeros64(uint64(c.HugePages))<<sysv.SHM_HUGE_SHIFT
	}
	return flags, nil
}

// remove is IPC_RMID of an object that was just made here.
func remove(kind Kind, id int) {
	switch kind {
	case KindSegment:
		sysv.Shmctl(id, sysv.IPC_RMID)
	case KindSemaphores:
		sysv.SemctlRmid(id)
	case KindQueue:
		sysv.MsgctlRmid(id)
	}
}
