package sysvipc

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"strconv"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Creator makes objects with the rarer options of the kernel. Its zero value makes
// what [CreateSegment], [CreateSemaphores] and [CreateQueue] make.
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
}

// CreateSegment is [CreateSegment] with c's options.
func (c Creator) CreateSegment(key Key, size int64, perm fs.FileMode) (*Segment, error) {
	return c.segment("create", key, size, perm, sysv.IPC_CREAT|sysv.IPC_EXCL)
}

// EnsureSegment is [EnsureSegment] with c's options, which take effect if it is made.
func (c Creator) EnsureSegment(key Key, size int64, perm fs.FileMode) (*Segment, error) {
	if err := (object{KindSegment, key, -1}).checkOpen("ensure"); err != nil {
		return nil, err
	}
	return c.segment("ensure", key, size, perm, sysv.IPC_CREAT)
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

// nextID are the kernel's files that give the next object its ID.
var nextID = map[Kind]string{
	KindSegment:    "/proc/sys/kernel/shm_next_id",
	KindSemaphores: "/proc/sys/kernel/sem_next_id",
	KindQueue:      "/proc/sys/kernel/msg_next_id",
}

// withID calls create, and has the kernel give its object the ID c.ID. The file
// serves whoever creates next, so the outcome is checked: if another process came
// between, ours has a wrong ID and goes away again.
func (c Creator) withID(o object, flags int, create func() (int, syscall.Errno)) (int, syscall.Errno, string) {
	if c.ID == nil {
		id, errno := create()
		return id, errno, ""
	}
	want := *c.ID
	if flags&sysv.IPC_EXCL == 0 || want < 0 {
		return -1, syscall.EINVAL, fmt.Sprintf("ID %d: only Create gives a new object an exact ID, which is not negative", want)
	}
	file := nextID[o.kind]
	if err := os.WriteFile(file, strconv.AppendInt(nil, int64(want), 10), 0); err != nil {
		errno := syscall.EPERM
		errors.As(err, &errno)
		return -1, errno, fmt.Sprintf("an exact ID needs CAP_CHECKPOINT_RESTORE and %s", file)
	}
	id, errno := create()
	if errno != 0 {
		consumeNextID(o.kind)
		return id, errno, ""
	}
	if id == want {
		return id, 0, ""
	}
	remove(o.kind, id)
	return -1, syscall.EEXIST, fmt.Sprintf("ID %d is taken, or another process created an object at the same moment", want)
}

// consumeNextID uses up an ID that was asked for and not taken: else whoever creates
// next would get it. The kernel lets nobody write back the -1 that means none.
func consumeNextID(kind Kind) {
	var id int
	var errno syscall.Errno
	switch kind {
	case KindSegment:
		id, errno = sysv.Shmget(0, 1, 0o600)
	case KindSemaphores:
		id, errno = sysv.Semget(0, 1, 0o600)
	case KindQueue:
		id, errno = sysv.Msgget(0, 0o600)
	}
	if errno == 0 {
		remove(kind, id)
	}
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
