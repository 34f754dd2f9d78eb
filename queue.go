package sysvipc

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Queue is a message queue, msgget(2): messages are whole, each has a type, and a
// receiver may choose by it. It holds nothing in this process, so there is nothing to
// close. Safe for concurrent use.
//
// The zero value is not opened: every call on it is an error, which is [fs.ErrInvalid].
type Queue struct {
	object
	own    scratch
	next   blockHint    // of receivers
	copied atomic.Int64 // for messages of this size Peek has room at once
}

// CreateQueue makes a queue. It fails with [fs.ErrExist] if the key is taken.
func CreateQueue(key Key, perm fs.FileMode) (*Queue, error) { return Creator{}.CreateQueue(key, perm) }

// OpenQueue finds the queue with this key. It fails with [fs.ErrNotExist] if there is
// none. Permissions are checked when it is used.
func OpenQueue(key Key) (*Queue, error) {
	o := object{kind: KindQueue, key: key}
	if err := o.checkOpen("open"); err != nil {
		return nil, err
	}
	id, errno := sysv.Msgget(int32(key), 0)
	if errno != 0 {
		return nil, o.fail("open", errno, o.notFound(errno))
	}
	o.handle = handleOf(id)
	return &Queue{object: o}, nil
}

// EnsureQueue finds the queue with this key, or makes it. However many processes race,
// one queue comes out. One that exists must grant this process what perm asks for, and let
// in nobody whom perm keeps out: see [Creator.Check].
func EnsureQueue(key Key, perm fs.FileMode) (*Queue, error) { return Creator{}.EnsureQueue(key, perm) }

// QueueByID returns the queue with this ID, without asking the kernel: the first call
// on it will tell whether there is one.
func QueueByID(id int) *Queue { return &Queue{object: byID(KindQueue, id)} }

// CreateQueue is [CreateQueue] with c's options.
func (c Creator) CreateQueue(key Key, perm fs.FileMode) (*Queue, error) {
	return c.queue("create", key, perm, sysv.IPC_CREAT|sysv.IPC_EXCL)
}

// EnsureQueue is [EnsureQueue] with c's options, which take effect if it is made.
func (c Creator) EnsureQueue(key Key, perm fs.FileMode) (*Queue, error) {
	if err := c.checkEnsure(object{kind: KindQueue, key: key}, perm); err != nil {
		return nil, err
	}
	return ensure(func(flags int) (*Queue, error) {
		return c.queue("ensure", key, perm, flags)
	}, func(q *Queue) error {
		st, err := q.Stat()
		return cmp.Or(err, c.Check(st.Object, perm))
	})
}

func (c Creator) queue(op string, key Key, perm fs.FileMode, flags int) (*Queue, error) {
	o := object{kind: KindQueue, key: key}
	if err := o.checkPerm(op, perm); err != nil {
		return nil, err
	}
	id, errno, hint := c.withID(o, func(key Key) (int, syscall.Errno) {
		return sysv.Msgget(int32(key), flags|int(perm))
	})
	if errno != 0 {
		if hint == "" {
			hint = queueHint(o, errno)
		}
		return nil, o.fail(op, errno, hint)
	}
	o.handle = handleOf(id)
	return &Queue{object: o}, nil
}

// queueHint says what to do when no queue was made.
func queueHint(o object, errno syscall.Errno) string {
	switch errno {
	case syscall.ENOSPC:
		if lim, err := ReadLimits(); err == nil {
			return fmt.Sprintf("kernel.msgmni: %d of %d queues in use; see \"sysvipc limits\"", lim.Queues.InUse, lim.Queues.Max)
		}
	case syscall.ENOMEM:
		return "the kernel has no memory for a queue"
	case syscall.EACCES:
		return o.notGranted()
	}
	return o.notMade(errno)
}

// QueueStat is what the kernel keeps of a queue: struct msqid_ds of msgctl(2).
type QueueStat struct {
	Object
	Messages, Bytes             int       // on the queue now
	MaxBytes                    int       // its capacity: senders wait when Bytes would pass it; -1 if not known
	Sent, Received              time.Time // of the last of each; zero if never
	LastSendPID, LastReceivePID int       // of the last of each; 0 if none, or not visible from here
}

// Stat asks the kernel for what it keeps of the queue. Where the mode does not let
// this process read it, the answer comes from the list of all objects.
func (q *Queue) Stat() (QueueStat, error) { return q.stat("stat") }

// stat is Stat for the sake of another operation, which its error names.
func (q *Queue) stat(op string) (QueueStat, error) {
	ds, _, errno := sysv.MsgctlStat(q.ID(), sysv.IPC_STAT)
	if errno == syscall.EACCES {
		return statByList(q.object, op, Queues())
	}
	if errno != 0 {
		return QueueStat{}, q.fail(op, errno, "")
	}
	return queueStat(q.ID(), ds), nil
}

func queueStat(id int, ds sysv.MsqidDS) QueueStat {
	return QueueStat{
		Object:   objectOf(KindQueue, id, ds.Perm, ds.Ctime),
		Messages: int(ds.Qnum), Bytes: int(ds.Cbytes), MaxBytes: int(min(ds.Qbytes, math.MaxInt)),
		Sent: timeOf(ds.Stime), Received: timeOf(ds.Rtime),
		LastSendPID: int(ds.Lspid), LastReceivePID: int(ds.Lrpid),
	}
}

// Remove removes the queue and its messages at once (IPC_RMID). Waiters
// get ErrRemoved.
func (q *Queue) Remove() error {
	if errno := sysv.MsgctlRmid(q.ID()); errno != 0 {
		return q.failOwner("remove", errno)
	}
	return nil
}

// Chmod changes the permission bits (IPC_SET).
func (q *Queue) Chmod(perm fs.FileMode) error {
	return q.set("chmod", func(st *QueueStat) { st.Mode = perm })
}

// Chown changes the owner (IPC_SET); -1 leaves a value as it is.
func (q *Queue) Chown(uid, gid int) error {
	if err := q.checkOwner("chown", uid, gid); err != nil {
		return err
	}
	return q.set("chown", func(st *QueueStat) { chown(uid, gid)(&st.Object) })
}

// SetMaxBytes changes how many bytes of messages the queue holds (msg_qbytes). More
// than kernel.msgmnb needs CAP_SYS_RESOURCE. With fewer than are on it, senders wait
// until receivers have made room; with 0 they all wait while receivers drain the queue.
func (q *Queue) SetMaxBytes(n int) error {
	if n < 0 {
		return q.refuse("set the capacity of", syscall.EINVAL, "%d bytes: a capacity is not negative", n)
	}
	return q.set("set the capacity of", func(st *QueueStat) { st.MaxBytes = n })
}

func (q *Queue) set(op string, change func(*QueueStat)) error {
	st, err := q.stat(op)
	if err != nil {
		return err
	}
	change(&st)
	if err := q.checkPerm(op, st.Mode); err != nil {
		return err
	}
	if st.MaxBytes < 0 {
		return q.fail(op, syscall.EACCES, "its capacity cannot be read, and would have to be set along with it")
	}
	errno := sysv.MsgctlSet(q.ID(), uint32(st.UID), uint32(st.GID), uint32(st.Mode), uint64(st.MaxBytes))
	switch {
	case errno == 0:
		return nil
	case errno == syscall.EPERM && st.MaxBytes > defaultMaxBytes(st.MaxBytes):
		hint := fmt.Sprintf("a capacity of %d bytes is above kernel.msgmnb, and takes CAP_SYS_RESOURCE", st.MaxBytes)
		if not := q.notOwner("CAP_SYS_ADMIN"); not != sandboxed {
			hint += "; " + not
		}
		return q.fail(op, errno, hint)
	}
	_, gone := q.Stat()
	return q.notSet(op, errno, st.Object, gone)
}

// defaultMaxBytes returns kernel.msgmnb, or otherwise if that is not known.
func defaultMaxBytes(otherwise int) int {
	lim, err := ReadLimits()
	if err != nil {
		return otherwise
	}
	return lim.Queues.DefaultMaxBytes
}
