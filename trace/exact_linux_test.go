//go:build amd64 || arm64

package trace

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// tally is what a program says of its own calls: how many there were of each kind, object, command and result, and how
// long they took at the most.
type tally struct {
	mu    sync.Mutex
	count map[tallyKey]uint64
	took  map[tallyKey]*Histogram
}

type tallyKey struct {
	PID     int
	Comm    string
	Op      Op
	ID      int
	Command int
	Errno   int
}

func newTally() *tally {
	return &tally{count: map[tallyKey]uint64{}, took: map[tallyKey]*Histogram{}}
}

func (l *tally) note(op Op, id, command int, errno syscall.Errno, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := tallyKey{PID: os.Getpid(), Comm: comm(), Op: op, ID: id, Command: command, Errno: int(errno)}
	l.count[k]++
	if l.took[k] == nil {
		l.took[k] = &Histogram{}
	}
	l.took[k][Bucket(took)]++
}

// do makes one call and notes it. The ID of what it makes or looks up is what it returns.
func (l *tally) do(op Op, number uintptr, command int, args ...uintptr) (uintptr, syscall.Errno) {
	start := time.Now()
	r, errno := call(number, args...)
	took := time.Since(start)
	id := int(int32(args[0]))
	if op == Semget || op == Shmget || op == Msgget {
		id = int(int32(r))
		if errno != 0 {
			id = -1
		}
	}
	l.note(op, id, command, errno, took)
	return r, errno
}

func (l *tally) semop(id uintptr, ops ...sembuf) syscall.Errno {
	_, errno := l.do(Semop, unix.SYS_SEMOP, 0, id, uintptr(unsafe.Pointer(&ops[0])), uintptr(len(ops)))
	return errno
}

func (l *tally) semtimedop(id uintptr, limit time.Duration, ops ...sembuf) syscall.Errno {
	ts := unix.NsecToTimespec(int64(limit))
	_, errno := l.do(Semtimedop, unix.SYS_SEMTIMEDOP, 0, id, uintptr(unsafe.Pointer(&ops[0])), uintptr(len(ops)), uintptr(unsafe.Pointer(&ts)))
	return errno
}

type message struct {
	typ  int64
	text [8]byte
}

func (l *tally) send(id uintptr, typ int64, flags uintptr) syscall.Errno {
	m := message{typ: typ}
	_, errno := l.do(Msgsnd, unix.SYS_MSGSND, 0, id, uintptr(unsafe.Pointer(&m)), 8, flags)
	return errno
}

func (l *tally) receive(id uintptr, typ int64, flags uintptr) syscall.Errno {
	var m message
	_, errno := l.do(Msgrcv, unix.SYS_MSGRCV, 0, id, uintptr(unsafe.Pointer(&m)), 8, uintptr(typ), flags)
	return errno
}

// say tells the test what was done.
func (l *tally) say(c *ipctest.ChildEnv) {
	for _, k := range slices.SortedFunc(maps.Keys(l.count), func(a, b tallyKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		c.Say("%d %s %d %d %d %d %d %v", k.PID, k.Comm, k.Op, k.ID, k.Command, k.Errno, l.count[k], l.took[k][:])
	}
}

func (l *tally) hear(t *testing.T, line string) {
	t.Helper()
	numbers, buckets, _ := strings.Cut(line, " [")
	var k tallyKey
	var n uint64
	if _, err := fmt.Sscan(numbers, &k.PID, &k.Comm, &k.Op, &k.ID, &k.Command, &k.Errno, &n); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	var h Histogram
	for i, f := range strings.Fields(strings.TrimSuffix(buckets, "]")) {
		fmt.Sscan(f, &h[i])
	}
	l.count[k] += n
	l.took[k] = &h
}

// comm is the name of this process.
func comm() string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getpid()))
	return strings.TrimSpace(string(text))
}

const (
	workThreads = 8
	workRounds  = 100
	workTimeout = 5 * time.Millisecond
	nowait      = 0o4000
)

// worker makes all the calls, in eight threads, and says which. Then it starts a child that does the same with two threads,
// and becomes another program that makes some more.
var worker = ipctest.Register("worker", func(c *ipctest.ChildEnv) {
	c.Listen()
	l := newTally()
	l.work(workThreads)
	l.interrupted(c)
	l.say(c)
	c.Check(c.Start(workersChild).Wait())
	c.Check(os.Setenv("SYSVIPC_IPCTEST", "child "+workersNext))
	// The standard input is handed on as it is.
	c.Check(unix.Exec("/proc/self/exe", []string{"next"}, os.Environ()))
})

var workersChild = ipctest.Register("workersChild", func(c *ipctest.ChildEnv) {
	l := newTally()
	l.work(2)
	l.say(c)
})

var workersNext = ipctest.Register("workersNext", func(c *ipctest.ChildEnv) {
	l := newTally()
	l.work(1)
	l.say(c)
	c.Say("done")
})

func (l *tally) work(threads int) {
	shared, _ := l.do(Semget, unix.SYS_SEMGET, 0, 0, 2, 0o600)
	l.do(Semctl, unix.SYS_SEMCTL, 16, shared, 0, 16 /* SETVAL */, 1)
	var all sync.WaitGroup
	for range threads {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			l.oneThread(shared)
		})
	}
	all.Wait()
	l.do(Semctl, unix.SYS_SEMCTL, ipcRMID, shared, 0, ipcRMID)
}

func (l *tally) oneThread(shared uintptr) {
	set, _ := l.do(Semget, unix.SYS_SEMGET, 0, 0, 3, 0o600)
	queue, _ := l.do(Msgget, unix.SYS_MSGGET, 0, 0, 0o600)
	segment, _ := l.do(Shmget, unix.SYS_SHMGET, 0, 0, 4096, 0o600)
	l.do(Semget, unix.SYS_SEMGET, 0, 0x7fff1234, 1, 0o600) // ENOENT
	for i := range workRounds {
		l.semop(set, sembuf{1, 1, 0}, sembuf{2, 1, 0})
		l.semop(set, sembuf{1, -1, 0}, sembuf{2, -1, 0})
		l.semop(set, sembuf{0, -1, nowait}) // EAGAIN
		l.semop(shared, sembuf{0, -1, 0})   // waits for the others
		l.semop(shared, sembuf{0, 1, 0})
		l.semtimedop(shared, time.Minute, sembuf{0, -1, 0})
		l.semtimedop(shared, time.Minute, sembuf{0, 1, 0})
		l.send(queue, int64(i+1), 0)
		l.receive(queue, int64(i+1), 0)
		l.receive(queue, 0, nowait) // ENOMSG
		l.do(Semctl, unix.SYS_SEMCTL, 12, set, 0, 12 /* GETVAL */)
		address, _ := l.do(Shmat, unix.SYS_SHMAT, 0, segment, 0, 0)
		start := time.Now()
		_, errno := call(unix.SYS_SHMDT, address)
		l.note(Shmdt, int(segment), 0, errno, time.Since(start))
		l.semop(1<<30, sembuf{0, 1, 0}) // EINVAL, or EIDRM
	}
	for range 3 {
		l.semtimedop(set, workTimeout, sembuf{0, -1, 0}) // EAGAIN, in time
	}
	start := time.Now()
	_, errno := call(unix.SYS_SHMDT, 0x1000) // EINVAL
	l.note(Shmdt, -1, 0, errno, time.Since(start))
	var room [256]byte
	there := uintptr(unsafe.Pointer(&room))
	l.do(Shmctl, unix.SYS_SHMCTL, ipcStat, segment, ipcStat, there)
	l.do(Msgctl, unix.SYS_MSGCTL, ipcStat, queue, ipcStat, there)
	start = time.Now()
	_, errno = call(unix.SYS_MSGCTL, 0, ipcInfo, there) // about no queue
	l.note(Msgctl, -1, ipcInfo, errno, time.Since(start))
	l.do(Semctl, unix.SYS_SEMCTL, ipcRMID, set, 0, ipcRMID)
	l.do(Shmctl, unix.SYS_SHMCTL, ipcRMID, segment, ipcRMID)
	l.do(Msgctl, unix.SYS_MSGCTL, ipcRMID, queue, ipcRMID)
	l.send(queue, 1, 0) // EINVAL
	runtime.KeepAlive(&room)
}

// interrupted makes calls that end with EINTR, and one that goes on after the process was stopped.
func (l *tally) interrupted(c *ipctest.ChildEnv) {
	signal.Notify(make(chan os.Signal, 100), unix.SIGUSR1)
	set, _ := l.do(Semget, unix.SYS_SEMGET, 0, 0, 1, 0o600)
	queue, _ := l.do(Msgget, unix.SYS_MSGGET, 0, 0, 0o600)
	var tid atomic.Int64
	var over sync.WaitGroup
	over.Go(func() {
		runtime.LockOSThread()
		tid.Store(int64(unix.Gettid()))
		for n := 0; n < 3; {
			if l.semop(set, sembuf{0, -1, 0}) == syscall.EINTR {
				n++
			}
		}
		for n := 0; n < 3; {
			if l.receive(queue, 0, 0) == syscall.EINTR {
				n++
			}
		}
		tid.Store(0)
	})
	for { // a signal that comes outside of a call does nothing
		if id := tid.Load(); id != 0 {
			unix.Tgkill(os.Getpid(), int(id), unix.SIGUSR1)
		}
		runtime.Gosched()
		if done := tid.Load() == 0 && l.has(Msgrcv, int(queue), syscall.EINTR, 3); done {
			break
		}
	}
	over.Wait()
	over.Go(func() {
		for l.receive(queue, 0, 0) != 0 {
		}
	})
	c.Say("waiting %d", queue)
	c.Listen()
	l.send(queue, 1, 0)
	over.Wait()
	l.do(Semctl, unix.SYS_SEMCTL, ipcRMID, set, 0, ipcRMID)
	l.do(Msgctl, unix.SYS_MSGCTL, ipcRMID, queue, ipcRMID)
}

func (l *tally) has(op Op, id int, errno syscall.Errno, n uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, count := range l.count {
		if k.Op == op && k.ID == id && k.Errno == int(errno) && count >= n {
			return true
		}
	}
	return false
}

// A program's own account of its calls, with threads, waits, errors, timeouts, signals, a child and exec(3), is that of the
// trace to the last call.
func TestExact(t *testing.T) {
	t.Parallel()
	if !ipctest.FirstPIDNamespace() {
		t.Skip("needs the first PID namespace, whose numbers the trace has")
	}
	tr := start0(t, nil)
	p := ipctest.Start(t, worker, nil)
	p.Tell("go")
	var queue int
	if _, err := fmt.Sscanf(p.Line(), "waiting %d", &queue); err != nil {
		t.Fatal(err)
	}
	ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, queue, 1)
	for range 3 { // it is made again by the kernel each time, and is one call
		stopAndGoOn(t, p.PID)
		ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, queue, 1)
	}
	p.Tell("go on")
	want := newTally()
	for line := p.Line(); line != "done"; line = p.Line() {
		want.hear(t, line)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}

	pids := map[int]bool{}
	for k := range want.count {
		pids[k.PID] = true
	}
	if len(pids) != 2 {
		t.Errorf("calls of %d processes, want 2", len(pids))
	}
	sum, err := tr.Read()
	if err != nil {
		t.Fatal(err)
	}
	if sum.Lost != 0 {
		t.Errorf("%d calls lost", sum.Lost)
	}
	got := newTally()
	for _, c := range sum.Calls {
		if !pids[c.PID] {
			continue // other tests beside this one
		}
		k := tallyKey{c.PID, c.Comm, c.Op, c.ID, c.Command, int(c.Errno)}
		got.count[k] += c.Count
		if c.Untimed != 0 {
			t.Errorf("%+v: %d of %d calls not timed", k, c.Untimed, c.Count)
		}
		if h := want.took[k]; h != nil {
			checkLatency(t, k, &c.Latency, h)
		}
		if k.Op == Semtimedop && k.Errno == int(syscall.EAGAIN) && (c.Total < time.Duration(c.Count)*workTimeout || c.Max < workTimeout) {
			t.Errorf("%+v: %d timeouts of %v took %v, at most %v", k, c.Count, workTimeout, c.Total, c.Max)
		}
	}
	for k, n := range want.count {
		if got.count[k] != n {
			t.Errorf("%+v: %d calls counted, the program made %d", k, got.count[k], n)
		}
	}
	for k, n := range got.count {
		if want.count[k] == 0 {
			t.Errorf("%+v: %d calls counted, the program says nothing of them", k, n)
		}
	}
	if len(want.count) < 80 {
		t.Errorf("only %d different calls", len(want.count))
	}
}

// checkLatency compares what the kernel took with what the program saw, which is longer.
func checkLatency(t *testing.T, k tallyKey, kernel, program *Histogram) {
	t.Helper()
	var inKernel, inProgram uint64
	for i := range kernel {
		inKernel, inProgram = inKernel+kernel[i], inProgram+program[i]
		if inKernel < inProgram {
			t.Errorf("%+v: %d calls in bucket %d or below, the program saw %d:\n%v\n%v", k, inKernel, i, inProgram, *kernel, *program)
			return
		}
	}
}

// stopAndGoOn stops a process and lets it go on when it has stopped.
func stopAndGoOn(t *testing.T, pid int) {
	t.Helper()
	for _, step := range []struct {
		signal syscall.Signal
		option int
	}{{unix.SIGSTOP, unix.WSTOPPED}, {unix.SIGCONT, unix.WCONTINUED}} {
		if err := unix.Kill(pid, step.signal); err != nil {
			t.Fatal(err)
		}
		if err := unix.Waitid(unix.P_PID, pid, nil, step.option|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// busyTracer traces until it is killed.
var busyTracer = ipctest.Register("busyTracer", func(c *ipctest.ChildEnv) {
	tr, err := Start(&Options{Events: true})
	c.Check(err)
	for _, p := range tr.programs {
		info, err := p.Info()
		c.Check(err)
		id, _ := info.ID()
		c.Say("%d", id)
	}
	c.Listen()
})

// A tracer that is killed leaves nothing in the kernel.
func TestKilled(t *testing.T) {
	t.Parallel()
	start0(t, nil)
	p := ipctest.Start(t, busyTracer, nil)
	var ids [2]ebpf.ProgramID
	for i := range ids {
		if _, err := fmt.Sscan(p.Line(), &ids[i]); err != nil {
			t.Fatal(err)
		}
		left, err := ebpf.NewProgramFromID(ids[i])
		if err != nil {
			t.Fatal(err)
		}
		left.Close()
	}
	p.Kill()
	for _, id := range ids {
		for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
			left, err := ebpf.NewProgramFromID(id)
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			left.Close()
			if time.Now().After(deadline) {
				t.Fatalf("program %d is still there", id)
			}
		}
	}
}

// Only the process, the objects and the namespace that are asked for are traced.
func TestFilters(t *testing.T) {
	t.Parallel()
	mine, other := newSet(t, 1), newSet(t, 1)
	traces := map[string]*Trace{
		"all":        start0(t, nil),
		"objects":    start0(t, &Options{Objects: []Object{{Kind: Semop.Kind(), ID: mine}}}),
		"queue":      start0(t, &Options{Objects: []Object{{Kind: Msgsnd.Kind(), ID: mine}}}),
		"namespace":  start0(t, &Options{Namespace: 1}),
		"everywhere": start0(t, &Options{Namespace: AllNamespaces, Rows: 1 << 16}),
	}
	want := map[string][2]uint64{"all": {10, 10}, "objects": {10, 0}, "queue": {}, "namespace": {}, "everywhere": {10, 10}}
	if ipctest.FirstPIDNamespace() {
		traces["other process"], want["other process"] = start0(t, &Options{PID: os.Getppid()}), [2]uint64{}
	} else if _, err := Start(&Options{PID: os.Getppid()}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a process of another PID namespace: %v", err)
	}
	for _, id := range []int{mine, other} {
		for range 10 {
			if errno := semop(id, []sembuf{{op: 1}}); errno != 0 {
				t.Fatal(errno)
			}
		}
	}
	for name, want := range want {
		sum, err := traces[name].Read()
		if err != nil {
			t.Fatal(err)
		}
		var got [2]uint64
		for _, c := range sum.Calls {
			if here, err := ownNamespace(); err != nil || c.Namespace != here || c.Op != Semop {
				continue
			}
			switch c.ID {
			case mine:
				got[0] += c.Count
			case other:
				got[1] += c.Count
			}
		}
		if got != want {
			t.Errorf("%s: %d calls on two sets, want %d", name, got, want)
		}
	}
	if _, err := Start(&Options{Objects: make([]Object, maxObjects+1)}); err == nil || errors.Is(err, ErrUnsupported) {
		t.Errorf("too many objects: %v", err)
	}
}

// inCgroup makes calls when it is in the control group that is traced, and is heard.
var inCgroup = ipctest.Register("inCgroup", func(c *ipctest.ChildEnv) {
	for {
		set, err := strconv.Atoi(c.Listen())
		if err != nil {
			return
		}
		for range 10 {
			semop(set, []sembuf{{op: 1}})
		}
		c.Say("done")
	}
})

// Only the processes of a control group are traced, with those of groups below it.
func TestCgroups(t *testing.T) {
	t.Parallel()
	ipctest.NeedBPF(t)
	root := ""
	for _, path := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(path + "/cgroup.controllers"); err == nil {
			root = path
		}
	}
	group, err := os.MkdirTemp(root, "sysvipc-test-")
	if root == "" || err != nil {
		t.Skip("needs control groups of version 2 that it may make:", err)
	}
	below := filepath.Join(group, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(below); os.Remove(group) })
	p := ipctest.Start(t, inCgroup, nil)
	t.Cleanup(func() { p.Kill() }) // before the groups are removed
	tr := start0(t, &Options{Cgroups: []string{group}})
	set := newSet(t, 1)
	want := uint64(0)
	for _, at := range []string{"", group, below} {
		if at != "" {
			if err := os.WriteFile(at+"/cgroup.procs", []byte(strconv.Itoa(p.PID)), 0); err != nil {
				t.Skip("needs leave to move a process to another control group:", err)
			}
			want += 10
		}
		p.Tell(strconv.Itoa(set))
		p.Line()
		semop(set, []sembuf{{op: 1}}) // of this process, which is in none
		sum, err := tr.Read()
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		for _, c := range sum.Calls {
			got += c.Count
		}
		if got != want {
			t.Errorf("with the process in %q: %d calls, want %d", at, got, want)
		}
	}
	if _, err := Start(&Options{Cgroups: []string{t.TempDir()}}); err == nil || !strings.Contains(err.Error(), "no control group") {
		t.Errorf("a directory that is no control group: %v", err)
	}
}

// What has no room is counted as lost, and nothing else is.
func TestLost(t *testing.T) {
	t.Parallel()
	tr := start0(t, &Options{Rows: 4, PID: kernelPID(t)})
	const sets = 12
	for range sets {
		newSet(t, 1)
	}
	sum, err := tr.Read()
	if err != nil {
		t.Fatal(err)
	}
	var counted uint64
	for _, c := range sum.Calls {
		counted += c.Count
	}
	if len(sum.Calls) > 4 || sum.Lost == 0 || counted+sum.Lost < sets {
		t.Errorf("%d rows with %d calls, %d lost, of %d and those of other tests", len(sum.Calls), counted, sum.Lost, sets)
	}
}

// Calls that are counted together are as many, in rows that name no process and no object.
func TestTogether(t *testing.T) {
	t.Parallel()
	first, second := newSet(t, 1), newSet(t, 1)
	tr := start0(t, &Options{Together: true, Objects: []Object{{Kind: Semop.Kind(), ID: first}, {Kind: Semop.Kind(), ID: second}}})
	for range 10 {
		semop(first, []sembuf{{op: 1}})
		semop(second, []sembuf{{op: 1}})
		semop(second, []sembuf{{op: -100, flg: nowait}})
	}
	sum, err := tr.Read()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, c := range sum.Calls {
		if c.Op != Semop || c.ID != -1 || c.Process != (Process{}) {
			t.Errorf("%+v", c)
		}
		got[c.Result()] += c.Count
	}
	if want := map[string]uint64{"ok": 20, "EAGAIN": 10}; !maps.Equal(got, want) || len(sum.Calls) != 2 {
		t.Errorf("%v in %d rows, want %v in 2", got, len(sum.Calls), want)
	}
	if _, err := Start(&Options{Together: true, Events: true}); err == nil {
		t.Error("together, and one by one")
	}
}

// kernelPID is this process's number in the first PID namespace.
func kernelPID(t *testing.T) int {
	t.Helper()
	if !ipctest.FirstPIDNamespace() {
		t.Skip("needs the first PID namespace, whose numbers the trace has")
	}
	return os.Getpid()
}

// A call that began before the trace is counted when it ends, and not timed.
func TestUntimed(t *testing.T) {
	t.Parallel()
	set := newSet(t, 1)
	var over sync.WaitGroup
	over.Go(func() {
		for semop2(set, sembuf{op: -1}) == syscall.EINTR {
		}
	})
	ipctest.WaitBlockedOn(t, 0, ipctest.Sem, set, 1)
	tr := start0(t, nil)
	semop2(set, sembuf{op: 1})
	over.Wait()
	sum, err := tr.Read()
	if err != nil {
		t.Fatal(err)
	}
	var count, untimed uint64
	for _, c := range sum.Calls {
		if c.Op == Semop && c.ID == set && c.Errno == 0 {
			count, untimed = count+c.Count, untimed+c.Untimed
		}
	}
	if count != 2 || untimed != 1 {
		t.Errorf("%d calls, %d of them not timed, want 2 and 1", count, untimed)
	}
}

// semop2 is semop for a call that waits.
func semop2(id int, op sembuf) syscall.Errno {
	_, errno := call(unix.SYS_SEMOP, uintptr(id), uintptr(unsafe.Pointer(&op)), 1)
	return errno
}

// Who may not use bpf(2) learns which capabilities are missing.
func TestDenied(t *testing.T) {
	t.Parallel()
	ipctest.NeedBPF(t) // then it is the capabilities that are missing, and not bpf(2)
	p := ipctest.Start(t, denied, &ipctest.Options{UID: ipctest.Nobody})
	if got := p.Line(); !strings.Contains(got, "lacks CAP_BPF and CAP_PERFMON") || !strings.HasPrefix(got, "true true trace: ") {
		t.Errorf("nobody gets: %s", got)
	}
	p.Finish()
}

var denied = ipctest.Register("denied", func(c *ipctest.ChildEnv) {
	_, err := Start(nil)
	c.Say("%v %v %v", errors.Is(err, ErrUnsupported), errors.Is(err, os.ErrPermission), err)
})
