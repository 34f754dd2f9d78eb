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

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/internal/sysv"
)

// fault is an answer that a healthy kernel never gives.
type fault struct {
	syscall string
	errno   syscall.Errno
	match   []ipctest.Match
	name    string
	call    func(s stranger) error
	is      error // besides the errno
	text    string
}

const (
	noSysvipc = ": function not implemented (this kernel is built without CONFIG_SYSVIPC, or a sandbox forbids the call)"
	sandboxed = ": operation not permitted (a sandbox (seccomp) or a security module forbids the call)"
	private   = sysvipc.Private
)

// copyOnly matches msgrcv for a look.
var (
	copyOnly = []ipctest.Match{{Arg: 4, Value: sysv.MSG_COPY, Mask: sysv.MSG_COPY}}
	ipcSet   = func(arg int) []ipctest.Match { return []ipctest.Match{{Arg: arg, Value: sysv.IPC_SET, Mask: 0xff}} }
	undo     = func(s stranger) error { return s.set.At(0).Undo().Acquire(bg, 1) }
)

// faults are by call. A child goes through all of one call: the kernel heeds the newest.
var faults = []fault{
	{
		"shmget", syscall.ENOMEM, nil, "CreateSegment", func(stranger) error { return err1(sysvipc.CreateSegment(private, 4096, 0o600)) }, nil,
		"create segment: cannot allocate memory (no memory for 4096 bytes: see vm.overcommit_memory, or reserve none (NoReserve, --noreserve))",
	},
	{"shmget", syscall.ENOMEM, nil, "CreateSegment of huge pages", func(stranger) error {
		return err1(sysvipc.Creator{HugePages: 1}.CreateSegment(private, 4096, 0o600))
	}, nil, "create segment: cannot allocate memory (not enough free huge pages for 4096 bytes: reserve them, as root, by \"sysctl vm.nr_hugepages=N\"; /proc/meminfo has their size and how many are free)"},
	{"shmget", syscall.EPERM, nil, "CreateSegment of huge pages", func(stranger) error {
		return err1(sysvipc.Creator{HugePages: 2 << 20}.CreateSegment(private, 4096, 0o600))
	}, nil, "create segment: operation not permitted (huge pages need CAP_IPC_LOCK or a group in vm.hugetlb_shm_group)"},
	{
		"shmget", syscall.EPERM, nil, "CreateSegment", func(stranger) error { return err1(sysvipc.CreateSegment(private, 1, 0o600)) }, nil,
		"create segment: operation not permitted (a sandbox (seccomp) or a security module forbids the call)",
	},
	{
		"shmget", syscall.EINVAL, nil, "CreateSegment", func(stranger) error { return err1(sysvipc.CreateSegment(private, 1, 0o600)) }, nil,
		"create segment: invalid argument (the kernel accepts no such size or flags)",
	},
	{"shmget", syscall.EINVAL, nil, "CreateSegment of huge pages", func(stranger) error {
		return err1(sysvipc.Creator{HugePages: 1}.CreateSegment(private, 1, 0o600))
	}, nil, "create segment: invalid argument (this kernel offers no huge pages; see /sys/kernel/mm/hugepages)"},
	{
		"shmget", syscall.ENFILE, nil, "EnsureSegment", func(s stranger) error { return err1(sysvipc.EnsureSegment(s.key, 1, 0o600)) }, nil,
		"ensure segment {key}: too many open files in system (the system-wide limit on open files is reached: see fs.file-max)",
	},
	{
		"shmget", syscall.ENOSYS, nil, "CreateSegment", func(stranger) error { return err1(sysvipc.CreateSegment(private, 1, 0o600)) }, errors.ErrUnsupported,
		"create segment" + noSysvipc,
	},
	{
		"shmget", syscall.ENOSYS, nil, "OpenSegment", func(s stranger) error { return err1(sysvipc.OpenSegment(s.key)) }, errors.ErrUnsupported,
		"open segment {key}" + noSysvipc,
	},
	{
		"shmat", syscall.ENOMEM, nil, "Segment.Attach", func(s stranger) error { return err1(s.seg.Attach(nil)) }, nil,
		"attach segment {seg}: cannot allocate memory (no room for 100 bytes in the address space, or too many mappings: see vm.max_map_count)",
	},
	{
		"shmat", syscall.ENFILE, nil, "Segment.Attach", func(s stranger) error { return err1(s.seg.Attach(nil)) }, nil,
		"attach segment {seg}: too many open files in system (the system-wide limit on open files is reached: see fs.file-max)",
	},
	{
		"shmctl", syscall.EOVERFLOW, nil, "Segment.Stat", func(s stranger) error { return err1(s.seg.Stat()) }, nil,
		"stat segment {seg}: value too large for defined data type (a number of it does not fit into this 32-bit program)",
	},
	{
		"shmctl", syscall.ENOMEM, nil, "Segment.Lock", func(s stranger) error { return s.seg.Lock() }, nil,
		"lock segment {seg}: cannot allocate memory (it passes RLIMIT_MEMLOCK, which CAP_IPC_LOCK may: see \"ulimit -l\")",
	},
	{"shmctl", syscall.EIDRM, nil, "Segment.Chmod", func(s stranger) error { return s.seg.Chmod(0o600) }, sysvipc.ErrRemoved, "chmod segment {seg}: removed"},
	{
		"shmctl", syscall.ENOSYS, nil, "ReadLimits", func(stranger) error { return err1(sysvipc.ReadLimits()) }, errors.ErrUnsupported,
		"read the limits of segment" + noSysvipc,
	},

	// EPERM to who owns the object, or of a call that takes no owner, is a sandbox's.
	{
		"shmctl", syscall.EPERM,
		[]ipctest.Match{{Arg: 1, Value: sysv.IPC_RMID, Mask: 0xff}},
		"Segment.Remove", func(s stranger) error { return s.seg.Remove() }, nil, "remove segment {seg}" + sandboxed,
	},
	{
		"semctl", syscall.EPERM,
		[]ipctest.Match{{Arg: 2, Value: sysv.IPC_RMID, Mask: 0xff}},
		"SemaphoreSet.Remove", func(s stranger) error { return s.set.Remove() }, nil, "remove semaphore set {set}" + sandboxed,
	},
	{"msgctl", syscall.EPERM, ipcSet(1), "Queue.Chmod", func(s stranger) error { return s.q.Chmod(0o600) }, nil, "chmod queue {q}" + sandboxed},
	{"shmctl", syscall.EPERM, nil, "Segment.Stat", func(s stranger) error { return err1(s.seg.Stat()) }, nil, "stat segment {seg}" + sandboxed},
	{"shmat", syscall.EPERM, nil, "Segment.Attach", func(s stranger) error { return err1(s.seg.Attach(nil)) }, nil, "attach segment {seg}" + sandboxed},
	{semop, syscall.EPERM, nil, "Semaphore.Acquire", func(s stranger) error { return s.set.At(0).Acquire(bg, 1) }, nil, "acquire semaphore set {set}" + sandboxed},
	{"msgsnd", syscall.EPERM, nil, "Queue.Send", func(s stranger) error { return s.q.Send(bg, 1, nil) }, nil, "send to queue {q}" + sandboxed},
	{"msgrcv", syscall.EPERM, nil, "Queue.Receive", func(s stranger) error { return err1(s.q.Receive(bg, sysvipc.Any)) }, nil, "receive from queue {q}" + sandboxed},

	// In a user namespace there are users that do not exist: that is said, and not that the object is gone.
	{
		"shmctl", syscall.EINVAL, ipcSet(1), "Segment.Chown", func(s stranger) error { return s.seg.Chown(1234, -1) }, nil,
		"chown segment {seg}: invalid argument (user 1234 or group {gid} does not exist in this user namespace)",
	},
	{
		"semctl", syscall.EINVAL, ipcSet(2), "SemaphoreSet.Chown", func(s stranger) error { return s.set.Chown(1234, -1) }, nil,
		"chown semaphore set {set}: invalid argument (user 1234 or group {gid} does not exist in this user namespace)",
	},
	{
		"msgctl", syscall.EINVAL, ipcSet(1), "Queue.Chown", func(s stranger) error { return s.q.Chown(1234, -1) }, nil,
		"chown queue {q}: invalid argument (user 1234 or group {gid} does not exist in this user namespace)",
	},

	{
		"semget", syscall.ENOMEM, nil, "CreateSemaphores", func(stranger) error { return err1(sysvipc.CreateSemaphores(private, 0o600, 1, 2)) }, nil,
		"create semaphore set: cannot allocate memory (the kernel has no memory for 2 semaphores)",
	},
	{
		"semget", syscall.EPERM, nil, "CreateSemaphores", func(stranger) error { return err1(sysvipc.CreateSemaphores(private, 0o600, 1)) }, nil,
		"create semaphore set: operation not permitted (a sandbox (seccomp) or a security module forbids the call)",
	},
	{
		"semget", syscall.ENOSYS, nil, "EnsureSemaphores", func(s stranger) error { return err1(sysvipc.EnsureSemaphores(bg, s.key, 0o600, 1)) }, errors.ErrUnsupported,
		"ensure semaphore set {key}" + noSysvipc,
	},
	{
		semop, syscall.ENOMEM, nil, "Semaphore.Acquire with undo", undo, nil,
		"acquire semaphore set {set}: cannot allocate memory (the kernel has no memory for undo records)",
	},
	{
		semop, syscall.ENOSPC, nil, "Semaphore.Acquire with undo", undo, nil,
		"acquire semaphore set {set}: no space left on device (the kernel has no memory for undo records)",
	},
	{semop, syscall.ENOMEM, nil, "CreateSemaphores", func(stranger) error { return err1(sysvipc.CreateSemaphores(private, 0o600, 1)) }, nil, ""},
	{
		"semctl", syscall.ENOMEM, nil, "SemaphoreSet.Stat", func(s stranger) error { return err1(s.set.Stat()) }, nil,
		"stat semaphore set {set}: cannot allocate memory (the kernel has no memory for it)",
	},
	{
		"semctl", syscall.ENOMEM,
		[]ipctest.Match{{Arg: 2, Value: sysv.GETALL, Mask: 0xff}},
		"SemaphoreSet.Values", func(s stranger) error { return err1(s.set.Values()) }, nil,
		"read the values of semaphore set {set}: cannot allocate memory (the kernel has no memory for it)",
	},
	{
		"semctl", syscall.ENOMEM,
		[]ipctest.Match{{Arg: 2, Value: sysv.SETALL, Mask: 0xff}},
		"SemaphoreSet.SetValues", func(s stranger) error { return s.set.SetValues(1) }, nil,
		"set the values of semaphore set {set}: cannot allocate memory (the kernel has no memory for it)",
	},

	{
		"msgget", syscall.ENOMEM, nil, "CreateQueue", func(stranger) error { return err1(sysvipc.CreateQueue(private, 0o600)) }, nil,
		"create queue: cannot allocate memory (the kernel has no memory for a queue)",
	},
	{
		"msgget", syscall.EPERM, nil, "EnsureQueue", func(s stranger) error { return err1(sysvipc.EnsureQueue(s.key, 0o600)) }, nil,
		"ensure queue {key}: operation not permitted (a sandbox (seccomp) or a security module forbids the call)",
	},
	{"msgget", syscall.ENOSYS, nil, "OpenQueue", func(s stranger) error { return err1(sysvipc.OpenQueue(s.key)) }, errors.ErrUnsupported, "open queue {key}" + noSysvipc},
	{
		"msgsnd", syscall.ENOMEM, nil, "Queue.Send", func(s stranger) error { return s.q.Send(bg, 1, make([]byte, 77)) }, nil,
		"send to queue {q}: cannot allocate memory (the kernel has no memory for 77 bytes)",
	},
	{
		"msgrcv", syscall.ENOSYS, copyOnly, "Queue.Peek", func(s stranger) error { return err1(s.q.Peek(0)) }, errors.ErrUnsupported,
		"peek at queue {q}: function not implemented (this kernel is built without CONFIG_CHECKPOINT_RESTORE)",
	},
	{
		"msgrcv", syscall.ENOMEM, copyOnly, "Queue.Peek", func(s stranger) error { return err1(s.q.Peek(0)) }, nil,
		"peek at queue {q}: cannot allocate memory (the kernel has no memory for it)",
	},
}

// semop is the call for operations that do not wait, which is not the same on all ports.
var semop = func() string {
	for _, name := range []string{"semop", "semtimedop", "semtimedop_time64"} {
		if _, ok := ipctest.Syscall(name); ok {
			return name
		}
	}
	return "ipc"
}()

// faulty provokes the faults of one call, one after the other, and says what it does not like of the errors.
var faulty = ipctest.Register("faulty", func(c *ipctest.ChildEnv) {
	var n [3]int
	for i := range n {
		var err error
		n[i], err = strconv.Atoi(c.Args[1+i])
		c.Check(err)
	}
	s := stranger{sysvipc.KeyOf("nobody has this name"), sysvipc.SegmentByID(n[0]), sysvipc.SemaphoresByID(n[1]), sysvipc.QueueByID(n[2])}
	nr, ok := ipctest.Syscall(c.Args[0])
	if !ok {
		c.Fatal("this port has no", c.Args[0])
	}
	_, hasIPC := ipctest.Syscall("ipc")
	fill := strings.NewReplacer("{key}", s.key.String(),
		"{seg}", fmt.Sprint(n[0]), "{set}", fmt.Sprint(n[1]), "{q}", fmt.Sprint(n[2]), "{gid}", fmt.Sprint(os.Getegid()))
	for _, f := range faultsOf(c.Args[0]) {
		if hasIPC && f.errno == syscall.ENOSYS && f.match == nil {
			continue // ports that have ipc(2) try it after ENOSYS, and it answers
		}
		c.Check(ipctest.Fault(nr, f.errno, f.match...))
		err := f.call(s)
		text := ""
		if f.text != "" {
			text = "sysvipc: " + fill.Replace(f.text)
		}
		is := []error{f.errno}
		if f.is != nil {
			is = append(is, f.is)
		}
		if f.is == sysvipc.ErrRemoved {
			is = append(is, fs.ErrNotExist)
		}
		for _, m := range mismatches(err, text, is...) {
			c.Say("%s: %s", f.name, m)
		}
	}
})

// faultsOf returns those of one call, and first those that are restricted to some arguments: there is no way back.
func faultsOf(call string) (list []fault) {
	for _, restricted := range []bool{true, false} {
		for _, f := range faults {
			if f.syscall == call && (f.match != nil) == restricted {
				list = append(list, f)
			}
		}
	}
	return list
}

// What a kernel answers in need, or when it is old or in a sandbox, has a text too, and changes nothing.
func TestFaults(t *testing.T) {
	t.Parallel()
	ipctest.NeedFault(t)
	if !ipctest.Alone(t) {
		return
	}
	seg, set, q := newSegment(t, 100), newSet(t, 1), newQueue(t)
	check(t, q.Send(bg, 1, []byte("first")))
	before := ipctest.Snapshot()
	seen := map[string]bool{}
	for _, f := range faults {
		if seen[f.syscall] {
			continue
		}
		seen[f.syscall] = true
		t.Run(f.syscall, func(t *testing.T) {
			p := ipctest.Start(t, faulty, nil, f.syscall, fmt.Sprint(seg.ID()), fmt.Sprint(set.ID()), fmt.Sprint(q.ID()))
			for line := range p.Lines() {
				t.Error(strings.ReplaceAll(line, `\n`, "\n"))
			}
			p.Finish()
			if after := ipctest.Snapshot(); after != before {
				t.Errorf("something changed; before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}
