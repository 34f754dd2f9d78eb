//go:build linux

package sysvipc_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

var enospc = []error{syscall.ENOSPC}

// unchanged runs call, which must fail like this, and change nothing.
func unchanged(t *testing.T, call func() error, text string, is ...error) {
	t.Helper()
	before := ipctest.Snapshot()
	wantError(t, call(), "sysvipc: "+text, is...)
	if diff := cmp.Diff(before, ipctest.Snapshot()); diff != "" {
		t.Errorf("the call changed something (-before +after):\n%s", diff)
	}
}

// The limits are those of the files, and what is used of each is counted.
func TestReadLimits(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	file := func(name string) (n []int) {
		for _, word := range strings.Fields(string(must(os.ReadFile("/proc/sys/kernel/" + name))(t))) {
			v, _ := strconv.ParseUint(word, 10, 64)
			n = append(n, int(v))
		}
		return n
	}
	page := os.Getpagesize()
	mem := attach(t, newSegment(t, int64(3*page)), nil)
	must(mem.WriteAt(make([]byte, page), int64(page)))(t)
	newSet(t, 1, 2, 3)
	newSet(t, 1)
	q := newQueue(t)
	check(t, q.Send(bg, 1, []byte("12345")))
	check(t, q.Send(bg, 1, nil))
	newQueue(t)

	l, sem := must(sysvipc.ReadLimits())(t), file("sem")
	want := sysvipc.Limits{
		Segments: sysvipc.SegmentLimits{
			Max: file("shmmni")[0], InUse: 1, MaxSize: uint64(uint(file("shmmax")[0])),
			MaxPages: uint64(uint(file("shmall")[0])), Pages: 3, Resident: 1,
		},
		Semaphores: sysvipc.SemaphoreLimits{
			Max: sem[3], InUse: 2, MaxTotal: sem[1], InTotal: 4, MaxPerSet: sem[0], MaxOps: sem[2], MaxValue: 32767,
		},
		Queues: sysvipc.QueueLimits{
			Max: file("msgmni")[0], InUse: 2, MaxMessage: file("msgmax")[0], DefaultMaxBytes: file("msgmnb")[0], Messages: 2, Bytes: 5,
		},
	}
	if l.Segments.Swap > 0 {
		want.Segments.Resident, want.Segments.Swap = l.Segments.Resident, l.Segments.Swap
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("ReadLimits (-want +got):\n%s", diff)
	}
}

func TestSegmentLimits(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	key := newKey(t)
	page := os.Getpagesize()
	create := func(size int64) func() error {
		return func() error { return err1(sysvipc.CreateSegment(key, size, 0o600)) }
	}
	ipctest.SetLimit(t, "shmmax", "8192")
	newSegment(t, 8192)
	unchanged(t, create(8193), fmt.Sprintf("create segment %v: invalid argument (kernel.shmmax: a segment has at most 8192 bytes, not 8193)", key), syscall.EINVAL)
	unchanged(t, func() error { return err1(sysvipc.EnsureSegment(key, 1<<20, 0o600)) },
		fmt.Sprintf("ensure segment %v: invalid argument (kernel.shmmax: a segment has at most 8192 bytes, not 1048576)", key), syscall.EINVAL)

	ipctest.SetLimit(t, "shmmni", "3")
	newSegment(t, 1)
	newSegment(t, 1)
	const full = "no space left on device (kernel.shmmni: 3 of 3 segments in use; see \"sysvipc limits\")"
	unchanged(t, create(1), fmt.Sprintf("create segment %v: %s", key, full), enospc...)
	unchanged(t, func() error { return err1(sysvipc.EnsureSegment(key, 1, 0o600)) }, fmt.Sprintf("ensure segment %v: %s", key, full), enospc...)
	unchanged(t, func() error { return err1(sysvipc.CreateSegment(sysvipc.Private, 1, 0o600)) }, "create segment: "+full, enospc...)
	ipctest.SetLimit(t, "shmmni", "4")
	check(t, create(1)())

	ipctest.SetLimit(t, "shmmni", "4096")
	used := int(must(sysvipc.ReadLimits())(t).Segments.Pages)
	ipctest.SetLimit(t, "shmall", fmt.Sprint(used+2))
	key = newKey(t)
	ipctest.SetLimit(t, "shmmax", fmt.Sprint(10*page))
	unchanged(t, create(int64(2*page+1)), fmt.Sprintf("create segment %v: no space left on device (kernel.shmall: %d of %d pages in use, and 3 more wanted; see \"sysvipc limits\")", key, used, used+2), enospc...)
	check(t, create(int64(2*page))())

	l := must(sysvipc.ReadLimits())(t).Segments
	want := sysvipc.SegmentLimits{Max: 4096, InUse: 5, MaxSize: uint64(10 * page), MaxPages: uint64(used + 2), Pages: uint64(used + 2)}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("ReadLimits (-want +got):\n%s", diff)
	}
}

func TestSemaphoreLimits(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	key := newKey(t)
	create := func(n int) func() error {
		return func() error { return err1(sysvipc.CreateSemaphores(key, 0o600, make([]int, n)...)) }
	}
	// SEMMSL, SEMMNS, SEMOPM, SEMMNI
	ipctest.SetLimit(t, "sem", "10 25 6 4")
	want := sysvipc.SemaphoreLimits{Max: 4, MaxTotal: 25, MaxPerSet: 10, MaxOps: 6, MaxValue: 32767}
	if diff := cmp.Diff(want, must(sysvipc.ReadLimits())(t).Semaphores); diff != "" {
		t.Errorf("ReadLimits (-want +got):\n%s", diff)
	}
	unchanged(t, create(11), fmt.Sprintf("create semaphore set %v: invalid argument (kernel.sem: a set has at most 10 semaphores (SEMMSL), not 11)", key), syscall.EINVAL)
	unchanged(t, func() error { return err1(sysvipc.EnsureSemaphores(bg, key, 0o600, make([]int, 11)...)) },
		fmt.Sprintf("ensure semaphore set %v: invalid argument (kernel.sem: a set has at most 10 semaphores (SEMMSL), not 11)", key), syscall.EINVAL)

	first := newSet(t, slices.Repeat([]int{7}, 10)...) // more than SEMOPM allows in one operation
	if values := must(first.Values())(t); !slices.Equal(values, slices.Repeat([]int{7}, 10)) {
		t.Errorf("values are %d, want ten times 7", values)
	}
	ops := slices.Repeat([]sysvipc.Op{sysvipc.Add(0, 1)}, 7)
	unchanged(t, func() error { return first.Do(bg, ops...) },
		fmt.Sprintf("operate on semaphore set %d: too big (7 operations in one call; kernel.sem allows 6 (SEMOPM))", first.ID()), e2big...)
	check(t, first.Do(bg, ops[:6]...))

	newSet(t, make([]int, 10)...)
	unchanged(t, create(6), fmt.Sprintf("create semaphore set %v: no space left on device (kernel.sem: 20 of 25 semaphores in use (SEMMNS), and 6 more wanted; see \"sysvipc limits\")", key), enospc...)
	newSet(t, 1)
	newSet(t, 1)
	const full = "no space left on device (kernel.sem: 4 of 4 sets in use (SEMMNI); see \"sysvipc limits\")"
	unchanged(t, create(1), fmt.Sprintf("create semaphore set %v: %s", key, full), enospc...)
	unchanged(t, func() error { return err1(sysvipc.EnsureSemaphores(bg, key, 0o600, 1)) }, fmt.Sprintf("ensure semaphore set %v: %s", key, full), enospc...)
	if l := must(sysvipc.ReadLimits())(t).Semaphores; l.InUse != 4 || l.InTotal != 22 {
		t.Errorf("%d sets with %d semaphores are in use, want 4 with 22", l.InUse, l.InTotal)
	}
}

func TestQueueLimits(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	key := newKey(t)
	ipctest.SetLimit(t, "msgmax", "100")
	ipctest.SetLimit(t, "msgmnb", "150")
	ipctest.SetLimit(t, "msgmni", "2")
	q := newQueue(t)
	if st := must(q.Stat())(t); st.MaxBytes != 150 {
		t.Errorf("a new queue holds %d bytes, want msgmnb: 150", st.MaxBytes)
	}
	check(t, q.Send(bg, 1, make([]byte, 100)))
	unchanged(t, func() error { return q.Send(bg, 1, make([]byte, 101)) },
		fmt.Sprintf("send to queue %d: message too long (kernel.msgmax: a message has at most 100 bytes, not 101)", q.ID()), toolong...)
	unchanged(t, func() error { return err1(q.TrySend(1, make([]byte, 101))) },
		fmt.Sprintf("send to queue %d: message too long (kernel.msgmax: a message has at most 100 bytes, not 101)", q.ID()), toolong...)
	if ok, err := q.TrySend(1, make([]byte, 51)); ok || err != nil {
		t.Errorf("TrySend to a queue that is full: %v, %v", ok, err)
	}
	newQueue(t)
	const full = "no space left on device (kernel.msgmni: 2 of 2 queues in use; see \"sysvipc limits\")"
	unchanged(t, func() error { return err1(sysvipc.CreateQueue(key, 0o600)) }, fmt.Sprintf("create queue %v: %s", key, full), enospc...)
	unchanged(t, func() error { return err1(sysvipc.EnsureQueue(key, 0o600)) }, fmt.Sprintf("ensure queue %v: %s", key, full), enospc...)

	want := sysvipc.QueueLimits{Max: 2, InUse: 2, MaxMessage: 100, DefaultMaxBytes: 150, Messages: 1, Bytes: 100}
	if diff := cmp.Diff(want, must(sysvipc.ReadLimits())(t).Queues); diff != "" {
		t.Errorf("ReadLimits (-want +got):\n%s", diff)
	}
}

// unprivileged raises the capacity of a queue of its own beyond the limit.
var unprivileged = ipctest.Register("unprivileged", func(c *ipctest.ChildEnv) {
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	c.Say("%d", q.ID())
	c.Check(q.SetMaxBytes(16384))
	c.Say("%v", q.SetMaxBytes(16385))
	c.Listen() // the test lowers the limit
	c.Say("%v", q.Chmod(0o400))
	c.Check(q.SetMaxBytes(1000))
	c.Check(q.Chmod(0o400))
	c.Check(q.Remove())
})

// Beyond kernel.msgmnb a capacity is for privileged processes only; and since the kernel sets mode, owner and capacity in
// one call, others cannot even change the mode of a queue that has it.
func TestCapacityBeyondTheLimit(t *testing.T) {
	t.Parallel()
	needModes(t)
	if !ipctest.Alone(t) {
		return
	}
	p := ipctest.Start(t, unprivileged, &ipctest.Options{UID: ipctest.Nobody})
	id := must(strconv.Atoi(p.Line()))(t)
	ipctest.RemoveLater(t, ipctest.Msg, id)
	owner := ""
	if ipctest.UnderQEMU() { // which does not tell that this user owns what it may not read
		owner = "; only its owner, its creator or a process with CAP_SYS_ADMIN may do this, or a sandbox (seccomp) or a security module forbids the call"
	}
	p.Expect(fmt.Sprintf("sysvipc: set the capacity of queue %d: operation not permitted (a capacity of 16385 bytes is above kernel.msgmnb, and takes CAP_SYS_RESOURCE%s)", id, owner))
	ipctest.SetLimit(t, "msgmnb", "1000")
	p.Tell("lowered")
	p.Expect(fmt.Sprintf("sysvipc: chmod queue %d: operation not permitted (a capacity of 16384 bytes is above kernel.msgmnb, and takes CAP_SYS_RESOURCE%s)", id, owner))
	p.Finish()
}

// A limit that is reached leaves no ID behind that the next object would get.
func TestExactIDAtTheLimit(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	needExactID(t)
	ipctest.SetLimit(t, "msgmni", "1")
	ipctest.SetLimit(t, "shmmni", "1")
	ipctest.SetLimit(t, "sem", "10 10 10 1")
	newQueue(t)
	newSegment(t, 1)
	newSet(t, make([]int, 10)...)
	id := 4711
	c := sysvipc.Creator{ID: &id}
	unchanged(t, func() error { return err1(c.CreateQueue(sysvipc.Private, 0o600)) },
		"create queue: no space left on device (kernel.msgmni: 1 of 1 queues in use; see \"sysvipc limits\")", enospc...)
	unchanged(t, func() error { return err1(c.CreateSegment(sysvipc.Private, 1, 0o600)) },
		"create segment: no space left on device (kernel.shmmni: 1 of 1 segments in use; see \"sysvipc limits\")", enospc...)
	unchanged(t, func() error { return err1(c.CreateSemaphores(sysvipc.Private, 0o600, 1)) },
		"create semaphore set: no space left on device (kernel.sem: 1 of 1 sets in use (SEMMNI); see \"sysvipc limits\")", enospc...)
	wantNoNextID(t)
}

func wantNoNextID(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"shm", "sem", "msg"} {
		text := must(os.ReadFile("/proc/sys/kernel/" + kind + "_next_id"))(t)
		if got := strings.TrimSpace(string(text)); got != "-1" {
			t.Errorf("%s_next_id is %s, want -1", kind, got)
		}
	}
}
