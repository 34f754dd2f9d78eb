//go:build linux

package sysvipc_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// stranger is what another user has of objects that are not his.
type stranger struct {
	key sysvipc.Key
	seg *sysvipc.Segment
	set *sysvipc.SemaphoreSet
	q   *sysvipc.Queue
}

// attempt is one call of a stranger, and what comes of it. In the text, {seg}, {set} and {q} stand for the IDs.
type attempt struct {
	name  string
	call  func(s stranger) error
	errno syscall.Errno
	text  string
}

const (
	mode     = ": permission denied (its mode does not grant this: {whose})"
	notOwner = ": operation not permitted (only its owner, its creator or a process with CAP_SYS_ADMIN may do this: {whose})"
)

// attempts are on objects of mode 0600.
var attempts = []attempt{
	{"OpenSegment", func(s stranger) error { return err1(sysvipc.OpenSegment(s.key)) }, 0, ""},
	{"OpenSemaphores", func(s stranger) error { return err1(sysvipc.OpenSemaphores(s.key)) }, 0, ""},
	{"OpenQueue", func(s stranger) error { return err1(sysvipc.OpenQueue(s.key)) }, 0, ""},
	{
		"CreateSegment", func(s stranger) error { return err1(sysvipc.CreateSegment(s.key, 1, 0o600)) }, syscall.EEXIST,
		"create segment {key}: exists already (a segment with this key exists: use that, or remove it first)",
	},
	{
		"EnsureSegment", func(s stranger) error { return err1(sysvipc.EnsureSegment(s.key, 1, 0o600)) }, syscall.EACCES,
		"ensure segment {key}: permission denied (a segment with this key exists, and its mode does not grant what perm asks for: {whose})",
	},
	{
		"EnsureSemaphores", func(s stranger) error { return err1(sysvipc.EnsureSemaphores(bg, s.key, 0o600, 1)) }, syscall.EACCES,
		"ensure semaphore set {key}: permission denied (a semaphore set with this key exists, and its mode does not grant what perm asks for: {whose})",
	},
	{
		"EnsureQueue", func(s stranger) error { return err1(sysvipc.EnsureQueue(s.key, 0o600)) }, syscall.EACCES,
		"ensure queue {key}: permission denied (a queue with this key exists, and its mode does not grant what perm asks for: {whose})",
	},

	{"Segment.Stat", func(s stranger) error { return err1(s.seg.Stat()) }, 0, ""},
	{
		"Segment.Attach", func(s stranger) error { return err1(s.seg.Attach(nil)) }, syscall.EACCES,
		"attach segment {seg}: permission denied (its mode does not grant reading and writing; a read-only attach needs only reading: {whose})",
	},
	{
		"Segment.Attach for executing",
		func(s stranger) error { return err1(s.seg.Attach(&sysvipc.AttachOptions{Exec: true})) },
		syscall.EACCES,
		"attach segment {seg}: permission denied (its mode does not grant reading, writing and executing; an attach without Exec needs no x bit, a read-only one no w bit: {whose})",
	},
	{"Segment.Attach for reading", func(s stranger) error {
		return err1(s.seg.Attach(&sysvipc.AttachOptions{ReadOnly: true}))
	}, syscall.EACCES, "attach segment {seg}" + mode},
	{"Segment.Remove", func(s stranger) error { return s.seg.Remove() }, syscall.EPERM, "remove segment {seg}" + notOwner},
	{"Segment.Chmod", func(s stranger) error { return s.seg.Chmod(0o666) }, syscall.EPERM, "chmod segment {seg}" + notOwner},
	{"Segment.Chown", func(s stranger) error { return s.seg.Chown(ipctest.Nobody, -1) }, syscall.EPERM, "chown segment {seg}" + notOwner},
	{
		"Segment.Lock", func(s stranger) error { return s.seg.Lock() }, syscall.EPERM,
		"lock segment {seg}: operation not permitted (only its owner, its creator or a process with CAP_IPC_LOCK may do this: {whose})",
	},
	{
		"Segment.Unlock", func(s stranger) error { return s.seg.Unlock() }, syscall.EPERM,
		"unlock segment {seg}: operation not permitted (only its owner, its creator or a process with CAP_IPC_LOCK may do this: {whose})",
	},

	{"SemaphoreSet.Stat", func(s stranger) error { return err1(s.set.Stat()) }, 0, ""},
	{"SemaphoreSet.Do", func(s stranger) error { return s.set.Do(bg, sysvipc.Add(0, -1)) }, syscall.EACCES, "operate on semaphore set {set}" + mode},
	{"SemaphoreSet.TryDo", func(s stranger) error { return err1(s.set.TryDo(sysvipc.Add(0, 1))) }, syscall.EACCES, "operate on semaphore set {set}" + mode},
	{"SemaphoreSet.Values", func(s stranger) error { return err1(s.set.Values()) }, syscall.EACCES, "read the values of semaphore set {set}" + mode},
	{"SemaphoreSet.SetValues", func(s stranger) error { return s.set.SetValues(7) }, syscall.EACCES, "set the values of semaphore set {set}" + mode},
	{"SemaphoreSet.Initialize", func(s stranger) error { return s.set.Initialize(7) }, syscall.EEXIST, ""},
	{"SemaphoreSet.Remove", func(s stranger) error { return s.set.Remove() }, syscall.EPERM, "remove semaphore set {set}" + notOwner},
	{"SemaphoreSet.Chmod", func(s stranger) error { return s.set.Chmod(0o666) }, syscall.EPERM, "chmod semaphore set {set}" + notOwner},
	{"SemaphoreSet.Chown", func(s stranger) error { return s.set.Chown(-1, ipctest.Nobody) }, syscall.EPERM, "chown semaphore set {set}" + notOwner},
	{"Semaphore.Acquire", func(s stranger) error { return s.set.At(0).Acquire(bg, 1) }, syscall.EACCES, "acquire semaphore set {set}" + mode},
	{"Semaphore.TryAcquire", func(s stranger) error { return err1(s.set.At(0).TryAcquire(1)) }, syscall.EACCES, "acquire semaphore set {set}" + mode},
	{"Semaphore.Release", func(s stranger) error { return s.set.At(0).Release(1) }, syscall.EACCES, "release semaphore set {set}" + mode},
	{"Semaphore.WaitZero", func(s stranger) error { return s.set.At(0).WaitZero(bg) }, syscall.EACCES, "wait for zero on semaphore set {set}" + mode},
	{"Semaphore.Value", func(s stranger) error { return err1(s.set.At(0).Value()) }, syscall.EACCES, "read the value of semaphore set {set}" + mode},
	{"Semaphore.SetValue", func(s stranger) error { return s.set.At(0).SetValue(1) }, syscall.EACCES, "set the value of semaphore set {set}" + mode},
	{"Semaphore.Waiters", func(s stranger) error { return err2(s.set.At(0).Waiters()) }, syscall.EACCES, "count the waiters of semaphore set {set}" + mode},
	{"Semaphore.LastPID", func(s stranger) error { return err1(s.set.At(0).LastPID()) }, syscall.EACCES, "read the last user of semaphore set {set}" + mode},

	{"Queue.Stat", func(s stranger) error { return err1(s.q.Stat()) }, 0, ""},
	{"Queue.Send", func(s stranger) error { return s.q.Send(bg, 1, nil) }, syscall.EACCES, "send to queue {q}" + mode},
	{"Queue.TrySend", func(s stranger) error { return err1(s.q.TrySend(1, nil)) }, syscall.EACCES, "send to queue {q}" + mode},
	{"Queue.Receive", func(s stranger) error { return err1(s.q.Receive(bg, sysvipc.Any)) }, syscall.EACCES, "receive from queue {q}" + mode},
	{"Queue.TryReceive", func(s stranger) error { return err2(s.q.TryReceive(sysvipc.Any)) }, syscall.EACCES, "receive from queue {q}" + mode},
	{"Queue.TryReceiveInto", func(s stranger) error { _, _, _, err := s.q.TryReceiveInto(sysvipc.Any, nil); return err }, syscall.EACCES, "receive from queue {q}" + mode},
	{"Queue.ReceiveInto", func(s stranger) error { return err2(s.q.ReceiveInto(bg, sysvipc.Any, nil)) }, syscall.EACCES, "receive from queue {q}" + mode},
	{"Queue.Messages", func(s stranger) error { return firstError(s.q.Messages(bg, sysvipc.Any)) }, syscall.EACCES, "receive from queue {q}" + mode},
	{"Queue.Peek", func(s stranger) error { return err1(s.q.Peek(0)) }, syscall.EACCES, "peek at queue {q}" + mode},
	{"Queue.Remove", func(s stranger) error { return s.q.Remove() }, syscall.EPERM, "remove queue {q}" + notOwner},
	{"Queue.Chmod", func(s stranger) error { return s.q.Chmod(0o666) }, syscall.EPERM, "chmod queue {q}" + notOwner},
	{"Queue.Chown", func(s stranger) error { return s.q.Chown(ipctest.Nobody, -1) }, syscall.EPERM, "chown queue {q}" + notOwner},
	{"Queue.SetMaxBytes", func(s stranger) error { return s.q.SetMaxBytes(100) }, syscall.EPERM, "set the capacity of queue {q}" + notOwner},
	{
		"Queue.SetMaxBytes, raised", func(s stranger) error { return s.q.SetMaxBytes(20000) }, syscall.EPERM,
		"set the capacity of queue {q}: operation not permitted (a capacity of 20000 bytes is above kernel.msgmnb, and takes CAP_SYS_RESOURCE; only its owner, its creator or a process with CAP_SYS_ADMIN may do this: {whose})",
	},

	{"ReadLimits", func(stranger) error { return err1(sysvipc.ReadLimits()) }, 0, ""},
	{"an exact ID", func(s stranger) error {
		id := 1234
		return err1(sysvipc.Creator{ID: &id}.CreateQueue(sysvipc.Private, 0o600))
	}, syscall.EACCES, "create queue: permission denied (an exact ID needs CAP_CHECKPOINT_RESTORE, and leave to write /proc/sys/kernel/msg_next_id)"},
}

// denied makes all attempts and says what came of each.
var denied = ipctest.Register("denied", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	ids := make([]int, 3)
	for i := range ids {
		ids[i], err = strconv.Atoi(c.Args[1+i])
		c.Check(err)
	}
	s := stranger{key, sysvipc.SegmentByID(ids[0]), sysvipc.SemaphoresByID(ids[1]), sysvipc.QueueByID(ids[2])}
	for _, a := range attempts {
		var errno syscall.Errno
		err := a.call(s)
		errors.As(err, &errno)
		if errno == syscall.EACCES || errno == syscall.EPERM {
			if !errors.Is(err, fs.ErrPermission) {
				c.Fatalf("%s: %v is no fs.ErrPermission", a.name, err)
			}
		}
		c.Say("%s: %d %v", a.name, int(errno), err)
	}
	seg, err := s.seg.Stat()
	c.Check(err)
	set, err := s.set.Stat()
	c.Check(err)
	q, err := s.q.Stat()
	c.Check(err)
	c.Say("%v %v %v", seg, set, q)
})

// Another user is refused everything that would read or change the objects; can find out what they are; and changes no
// field of them by trying.
func TestDenied(t *testing.T) {
	t.Parallel()
	if ipctest.UnderQEMU() {
		t.Skip("needs *_STAT_ANY, which qemu-user does not have")
	}
	if !ipctest.Alone(t) {
		return
	}
	key := newKey(t)
	s := stranger{
		key: key,
		seg: must(sysvipc.CreateSegment(key, 100, 0o600))(t),
		set: must(sysvipc.CreateSemaphores(key, 0o600, 1))(t),
		q:   must(sysvipc.CreateQueue(key, 0o600))(t),
	}
	check(t, s.q.Send(bg, 1, []byte("secret")))
	mem := attach(t, s.seg, nil)
	must(mem.WriteAt([]byte("secret"), 0))(t)
	check(t, mem.Close()) // a process that is forked now would show in the segment's times
	check(t, s.q.SetMaxBytes(15000))
	before := ipctest.Snapshot()

	p := ipctest.Start(t, denied, &ipctest.Options{UID: ipctest.Nobody}, key.String(), fmt.Sprint(s.seg.ID()), fmt.Sprint(s.set.ID()), fmt.Sprint(s.q.ID()))
	fill := strings.NewReplacer("{key}", key.String(), "{whose}", whose(0o600),
		"{seg}", fmt.Sprint(s.seg.ID()), "{set}", fmt.Sprint(s.set.ID()), "{q}", fmt.Sprint(s.q.ID()))
	for _, a := range attempts {
		got := p.Line()
		want := fmt.Sprintf("%s: %d ", a.name, int(a.errno))
		switch {
		case a.errno == 0:
			want += "<nil>"
		case a.text != "":
			want += "sysvipc: " + fill.Replace(a.text)
		default:
			got = got[:min(len(got), len(want))]
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}

	// What the stranger sees is what the owner sees, but what is resident.
	seg, set, q := must(s.seg.Stat())(t), must(s.set.Stat())(t), must(s.q.Stat())(t)
	for st := range sysvipc.Segments() {
		seg.Resident, seg.SwappedOut = st.Resident, st.SwappedOut
	}
	// Through the list, a process of another user is as visible as to its own.
	if diff := cmp.Diff(fmt.Sprintf("%v %v %v", seg, set, q), p.Line()); diff != "" {
		t.Errorf("a stranger's Stat differs (-owner +stranger):\n%s", diff)
	}
	p.Finish()
	if diff := cmp.Diff(before, ipctest.Snapshot()); diff != "" {
		t.Errorf("the attempts changed something (-before +after):\n%s", diff)
	}
}

// whose is what the hint says of an object of this user.
func whose(mode fs.FileMode) string {
	return fmt.Sprintf("it belongs to user %d, group %d and has mode %04o; this process is user %d, group %d", os.Geteuid(), os.Getegid(), uint32(mode), ipctest.Nobody, ipctest.Nobody)
}

// reader has objects that others may read.
var reader = ipctest.Register("reader", func(c *ipctest.ChildEnv) {
	ids := make([]int, 3)
	for i := range ids {
		var err error
		ids[i], err = strconv.Atoi(c.Args[i])
		c.Check(err)
	}
	mem, err := sysvipc.SegmentByID(ids[0]).Attach(&sysvipc.AttachOptions{ReadOnly: true})
	c.Check(err)
	buf := make([]byte, 5)
	_, err = mem.ReadAt(buf, 0)
	c.Check(err)
	c.Say("%s", buf)
	c.Check(mem.Close())
	_, err = sysvipc.SegmentByID(ids[0]).Attach(nil)
	c.Say("%v", err)

	set := sysvipc.SemaphoresByID(ids[1])
	values, err := set.Values()
	c.Check(err)
	c.Say("%v", values)
	c.Check(set.At(1).WaitZero(bg))
	_, err = set.TryDo(sysvipc.WaitZero(1), sysvipc.Add(0, -1))
	c.Say("%v", err)

	q := sysvipc.QueueByID(ids[2])
	m, err := q.Receive(bg, sysvipc.Any) // it takes no more than leave to read
	c.Check(err)
	c.Say("%s", m.Data)
	c.Say("%v", q.Send(bg, 1, nil))
})

func TestReadOnlyMode(t *testing.T) {
	t.Parallel()
	needModes(t)
	seg, set, q := newSegment(t, 5), newSet(t, 3, 0), newQueue(t)
	must(attach(t, seg, nil).WriteAt([]byte("bytes"), 0))(t)
	check(t, q.Send(bg, 1, []byte("message")))
	check(t, seg.Chmod(0o644))
	check(t, set.Chmod(0o644))
	check(t, q.Chmod(0o644))
	p := ipctest.Start(t, reader, &ipctest.Options{UID: ipctest.Nobody}, fmt.Sprint(seg.ID()), fmt.Sprint(set.ID()), fmt.Sprint(q.ID()))
	p.Expect("bytes")
	attach, denied := ": "+whose(0o644), strings.ReplaceAll(mode, "{whose}", whose(0o644))
	if ipctest.UnderQEMU() { // which does not tell who owns what one may not read
		attach, denied = "", ": permission denied (its mode does not grant this; see its owner and mode with \"sysvipc ls\")"
	}
	p.Expect(fmt.Sprintf("sysvipc: attach segment %d: permission denied (its mode does not grant reading and writing; a read-only attach needs only reading%s)", seg.ID(), attach))
	p.Expect("[3 0]")
	p.Expect(fmt.Sprintf("sysvipc: operate on semaphore set %d"+denied, set.ID()))
	p.Expect("message")
	p.Expect(fmt.Sprintf("sysvipc: send to queue %d"+denied, q.ID()))
	p.Finish()
}
