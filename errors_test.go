//go:build linux

package sysvipc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// bench is one object of each kind in each state that a call can complain about.
type bench struct {
	segKey, setKey, queueKey, freeKey sysvipc.Key

	seg  *sysvipc.Segment      // 100 bytes
	set  *sysvipc.SemaphoreSet // values 1, 0 and 32767
	q    *sysvipc.Queue        // messages: type 1, "a"; type 5, 100 bytes. Its capacity is 110 bytes
	gone struct {
		seg *sysvipc.Segment
		set *sysvipc.SemaphoreSet
		q   *sysvipc.Queue
	}
	none struct { // of IDs that no object can have
		seg *sysvipc.Segment
		set *sysvipc.SemaphoreSet
		q   *sysvipc.Queue
	}
	mem, readOnly, closed *sysvipc.Memory
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{segKey: newKey(t), setKey: newKey(t), queueKey: newKey(t), freeKey: newKey(t)}
	b.seg = must(sysvipc.CreateSegment(b.segKey, 100, 0o600))(t)
	b.set = must(sysvipc.CreateSemaphores(b.setKey, 0o600, 1, 0, 32767))(t)
	b.q = must(sysvipc.CreateQueue(b.queueKey, 0o600))(t)
	check(t, b.q.SetMaxBytes(110))
	check(t, b.q.Send(t.Context(), 1, []byte("a")))
	check(t, b.q.Send(t.Context(), 5, make([]byte, 100)))

	b.gone.seg, b.gone.set, b.gone.q = newSegment(t, 1), newSet(t, 0), newQueue(t)
	check(t, b.gone.seg.Remove())
	check(t, b.gone.set.Remove())
	check(t, b.gone.q.Remove())
	b.none.seg, b.none.set, b.none.q = sysvipc.SegmentByID(-7), sysvipc.SemaphoresByID(beyondIDs), sysvipc.QueueByID(-1)

	b.mem = attach(t, b.seg, nil)
	b.readOnly = attach(t, b.seg, &sysvipc.AttachOptions{ReadOnly: true})
	b.closed = attach(t, b.seg, nil)
	check(t, b.closed.Close())
	return b
}

// fill puts the objects' numbers into a text.
func (b *bench) fill(text string) string {
	return strings.NewReplacer(
		"{seg}", fmt.Sprintf("%d (key %v)", b.seg.ID(), b.segKey), "{segkey}", b.segKey.String(),
		"{set}", fmt.Sprintf("%d (key %v)", b.set.ID(), b.setKey), "{setkey}", b.setKey.String(),
		"{q}", fmt.Sprintf("%d (key %v)", b.q.ID(), b.queueKey), "{queuekey}", b.queueKey.String(),
		"{segid}", fmt.Sprint(b.seg.ID()), "{setid}", fmt.Sprint(b.set.ID()), "{qid}", fmt.Sprint(b.q.ID()),
		"{goneseg}", fmt.Sprint(b.gone.seg.ID()), "{goneset}", fmt.Sprint(b.gone.set.ID()), "{goneq}", fmt.Sprint(b.gone.q.ID()),
		"{free}", b.freeKey.String(), "{maxint}", fmt.Sprint(math.MaxInt), "{minint}", fmt.Sprint(math.MinInt),
	).Replace(text)
}

// complaint is one way in which a call fails.
type complaint struct {
	name string
	call func(b *bench) error
	is   []error
	text string // see fill
}

func err1[T any](_ T, err error) error         { return err }
func err2[T, U any](_ T, _ U, err error) error { return err }

var (
	enoent  = []error{syscall.ENOENT, fs.ErrNotExist}
	eexist  = []error{syscall.EEXIST, fs.ErrExist}
	removed = []error{syscall.EINVAL, sysvipc.ErrRemoved, fs.ErrNotExist}
	invalid = []error{syscall.EINVAL}
	erange  = []error{syscall.ERANGE, sysvipc.ErrTooBig}
	efbig   = []error{syscall.EFBIG, sysvipc.ErrTooBig}
	e2big   = []error{syscall.E2BIG, sysvipc.ErrTooBig}
	toolong = []error{syscall.EMSGSIZE, sysvipc.ErrTooBig}
	tooBig  = []error{sysvipc.ErrTooBig}
	closed  = []error{fs.ErrClosed}
	never   = []error{context.Canceled}
	tooLate = []error{context.DeadlineExceeded}
)

// done is a context that is over.
var done = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// late is one whose deadline is over.
var late = func() context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	cancel()
	return ctx
}()

var bg = context.Background()

// complaints are all failures that one process without special rights can provoke, call by call. What needs another user is
// in denied_test.go, what needs limits in limits_test.go, and what the kernel answers only in need in fault_linux_test.go.
var complaints = slices.Concat(segmentComplaints, memoryComplaints, setComplaints, semaphoreComplaints, queueComplaints, messageComplaints)

var segmentComplaints = []complaint{
	{
		"CreateSegment of a taken key", func(b *bench) error { return err1(sysvipc.CreateSegment(b.segKey, 100, 0o600)) }, eexist,
		`create segment {segkey}: exists already (a segment with this key exists: use that, or remove it first)`,
	},
	{
		"CreateSegment of no bytes", func(b *bench) error { return err1(sysvipc.CreateSegment(b.freeKey, 0, 0o600)) }, invalid,
		`create segment {free}: invalid argument (size 0: a segment has from 1 to {maxint} bytes)`,
	},
	{
		"CreateSegment of -1 bytes", func(b *bench) error { return err1(sysvipc.CreateSegment(b.freeKey, -1, 0o600)) }, invalid,
		`create segment {free}: invalid argument (size -1: a segment has from 1 to {maxint} bytes)`,
	},
	{
		"CreateSegment with flags for a mode", func(b *bench) error { return err1(sysvipc.CreateSegment(b.freeKey, 1, 0o10600)) }, invalid,
		`create segment {free}: invalid argument (perm 0o10600 has more than the nine permission bits)`,
	},
	{
		"CreateSegment with a directory's mode", func(b *bench) error { return err1(sysvipc.CreateSegment(b.freeKey, 1, fs.ModeDir|0o600)) }, invalid,
		`create segment {free}: invalid argument (perm 0o20000000600 has more than the nine permission bits)`,
	},
	{"CreateSegment of odd huge pages", func(b *bench) error {
		return err1(sysvipc.Creator{HugePages: 3 << 20}.CreateSegment(b.freeKey, 1, 0o600))
	}, invalid, `create segment {free}: invalid argument (huge pages of 3145728 bytes: not a power of two)`},
	{"CreateSegment of negative huge pages", func(b *bench) error {
		return err1(sysvipc.Creator{HugePages: -1}.CreateSegment(b.freeKey, 1, 0o600))
	}, invalid, `create segment {free}: invalid argument (huge pages of -1 bytes: not a power of two)`},
	{"CreateSegment of huge pages that no machine has", func(b *bench) error {
		return err1(sysvipc.Creator{HugePages: 8192 << 1}.CreateSegment(b.freeKey, 1, 0o600))
	}, invalid, `create segment {free}: invalid argument (this kernel offers no huge pages of 16384 bytes; see /sys/kernel/mm/hugepages)`},
	{"EnsureSegment with an ID", func(b *bench) error {
		return err1(sysvipc.Creator{ID: new(int)}.EnsureSegment(b.freeKey, 1, 0o600))
	}, invalid, `ensure segment {free}: invalid argument (ID 0: an object that exists has its ID, so only Create takes one)`},
	{
		"OpenSegment of a free key", func(b *bench) error { return err1(sysvipc.OpenSegment(b.freeKey)) }, enoent,
		`open segment {free}: not found (no segment has this key in this IPC namespace)`,
	},
	{
		"OpenSegment of Private", func(b *bench) error { return err1(sysvipc.OpenSegment(sysvipc.Private)) }, invalid,
		`open segment: invalid argument (key 0 is IPC_PRIVATE, which names no object: open it by its ID)`,
	},
	{
		"EnsureSegment of Private", func(b *bench) error { return err1(sysvipc.EnsureSegment(sysvipc.Private, 1, 0o600)) }, invalid,
		`ensure segment: invalid argument (key 0 is IPC_PRIVATE, which names no object: open it by its ID)`,
	},
	{
		"EnsureSegment of too many bytes", func(b *bench) error { return err1(sysvipc.EnsureSegment(b.segKey, 101, 0o600)) }, invalid,
		`ensure segment {segkey}: invalid argument (segment {segid} has this key and only 100 bytes, not 101: remove it, or ask for no more)`,
	},
	{
		"EnsureSegment of no bytes", func(b *bench) error { return err1(sysvipc.EnsureSegment(b.segKey, 0, 0o600)) }, invalid,
		`ensure segment {segkey}: invalid argument (size 0: a segment has from 1 to {maxint} bytes)`,
	},
	{
		"EnsureSegment with flags for a mode", func(b *bench) error { return err1(sysvipc.EnsureSegment(b.segKey, 1, 0o1600)) }, invalid,
		`ensure segment {segkey}: invalid argument (perm 0o1600 has more than the nine permission bits)`,
	},
	{
		"Segment.Stat after removal", func(b *bench) error { return err1(b.gone.seg.Stat()) }, removed,
		`stat segment {goneseg}: not there (no segment has this ID; see "sysvipc ls")`,
	},
	{
		"Segment.Stat of a negative ID", func(b *bench) error { return err1(b.none.seg.Stat()) }, removed,
		`stat segment: not there (the ID of a segment is from 0 to 2147483647)`,
	},
	{
		"Segment.Remove after removal", func(b *bench) error { return b.gone.seg.Remove() }, removed,
		`remove segment {goneseg}: not there (no segment has this ID; see "sysvipc ls")`,
	},
	{"Segment.Remove of a negative ID", func(b *bench) error { return b.none.seg.Remove() }, removed, ``},
	{"Segment.Chmod after removal", func(b *bench) error { return b.gone.seg.Chmod(0o600) }, removed, ``},
	{
		"Segment.Chmod with flags", func(b *bench) error { return b.seg.Chmod(0o4600) }, invalid,
		`chmod segment {seg}: invalid argument (perm 0o4600 has more than the nine permission bits)`,
	},
	{"Segment.Chown after removal", func(b *bench) error { return b.gone.seg.Chown(-1, -1) }, removed, ``},
	{
		"Segment.Chown to user -2", func(b *bench) error { return b.seg.Chown(-2, -1) }, invalid,
		`chown segment {seg}: invalid argument (user -2: from 0 to 4294967294, or -1 to leave it)`,
	},
	{"Segment.Lock after removal", func(b *bench) error { return b.gone.seg.Lock() }, removed, ``},
	{"Segment.Unlock after removal", func(b *bench) error { return b.gone.seg.Unlock() }, removed, ``},
	{"Segment.Attach after removal", func(b *bench) error { return err1(b.gone.seg.Attach(nil)) }, removed, ``},
	{"Segment.Attach of a negative ID", func(b *bench) error { return err1(b.none.seg.Attach(nil)) }, removed, ``},
	{"Segment.Attach, rounded to nothing", func(b *bench) error {
		return err1(b.seg.Attach(&sysvipc.AttachOptions{Round: true}))
	}, invalid, `attach segment {seg}: invalid argument (Round and Replace need an Addr)`},
	{"Segment.Attach in place of nothing", func(b *bench) error {
		return err1(b.seg.Attach(&sysvipc.AttachOptions{Replace: true}))
	}, invalid, `attach segment {seg}: invalid argument (Round and Replace need an Addr)`},
	{"Segment.Attach at an odd address", func(b *bench) error {
		return err1(b.seg.Attach(&sysvipc.AttachOptions{Addr: 0x12345}))
	}, invalid, `attach segment {seg}: invalid argument (no attach is possible at 0x12345: it is not a multiple of SHMLBA, or memory is mapped there (see Round and Replace))`},
	{"Segment.Attach at an odd address, after removal", func(b *bench) error {
		return err1(b.gone.seg.Attach(&sysvipc.AttachOptions{Addr: 0x12345}))
	}, removed, ``},
}

var memoryComplaints = []complaint{
	{
		"Memory.WriteAt beyond the end", func(b *bench) error { return err1(b.mem.WriteAt(make([]byte, 10), 91)) }, tooBig,
		`write segment {seg}: too big (10 bytes at offset 91 do not fit into its 100; nothing was written)`,
	},
	{"Memory.WriteAt far beyond the end", func(b *bench) error { return err1(b.mem.WriteAt([]byte{1}, math.MaxInt64)) }, tooBig, ``},
	{"Memory.WriteAt of more than all", func(b *bench) error { return err1(b.mem.WriteAt(make([]byte, 101), 0)) }, tooBig, ``},
	{
		"Memory.WriteAt before the start", func(b *bench) error { return err1(b.mem.WriteAt([]byte{1}, -1)) }, invalid,
		`write segment {seg}: invalid argument (offset -1 is negative)`,
	},
	{
		"Memory.ReadAt before the start", func(b *bench) error { return err1(b.mem.ReadAt(make([]byte, 1), math.MinInt64)) }, invalid,
		`read segment {seg}: invalid argument (offset -9223372036854775808 is negative)`,
	},
	{
		"Memory.WriteAt, read-only", func(b *bench) error { return err1(b.readOnly.WriteAt([]byte{1}, 0)) },
		[]error{fs.ErrPermission},
		`write segment {seg}: permission denied (it is attached read-only)`,
	},
	{
		"Memory.ReadAt after Close", func(b *bench) error { return err1(b.closed.ReadAt(make([]byte, 1), 0)) }, closed,
		`read segment {seg}: closed already (attach the segment again)`,
	},
	{"Memory.WriteAt after Close", func(b *bench) error { return err1(b.closed.WriteAt(nil, 0)) }, closed, ``},
	{
		"Memory.Close after Close", func(b *bench) error { return b.closed.Close() }, closed,
		`close segment {seg}: closed already`,
	},
}

var setComplaints = []complaint{
	{
		"CreateSemaphores of a taken key", func(b *bench) error { return err1(sysvipc.CreateSemaphores(b.setKey, 0o600, 9)) }, eexist,
		`create semaphore set {setkey}: exists already (a semaphore set with this key exists: use that, or remove it first)`,
	},
	{
		"CreateSemaphores without values", func(b *bench) error { return err1(sysvipc.CreateSemaphores(b.freeKey, 0o600)) }, invalid,
		`create semaphore set {free}: invalid argument (a set has at least one semaphore: give its value)`,
	},
	{
		"CreateSemaphores with a negative value", func(b *bench) error { return err1(sysvipc.CreateSemaphores(b.freeKey, 0o600, 0, -1)) }, invalid,
		`create semaphore set {free}: invalid argument (value -1 for semaphore 1: a value has from 0 to 32767)`,
	},
	{
		"CreateSemaphores with a large value", func(b *bench) error { return err1(sysvipc.CreateSemaphores(b.freeKey, 0o600, 32768)) }, erange,
		`create semaphore set {free}: value out of range (value 32768 for semaphore 0: a value has from 0 to 32767)`,
	},
	{
		"CreateSemaphores with flags for a mode", func(b *bench) error { return err1(sysvipc.CreateSemaphores(b.freeKey, 0o1000, 1)) }, invalid,
		`create semaphore set {free}: invalid argument (perm 0o1000 has more than the nine permission bits)`,
	},
	{
		"OpenSemaphores of a free key", func(b *bench) error { return err1(sysvipc.OpenSemaphores(b.freeKey)) }, enoent,
		`open semaphore set {free}: not found (no semaphore set has this key in this IPC namespace)`,
	},
	{
		"OpenSemaphores of Private", func(b *bench) error { return err1(sysvipc.OpenSemaphores(0)) }, invalid,
		`open semaphore set: invalid argument (key 0 is IPC_PRIVATE, which names no object: open it by its ID)`,
	},
	{"EnsureSemaphores of Private", func(b *bench) error { return err1(sysvipc.EnsureSemaphores(bg, 0, 0o600, 1)) }, invalid, ``},
	{"EnsureSemaphores of more than there are", func(b *bench) error {
		return err1(sysvipc.EnsureSemaphores(bg, b.setKey, 0o600, 0, 0, 0, 0))
	}, invalid, `ensure semaphore set {setkey}: invalid argument (set {setid} has this key and only 3 semaphores, not 4: remove it, or ask for no more)`},
	{"EnsureSemaphores without values", func(b *bench) error { return err1(sysvipc.EnsureSemaphores(bg, b.setKey, 0o600)) }, invalid, ``},
	{"EnsureSemaphores with a large value", func(b *bench) error {
		return err1(sysvipc.EnsureSemaphores(bg, b.setKey, 0o600, 40000))
	}, erange, `ensure semaphore set {setkey}: value out of range (value 40000 for semaphore 0: a value has from 0 to 32767)`},
	{"EnsureSemaphores with flags for a mode", func(b *bench) error {
		return err1(sysvipc.EnsureSemaphores(bg, b.setKey, fs.ModeSetuid|0o600, 1))
	}, invalid, ``},
	{"EnsureSemaphores with an ID", func(b *bench) error {
		return err1(sysvipc.Creator{ID: new(int)}.EnsureSemaphores(bg, b.freeKey, 0o600, 1))
	}, invalid, `ensure semaphore set {free}: invalid argument (ID 0: an object that exists has its ID, so only Create takes one)`},
	{
		"EnsureSemaphores, cancelled", func(b *bench) error { return err1(sysvipc.EnsureSemaphores(done, b.freeKey, 0o600, 1)) }, never,
		`ensure semaphore set {free}: context canceled`,
	},
	{
		"SemaphoreSet.Initialize after use", func(b *bench) error { return b.set.Initialize(4, 4, 4) }, eexist,
		`initialise semaphore set {set}: exists already (it has been operated on, or its values were set, already)`,
	},
	{
		"SemaphoreSet.Initialize with too few values", func(b *bench) error { return b.set.Initialize(4) }, invalid,
		`initialise semaphore set {set}: invalid argument (a value for each of its 3 semaphores is needed, not 1)`,
	},
	{"SemaphoreSet.Initialize with a large value", func(b *bench) error { return b.set.Initialize(1, 1, 1e6) }, erange, ``},
	{"SemaphoreSet.Initialize after removal", func(b *bench) error { return b.gone.set.Initialize(1) }, removed, ``},
	{
		"SemaphoreSet.Stat after removal", func(b *bench) error { return err1(b.gone.set.Stat()) }, removed,
		`stat semaphore set {goneset}: not there (no semaphore set has this ID; see "sysvipc ls")`,
	},
	{
		"SemaphoreSet.Stat of an ID beyond 32 bits", func(b *bench) error { return err1(b.none.set.Stat()) }, removed,
		`stat semaphore set: not there (the ID of a semaphore set is from 0 to 2147483647)`,
	},
	{"SemaphoreSet.Remove after removal", func(b *bench) error { return b.gone.set.Remove() }, removed, ``},
	{"SemaphoreSet.Chmod after removal", func(b *bench) error { return b.gone.set.Chmod(0o600) }, removed, ``},
	{"SemaphoreSet.Chmod with flags", func(b *bench) error { return b.set.Chmod(0o1600) }, invalid, ``},
	{"SemaphoreSet.Chown after removal", func(b *bench) error { return b.gone.set.Chown(-1, -1) }, removed, ``},
	{
		"SemaphoreSet.Chown to group -5", func(b *bench) error { return b.set.Chown(-1, -5) }, invalid,
		`chown semaphore set {set}: invalid argument (group -5: from 0 to 4294967294, or -1 to leave it)`,
	},
	{"SemaphoreSet.Values after removal", func(b *bench) error { return err1(b.gone.set.Values()) }, removed, ``},
	{"SemaphoreSet.SetValues after removal", func(b *bench) error { return b.gone.set.SetValues(1) }, removed, ``},
	{
		"SemaphoreSet.SetValues with too few", func(b *bench) error { return b.set.SetValues(1, 2) }, invalid,
		`set the values of semaphore set {set}: invalid argument (a value for each of its 3 semaphores is needed, not 2)`,
	},
	{"SemaphoreSet.SetValues with too many", func(b *bench) error { return b.set.SetValues(1, 2, 3, 4) }, invalid, ``},
	{"SemaphoreSet.SetValues with none", func(b *bench) error { return b.set.SetValues() }, invalid, ``},
	{"SemaphoreSet.SetValues with a negative one", func(b *bench) error { return b.set.SetValues(1, -2, 3) }, invalid, ``},
	{
		"SemaphoreSet.Do of nothing", func(b *bench) error { return b.set.Do(bg) }, invalid,
		`operate on semaphore set {set}: invalid argument (no operation is given)`,
	},
	{
		"SemaphoreSet.Do with index 3 of 3", func(b *bench) error { return b.set.Do(bg, sysvipc.Add(0, -1), sysvipc.Add(3, 1)) }, efbig,
		`operate on semaphore set {set}: no such semaphore (operation 1 is on semaphore 3: the set has 3 semaphores, with indexes 0 to 2)`,
	},
	{
		"SemaphoreSet.Do with index -1", func(b *bench) error { return b.set.Do(bg, sysvipc.Add(0, -1), sysvipc.WaitZero(-1)) }, invalid,
		`operate on semaphore set {set}: invalid argument (operation 1 is on semaphore -1: the set has 3 semaphores, with indexes 0 to 2)`,
	},
	{"SemaphoreSet.Do with index 65536", func(b *bench) error { return b.set.Do(bg, sysvipc.Add(1<<16, -1)) }, efbig, ``},
	{
		"SemaphoreSet.Do beyond the highest value", func(b *bench) error { return b.set.Do(bg, sysvipc.Add(0, -1), sysvipc.Add(2, 1)) }, erange,
		`operate on semaphore set {set}: value out of range (a value would pass 32767, or the sum of what this process would undo)`,
	},
	{
		"SemaphoreSet.Do adding 32768", func(b *bench) error { return b.set.Do(bg, sysvipc.Add(1, 32768)) }, erange,
		`operate on semaphore set {set}: value out of range (operation 0 adds 32768: a value has from 0 to 32767)`,
	},
	{"SemaphoreSet.Do taking 32768", func(b *bench) error { return b.set.Do(bg, sysvipc.Add(1, -32768)) }, erange, ``},
	{"SemaphoreSet.Do of too many operations", func(b *bench) error {
		return b.set.Do(bg, slices.Repeat([]sysvipc.Op{sysvipc.Add(1, 1)}, 501)...)
	}, e2big, `operate on semaphore set {set}: too big (501 operations in one call; kernel.sem allows 500 (SEMOPM))`},
	{
		"SemaphoreSet.Do after removal", func(b *bench) error { return b.gone.set.Do(bg, sysvipc.Add(0, 1)) }, removed,
		`operate on semaphore set {goneset}: not there (no semaphore set has this ID; see "sysvipc ls")`,
	},
	{
		"SemaphoreSet.Do, cancelled", func(b *bench) error { return b.set.Do(done, sysvipc.Add(0, -1)) }, never,
		`operate on semaphore set {set}: context canceled`,
	},
	{
		"SemaphoreSet.Do, too late", func(b *bench) error { return b.set.Do(late, sysvipc.Add(0, -1)) }, tooLate,
		`operate on semaphore set {set}: context deadline exceeded`,
	},
	{"SemaphoreSet.TryDo of nothing", func(b *bench) error { return err1(b.set.TryDo()) }, invalid, ``},
	{"SemaphoreSet.TryDo with index 3 of 3", func(b *bench) error { return err1(b.set.TryDo(sysvipc.Add(3, 1))) }, efbig, ``},
	{"SemaphoreSet.TryDo beyond the highest value", func(b *bench) error { return err1(b.set.TryDo(sysvipc.Add(2, 1))) }, erange, ``},
	{"SemaphoreSet.TryDo after removal", func(b *bench) error { return err1(b.gone.set.TryDo(sysvipc.Add(0, 1))) }, removed, ``},
	{"SemaphoreSet.TryDo of an ID beyond 32 bits", func(b *bench) error { return err1(b.none.set.TryDo(sysvipc.Add(0, 1))) }, removed, ``},
}

var semaphoreComplaints = []complaint{
	{
		"Semaphore.Acquire of none", func(b *bench) error { return b.set.At(0).Acquire(bg, 0) }, invalid,
		`acquire semaphore set {set}: invalid argument (0: from 1 to 32767 can be taken or given)`,
	},
	{"Semaphore.Acquire of -1", func(b *bench) error { return b.set.At(0).Acquire(bg, -1) }, invalid, ``},
	{"Semaphore.Acquire of 32768", func(b *bench) error { return b.set.At(0).Acquire(bg, 32768) }, erange, ``},
	{
		"Semaphore.Acquire of index 3", func(b *bench) error { return b.set.At(3).Acquire(bg, 1) }, efbig,
		`acquire semaphore set {set}: no such semaphore (operation 0 is on semaphore 3: the set has 3 semaphores, with indexes 0 to 2)`,
	},
	{"Semaphore.Acquire, cancelled", func(b *bench) error { return b.set.At(0).Acquire(done, 1) }, never, ``},
	{"Semaphore.Acquire after removal", func(b *bench) error { return b.gone.set.At(0).Acquire(bg, 1) }, removed, ``},
	{"Semaphore.TryAcquire of none", func(b *bench) error { return err1(b.set.At(0).TryAcquire(0)) }, invalid, ``},
	{"Semaphore.TryAcquire of index -1", func(b *bench) error { return err1(b.set.At(-1).TryAcquire(1)) }, invalid, ``},
	{"Semaphore.TryAcquire after removal", func(b *bench) error { return err1(b.gone.set.At(0).TryAcquire(1)) }, removed, ``},
	{
		"Semaphore.Release of none", func(b *bench) error { return b.set.At(0).Release(0) }, invalid,
		`release semaphore set {set}: invalid argument (0: from 1 to 32767 can be taken or given)`,
	},
	{
		"Semaphore.Release beyond the highest value", func(b *bench) error { return b.set.At(2).Release(1) }, erange,
		`release semaphore set {set}: value out of range (a value would pass 32767, or the sum of what this process would undo)`,
	},
	{"Semaphore.Release of index 3", func(b *bench) error { return b.set.At(3).Release(1) }, efbig, ``},
	{"Semaphore.Release after removal", func(b *bench) error { return b.gone.set.At(0).Release(1) }, removed, ``},
	{
		"Semaphore.WaitZero of index 3", func(b *bench) error { return b.set.At(3).WaitZero(bg) }, efbig,
		`wait for zero on semaphore set {set}: no such semaphore (operation 0 is on semaphore 3: the set has 3 semaphores, with indexes 0 to 2)`,
	},
	{"Semaphore.WaitZero, cancelled", func(b *bench) error { return b.set.At(1).WaitZero(done) }, never, ``},
	{"Semaphore.WaitZero after removal", func(b *bench) error { return b.gone.set.At(0).WaitZero(bg) }, removed, ``},
	{
		"Semaphore.Value of index 3", func(b *bench) error { return err1(b.set.At(3).Value()) }, efbig,
		`read the value of semaphore set {set}: no such semaphore (semaphore 3: the set has 3 semaphores, with indexes 0 to 2)`,
	},
	{"Semaphore.Value of an index beyond 32 bits", func(b *bench) error { return err1(b.set.At(beyond).Value()) }, efbig, ``},
	{
		"Semaphore.Value after removal", func(b *bench) error { return err1(b.gone.set.At(0).Value()) }, removed,
		`read the value of semaphore set {goneset}: not there (no semaphore set has this ID; see "sysvipc ls")`,
	},
	{"Semaphore.Value of index 9 after removal", func(b *bench) error { return err1(b.gone.set.At(9).Value()) }, removed, ``},
	{
		"Semaphore.SetValue of -1", func(b *bench) error { return b.set.At(0).SetValue(-1) }, invalid,
		`set the value of semaphore set {set}: invalid argument (value -1: a value has from 0 to 32767)`,
	},
	{"Semaphore.SetValue of 32768", func(b *bench) error { return b.set.At(0).SetValue(32768) }, erange, ``},
	{"Semaphore.SetValue of index -1", func(b *bench) error { return b.set.At(-1).SetValue(1) }, invalid, ``},
	{"Semaphore.SetValue of index 3", func(b *bench) error { return b.set.At(3).SetValue(1) }, efbig, ``},
	{"Semaphore.SetValue of an index beyond 32 bits", func(b *bench) error { return b.set.At(beyond).SetValue(9) }, efbig, ``},
	{"Semaphore.SetValue after removal", func(b *bench) error { return b.gone.set.At(0).SetValue(1) }, removed, ``},
	{"Semaphore.Waiters of index 3", func(b *bench) error { return err2(b.set.At(3).Waiters()) }, efbig, ``},
	{"Semaphore.Waiters after removal", func(b *bench) error { return err2(b.gone.set.At(0).Waiters()) }, removed, ``},
	{"Semaphore.LastPID of index -1", func(b *bench) error { return err1(b.set.At(-1).LastPID()) }, invalid, ``},
	{"Semaphore.LastPID after removal", func(b *bench) error { return err1(b.gone.set.At(0).LastPID()) }, removed, ``},
}

// beyond and beyondIDs are numbers of which the kernel would see the lower 32 bits: 0. With 32 bits there are none, and
// these are others that no semaphore and no object has.
var beyond, beyondIDs = func() (int, int) {
	bits := 32 // no constant, which the compiler or vet would not shift by on 32 bits
	if n := 1 << bits; n != 0 {
		return n, n
	}
	return math.MaxInt32, -1
}()

var queueComplaints = []complaint{
	{
		"CreateQueue of a taken key", func(b *bench) error { return err1(sysvipc.CreateQueue(b.queueKey, 0o600)) }, eexist,
		`create queue {queuekey}: exists already (a queue with this key exists: use that, or remove it first)`,
	},
	{
		"CreateQueue with flags for a mode", func(b *bench) error { return err1(sysvipc.CreateQueue(b.freeKey, 0o2600)) }, invalid,
		`create queue {free}: invalid argument (perm 0o2600 has more than the nine permission bits)`,
	},
	{
		"OpenQueue of a free key", func(b *bench) error { return err1(sysvipc.OpenQueue(b.freeKey)) }, enoent,
		`open queue {free}: not found (no queue has this key in this IPC namespace)`,
	},
	{
		"OpenQueue of Private", func(b *bench) error { return err1(sysvipc.OpenQueue(0)) }, invalid,
		`open queue: invalid argument (key 0 is IPC_PRIVATE, which names no object: open it by its ID)`,
	},
	{"EnsureQueue of Private", func(b *bench) error { return err1(sysvipc.EnsureQueue(0, 0o600)) }, invalid, ``},
	{"EnsureQueue with flags for a mode", func(b *bench) error { return err1(sysvipc.EnsureQueue(b.queueKey, 0o1600)) }, invalid, ``},
	{"EnsureQueue with an ID", func(b *bench) error { return err1(sysvipc.Creator{ID: new(int)}.EnsureQueue(b.freeKey, 0o600)) }, invalid, ``},
	{
		"Queue.Stat after removal", func(b *bench) error { return err1(b.gone.q.Stat()) }, removed,
		`stat queue {goneq}: not there (no queue has this ID; see "sysvipc ls")`,
	},
	{
		"Queue.Stat of a negative ID", func(b *bench) error { return err1(b.none.q.Stat()) }, removed,
		`stat queue: not there (the ID of a queue is from 0 to 2147483647)`,
	},
	{"Queue.Remove after removal", func(b *bench) error { return b.gone.q.Remove() }, removed, ``},
	{"Queue.Chmod after removal", func(b *bench) error { return b.gone.q.Chmod(0o600) }, removed, ``},
	{"Queue.Chmod with flags", func(b *bench) error { return b.q.Chmod(fs.ModeSticky) }, invalid, ``},
	{"Queue.Chown after removal", func(b *bench) error { return b.gone.q.Chown(0, 0) }, removed, ``},
	{"Queue.Chown to user -9", func(b *bench) error { return b.q.Chown(-9, 0) }, invalid, ``},
	{
		"Queue.SetMaxBytes to -1", func(b *bench) error { return b.q.SetMaxBytes(-1) }, invalid,
		`set the capacity of queue {q}: invalid argument (-1 bytes: a capacity is not negative)`,
	},
	{"Queue.SetMaxBytes after removal", func(b *bench) error { return b.gone.q.SetMaxBytes(1) }, removed, ``},
}

var messageComplaints = []complaint{
	{
		"Queue.Send of type 0", func(b *bench) error { return b.q.Send(bg, 0, nil) }, invalid,
		`send to queue {q}: invalid argument (type 0: a message has a type from 1 to {maxint})`,
	},
	{"Queue.Send of type -1", func(b *bench) error { return b.q.Send(bg, -1, nil) }, invalid, ``},
	{
		"Queue.Send of what never fits", func(b *bench) error { return b.q.Send(bg, 1, make([]byte, 111)) }, toolong,
		`send to queue {q}: message too long (111 bytes never fit into a queue of 110: raise its capacity: "sysvipc set msg:{qid} --qbytes", or SetMaxBytes)`,
	},
	{
		"Queue.Send of more than msgmax", func(b *bench) error { return b.q.Send(bg, 1, make([]byte, 8193)) }, toolong,
		`send to queue {q}: message too long (kernel.msgmax: a message has at most 8192 bytes, not 8193)`,
	},
	{"Queue.Send, cancelled", func(b *bench) error { return b.q.Send(done, 1, nil) }, never, `send to queue {q}: context canceled`},
	{"Queue.Send, too late", func(b *bench) error { return b.q.Send(late, 1, nil) }, tooLate, ``},
	{
		"Queue.Send after removal", func(b *bench) error { return b.gone.q.Send(bg, 1, nil) }, removed,
		`send to queue {goneq}: not there (no queue has this ID; see "sysvipc ls")`,
	},
	{"Queue.TrySend of type 0", func(b *bench) error { return err1(b.q.TrySend(0, nil)) }, invalid, ``},
	{"Queue.TrySend of what never fits", func(b *bench) error { return err1(b.q.TrySend(1, make([]byte, 111))) }, toolong, ``},
	{"Queue.TrySend of more than msgmax", func(b *bench) error { return err1(b.q.TrySend(1, make([]byte, 8193))) }, toolong, ``},
	{"Queue.TrySend after removal", func(b *bench) error { return err1(b.gone.q.TrySend(1, nil)) }, removed, ``},
	{
		"Queue.Receive of type 0", func(b *bench) error { return err1(b.q.Receive(bg, sysvipc.OfType(0))) }, invalid,
		`receive from queue {q}: invalid argument (type 0: a message has a type from 1 to {maxint})`,
	},
	{"Queue.Receive up to type -1", func(b *bench) error { return err1(b.q.Receive(bg, sysvipc.UpTo(-1))) }, invalid, ``},
	{"Queue.Receive except type 0", func(b *bench) error { return err1(b.q.Receive(bg, sysvipc.Except(0))) }, invalid, ``},
	{"Queue.Receive up to the lowest number", func(b *bench) error { return err1(b.q.Receive(bg, sysvipc.UpTo(math.MinInt64))) }, invalid, ``},
	{
		"Queue.Receive, cancelled", func(b *bench) error { return err1(b.q.Receive(done, sysvipc.Any)) }, never,
		`receive from queue {q}: context canceled`,
	},
	{
		"Queue.Receive, too late", func(b *bench) error { return err1(b.q.Receive(late, sysvipc.Any)) }, tooLate,
		`receive from queue {q}: context deadline exceeded`,
	},
	{"Queue.Receive after removal", func(b *bench) error { return err1(b.gone.q.Receive(bg, sysvipc.Any)) }, removed, ``},
	{"Queue.TryReceive of type 0", func(b *bench) error { return err2(b.q.TryReceive(sysvipc.OfType(0))) }, invalid, ``},
	{"Queue.TryReceive after removal", func(b *bench) error { return err2(b.gone.q.TryReceive(sysvipc.Any)) }, removed, ``},
	{"Queue.TryReceiveInto after removal", func(b *bench) error { _, _, _, err := b.gone.q.TryReceiveInto(sysvipc.Any, nil); return err }, removed, ``},
	{"Queue.ReceiveInto of what is too long", func(b *bench) error {
		return err2(b.q.ReceiveInto(bg, sysvipc.OfType(5), make([]byte, 99)))
	}, e2big, `receive from queue {q}: too big (the message is larger than the buffer of 99 bytes, and is still on the queue)`},
	{"Queue.ReceiveInto nothing", func(b *bench) error { return err2(b.q.ReceiveInto(bg, sysvipc.Any, nil)) }, e2big, ``},
	{"Queue.ReceiveInto, cancelled", func(b *bench) error { return err2(b.q.ReceiveInto(done, sysvipc.Any, make([]byte, 100))) }, never, ``},
	{"Queue.ReceiveInto except type -3", func(b *bench) error { return err2(b.q.ReceiveInto(bg, sysvipc.Except(-3), nil)) }, invalid, ``},
	{"Queue.ReceiveInto after removal", func(b *bench) error { return err2(b.gone.q.ReceiveInto(bg, sysvipc.Any, nil)) }, removed, ``},
	{"Queue.Messages, cancelled", func(b *bench) error { return firstError(b.q.Messages(done, sysvipc.Any)) }, never, ``},
	{"Queue.Messages after removal", func(b *bench) error { return firstError(b.gone.q.Messages(bg, sysvipc.Any)) }, removed, ``},
	{"Queue.Messages up to type 0", func(b *bench) error { return firstError(b.q.Messages(bg, sysvipc.UpTo(0))) }, invalid, ``},
	{
		"Queue.Peek at -1", func(b *bench) error { return err1(b.q.Peek(-1)) }, invalid,
		`peek at queue {q}: invalid argument (index -1 is negative)`,
	},
	{
		"Queue.Peek at 2 of 2", func(b *bench) error { return err1(b.q.Peek(2)) },
		[]error{syscall.ENOMSG, sysvipc.ErrWouldBlock},
		`peek at queue {q}: no such message (it has no message with index 2)`,
	},
	{"Queue.Peek after removal", func(b *bench) error { return err1(b.gone.q.Peek(0)) }, removed, ``},
}

func firstError(messages func(func(sysvipc.Message, error) bool)) (err error) {
	messages(func(_ sysvipc.Message, e error) bool {
		err = e
		return false
	})
	return err
}

// Each call that fails says why, and what to do; answers the right questions; and leaves every field of every object
// as it was.
func TestComplaints(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	b := newBench(t)
	for _, c := range complaints {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.name, "Peek at 2") && ipctest.UnderQEMU() {
				needPeek(t, b.q)
			}
			before := ipctest.Snapshot()
			err := c.call(b)
			after := ipctest.Snapshot()
			text := ""
			if c.text != "" {
				text = "sysvipc: " + b.fill(c.text)
			}
			wantError(t, err, text, c.is...)
			var e *sysvipc.Error
			if call := callOf(c.name); errors.As(err, &e) && e.Op != operations[call] {
				t.Errorf("%s: the error is about %q, and the call was to %q: %v", call, e.Op, operations[call], err)
			}
			if after != before {
				t.Errorf("the call changed something; before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
	if values := must(b.set.Values())(t); !slices.Equal(values, []int{1, 0, 32767}) {
		t.Errorf("values are %d now, want those of the start", values)
	}
	if next, err := os.ReadFile("/proc/sys/kernel/shm_next_id"); err == nil && strings.TrimSpace(string(next)) != "-1" {
		t.Errorf("shm_next_id is %s", next)
	}
}

// callOf returns the function or method that a complaint, an attempt or a fault is about.
func callOf(name string) string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == ',' })[0]
}

// operations are what errors of the calls name: what the caller did, and not a step of it.
var operations = map[string]string{
	"CreateSegment": "create", "CreateSemaphores": "create", "CreateQueue": "create",
	"OpenSegment": "open", "OpenSemaphores": "open", "OpenQueue": "open",
	"EnsureSegment": "ensure", "EnsureSemaphores": "ensure", "EnsureQueue": "ensure",
	"Segment.Stat": "stat", "SemaphoreSet.Stat": "stat", "Queue.Stat": "stat",
	"Segment.Remove": "remove", "SemaphoreSet.Remove": "remove", "Queue.Remove": "remove",
	"Segment.Chmod": "chmod", "SemaphoreSet.Chmod": "chmod", "Queue.Chmod": "chmod",
	"Segment.Chown": "chown", "SemaphoreSet.Chown": "chown", "Queue.Chown": "chown",
	"Segment.Lock": "lock", "Segment.Unlock": "unlock", "Segment.Attach": "attach",
	"Memory.ReadAt": "read", "Memory.WriteAt": "write", "Memory.Close": "close",
	"SemaphoreSet.Initialize": "initialise", "SemaphoreSet.Len": "count the semaphores of",
	"SemaphoreSet.Values": "read the values of", "SemaphoreSet.SetValues": "set the values of",
	"SemaphoreSet.Do": "operate on", "SemaphoreSet.TryDo": "operate on",
	"Semaphore.Acquire": "acquire", "Semaphore.TryAcquire": "acquire", "Semaphore.Release": "release", "Semaphore.WaitZero": "wait for zero on",
	"Semaphore.Value": "read the value of", "Semaphore.SetValue": "set the value of",
	"Semaphore.Waiters": "count the waiters of", "Semaphore.LastPID": "read the last user of",
	"Queue.SetMaxBytes": "set the capacity of",
	"Queue.Send":        "send to", "Queue.TrySend": "send to",
	"Queue.Receive": "receive from", "Queue.TryReceive": "receive from", "Queue.ReceiveInto": "receive from", "Queue.TryReceiveInto": "receive from",
	"Queue.Messages": "receive from", "Queue.Peek": "peek at", "Queue.All": "peek at",
	"ReadLimits": "read the limits of", "Segments": "list", "SemaphoreSets": "list", "Queues": "list",
}

// needPeek skips the test where the kernel, or what stands for it, cannot look at messages.
func needPeek(t testing.TB, q *sysvipc.Queue) {
	t.Helper()
	if _, err := q.Peek(0); errors.Is(err, errors.ErrUnsupported) || ipctest.UnderQEMU() && errors.Is(err, syscall.EINVAL) {
		t.Skip("needs MSG_COPY:", err)
	}
}

// An *Error has its parts for those who build on them.
func TestErrorParts(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	set := must(sysvipc.CreateSemaphores(key, 0o600, 0))(t)
	var e *sysvipc.Error
	if err := set.Do(bg, sysvipc.Add(9, 1)); !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Op != "operate on" || e.Kind != sysvipc.KindSemaphores || e.Key != key || e.ID != set.ID() || e.Err != syscall.EFBIG {
		t.Errorf("got %+v", *e)
	}
	if _, err := sysvipc.OpenQueue(key); !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Op != "open" || e.Kind != sysvipc.KindQueue || e.Key != key || e.ID != -1 || e.Err != syscall.ENOENT {
		t.Errorf("got %+v", *e)
	}
	if e.Name = "orders"; e.Error() != fmt.Sprintf("sysvipc: open queue orders (key %v): not found (no queue has this key in this IPC namespace)", key) {
		t.Errorf("with a name: %v", e)
	}
	if err := set.At(5).SetValue(1); !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Name = "turns"; !strings.HasPrefix(e.Error(), fmt.Sprintf("sysvipc: set the value of semaphore set turns (ID %d): no such semaphore (", set.ID())) {
		t.Errorf("with a name: %v", e)
	}
	if got := fmt.Sprint(sysvipc.KindSegment, sysvipc.KindSemaphores, sysvipc.KindQueue, sysvipc.Kind(0)); got != "segment semaphore set queue System V IPC" {
		t.Errorf("the kinds are %q", got)
	}
}
