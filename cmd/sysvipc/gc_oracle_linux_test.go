package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The oracle of gc: real processes attach, detach, fork, execute, lose their first thread, die, stay
// zombies, and get the pids of dead ones, and the IDs of objects are used again. The test knows who
// uses what, since it gave the orders. After each gc, all that a process uses must be there, and segments
// that nobody can use must not. SYSVIPC_ORACLE says how many objects live their lives:
//
//	SYSVIPC_ORACLE=10000 go test -run TestGCOracle -timeout 1h ./cmd/sysvipc
func TestGCOracle(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	lives := 400
	if n, err := strconv.Atoi(os.Getenv("SYSVIPC_ORACLE")); err == nil {
		lives = n
	}
	seed := rand.Uint64()
	w := newWorld(t, seed)
	for w.made < lives && !t.Failed() {
		for range 60 {
			w.step()
		}
		w.collect()
	}
	t.Logf("seed %d: %d objects, %d removed by gc, %d of them segments, %d kept in use", seed, w.made, w.removed, w.removedSegments, w.kept)
	w.end()
	if w.removed == 0 || w.kept == 0 || w.removedSegments == 0 {
		t.Error("the test has seen nothing: gc must remove some and keep some")
	}
}

// person is a process. It is known by its number, since pids are used again.
type person struct {
	n, pid  int
	alive   bool
	blocked bool // it does nothing more
	zombie  bool // nobody has waited for it
	uid     int  // 0 may do all

	headless bool   // its first thread has ended
	halted   func() // lets it go on; nil while it runs
}

// object is an object, with its users.
type object struct {
	kind     sysvipc.Kind
	id       int
	creator  *person
	last     []*person       // who touched it last: of a queue, who sent and who received
	attached map[*person]int // how often
	blocked  []*person
	messages int
	key      int
	value    int              // what was written last: the first number of a segment, the value of the first semaphore
	knows    map[*person]bool // who may have its ID
}

func (o *object) String() string { return ref.Name(o.kind, o.id) }

// inUse is the truth.
func (o *object) inUse() string {
	switch {
	case len(o.attached) > 0:
		return fmt.Sprintf("it is attached by %d processes", len(o.attached))
	case o.kind == sysvipc.KindSegment && o.creator.alive:
		return "its creator lives"
	case slices.ContainsFunc(o.last, func(p *person) bool { return p.alive }):
		return "who touched it last lives"
	case slices.ContainsFunc(o.blocked, func(p *person) bool { return p.alive }):
		return "a process waits on it"
	case o.messages > 0:
		return "it has messages"
	}
	return ""
}

type world struct {
	t        *testing.T
	r        *rand.Rand
	in       io.Writer
	director *os.Process
	out      *bufio.Reader
	dir      string
	people   []*person // living ones
	dead     []*person
	objects  []*object
	free     []int // numbers of actors
	pids     map[int]*person
	key      int

	told string // of what was kept without a reason

	// Of the torture: the folder of what is removed, other files with it, the scenario, and what a second gc shares.
	state      string
	saved      []string
	doing      string
	nested     bool
	candidates bool
	backup     string
	acts       int

	made, removed, removedSegments, kept, runs, written int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), pids: map[int]*person{}, key: 0x6000000}
	path := filepath.Join(w.dir, "actors")
	cc := ipctest.NeedCompiler(t, "cc")
	if out, err := exec.Command(cc, "-O2", "-pthread", "-o", path, "testdata/actors.c").CombinedOutput(); err != nil {
		t.Fatalf("cc testdata/actors.c: %v\n%s", err, out)
	}
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range w.people {
			syscallKill(p.pid)
		}
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	w.in, w.out, w.director = in, bufio.NewReader(out), cmd.Process
	for n := range 100 {
		w.free = append(w.free, n)
	}
	return w
}

func syscallKill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill()
	}
}

// do tells an actor, or the director, to do something.
func (w *world) do(n int, format string, args ...any) int {
	w.t.Helper()
	fmt.Fprintf(w.in, "%d %s\n", n, fmt.Sprintf(format, args...))
	late := time.AfterFunc(time.Minute, func() { w.director.Kill() }) // rather than to wait for ever
	defer late.Stop()
	text, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatalf("%d %s: %v", n, fmt.Sprintf(format, args...), err)
	}
	x, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// one picks one of some that meet a condition.
func one[T any](w *world, all []T, ok func(T) bool) (T, bool) {
	var none T
	if len(all) == 0 {
		return none, false
	}
	from := w.r.IntN(len(all))
	for i := range all {
		if x := all[(from+i)%len(all)]; ok(x) {
			return x, true
		}
	}
	return none, false
}

func awake(p *person) bool { return !p.blocked }

// step lets something happen.
func (w *world) step() {
	p, ok := one(w, w.people, awake)
	switch what := w.r.IntN(20); {
	case !ok || what < 2 && len(w.people) < 30:
		w.start()
	case what < 6:
		w.make(p)
	case what < 12:
		w.use(p)
	case what == 12 && len(w.people) < 40:
		w.fork(p)
	case what == 13 && p.uid == 0: // others may not read the program
		w.exec(p)
	case what == 14:
		w.do(p.n, "headless")
		p.headless = true
	case what == 15:
		w.rmid(p)
	default:
		victim, _ := one(w, w.people, func(*person) bool { return true })
		w.kill(victim)
	}
}

// start starts a process, often with the pid of a dead one.
func (w *world) start() *person {
	pid := 0
	if gone, ok := one(w, w.dead, func(p *person) bool { return !p.zombie }); ok && w.r.IntN(2) == 0 {
		pid = gone.pid
	}
	p := w.newPerson()
	p.pid = w.do(p.n, "start %d", pid)
	if w.r.IntN(3) == 0 && ipctest.CanBecome(70000) == nil {
		p.uid = 70000 + p.n
		w.do(p.n, "uid %d", p.uid)
	}
	w.pids[p.pid] = p
	return p
}

func (w *world) newPerson() *person {
	p := &person{n: w.free[0], alive: true}
	w.free = w.free[1:]
	w.people = append(w.people, p)
	return p
}

// make makes an object, mostly with a key, and touches it.
func (w *world) make(p *person) {
	o := &object{creator: p, attached: map[*person]int{}, knows: map[*person]bool{p: true}}
	key := 0
	if w.r.IntN(2) == 0 {
		w.key++
		key = w.key
	}
	o.key = key
	switch w.r.IntN(4) {
	case 0:
		o.kind, o.id = sysvipc.KindSemaphores, w.do(p.n, "sem %d", key)
		w.do(p.n, "op %d 1", o.id)
		o.last, o.value = []*person{p}, 1
	case 1:
		o.kind, o.id = sysvipc.KindQueue, w.do(p.n, "msg %d", key)
		w.do(p.n, "send %d", o.id)
		w.do(p.n, "recv %d", o.id)
		o.last = []*person{p, p}
	default:
		o.kind, o.id = sysvipc.KindSegment, w.do(p.n, "shm %d %d", key, 1000+w.r.IntN(10000))
	}
	if o.id < 0 {
		w.t.Fatal("it cannot be made")
	}
	w.made++
	w.objects = append(w.objects, o)
}

// use lets a process use an object, as far as it may.
func (w *world) use(p *person) {
	o, ok := one(w, w.objects, func(*object) bool { return true })
	if !ok {
		return
	}
	switch o.kind {
	case sysvipc.KindSegment:
		switch {
		case o.attached[p] > 0 && w.r.IntN(3) > 0:
			if w.do(p.n, "detach %d", o.id) == 0 {
				w.detach(o, p, 1)
			}
		case w.r.IntN(3) == 0:
			w.write(o, p)
		case o.attached[p] < 3 && w.do(p.n, "attach %d", o.id) == 0:
			o.attached[p]++
			o.last = []*person{p}
		}
	case sysvipc.KindSemaphores:
		if w.r.IntN(8) == 0 && w.mayBlock() {
			w.do(p.n, "blockop %d", o.id)
			w.block(o, p)
		} else if w.do(p.n, "op %d 1", o.id) == 0 {
			o.last = []*person{p}
			o.value++
		}
	case sysvipc.KindQueue:
		switch what := w.r.IntN(8); {
		case what == 0 && w.mayBlock():
			w.do(p.n, "blockrecv %d", o.id)
			w.block(o, p)
		case what < 4 && o.messages < 3:
			if w.do(p.n, "send %d", o.id) == 0 {
				o.last[0] = p
				o.messages++
			}
		case w.do(p.n, "recv %d", o.id) == 0:
			o.last[1] = p
			o.messages--
		}
	}
}

// write writes into a segment, which a process that has not attached it attaches for a moment.
func (w *world) write(o *object, p *person) {
	w.written++
	if w.do(p.n, "write %d %d", o.id, w.written) == 0 {
		o.value = w.written
		if o.attached[p] == 0 {
			o.last = []*person{p}
		}
	}
}

// mayBlock keeps some processes awake.
func (w *world) mayBlock() bool {
	n := 0
	for _, p := range w.people {
		if awake(p) {
			n++
		}
	}
	return n > 3
}

// block waits until a process waits on an object.
func (w *world) block(o *object, p *person) {
	for n := 0; n == 0; {
		var err error
		if n, err = ipctest.Blocked(p.pid); err != nil {
			w.t.Fatal(err)
		}
	}
	p.blocked = true
	o.blocked = append(o.blocked, p)
}

func (w *world) detach(o *object, p *person, n int) {
	if o.attached[p] -= n; o.attached[p] <= 0 {
		delete(o.attached, p)
	}
	o.last = []*person{p}
}

// leave detaches all that a process has attached.
func (w *world) leave(p *person) {
	for _, o := range w.objects {
		if n := o.attached[p]; n > 0 {
			w.detach(o, p, n)
		}
	}
}

func (w *world) fork(p *person) {
	child := w.newPerson()
	child.uid = p.uid
	child.pid = w.do(p.n, "fork %d", child.n)
	w.pids[child.pid] = child
	for _, o := range w.objects {
		if n := o.attached[p]; n > 0 {
			o.attached[child] = n
		}
		if o.knows[p] {
			o.knows[child] = true
		}
	}
}

func (w *world) exec(p *person) {
	if got := w.do(p.n, "exec"); got != p.pid {
		w.t.Fatalf("after exec it is process %d, not %d", got, p.pid)
	}
	w.leave(p)
}

// rmid removes an object, so that its ID is used again.
func (w *world) rmid(p *person) {
	o, ok := one(w, w.objects, func(o *object) bool { return len(o.attached) == 0 && len(o.blocked) == 0 })
	kind := slices.Index(ref.AnyKind, o.kindOr())
	if ok && w.do(p.n, "rmid %d %d", o.id, kind) == 0 {
		w.forget(o)
	}
}

func (o *object) kindOr() sysvipc.Kind {
	if o == nil {
		return 0
	}
	return o.kind
}

func (w *world) forget(o *object) {
	w.objects = slices.DeleteFunc(w.objects, func(x *object) bool { return x == o })
}

// kill ends a process, which mostly stays a zombie for a while.
func (w *world) kill(p *person) {
	if p.halted != nil {
		p.halted()
	}
	w.do(0, "kill %d", p.pid)
	p.alive, p.zombie = false, true
	w.leave(p)
	w.people = slices.DeleteFunc(w.people, func(x *person) bool { return x == p })
	w.dead = append(w.dead, p)
	w.free = append(w.free, p.n)
	for _, o := range w.objects {
		o.blocked = slices.DeleteFunc(o.blocked, func(x *person) bool { return x == p })
	}
	if w.r.IntN(2) == 0 {
		w.do(0, "reap")
		for _, p := range w.dead {
			_, err := os.Stat(fmt.Sprintf("/proc/%d", p.pid))
			p.zombie = err == nil
		}
	}
}

// collect runs gc and compares with the truth. What is kept without a reason has more chances: any
// short-lived process of this machine may have the pid of a dead one for a moment, all the more since pids are chosen here.
func (w *world) collect() {
	w.t.Helper()
	for range 30 {
		if !w.gc() {
			return
		}
	}
	w.t.Errorf("objects are kept that nobody can use:\n%s", w.told)
}

// gc reports whether something is kept without a reason.
func (w *world) gc() (idle bool) {
	w.t.Helper()
	w.runs++
	args := []string{"gc", "--yes", "--min-age", "0", "--backup", filepath.Join(w.dir, fmt.Sprint(w.runs))}
	all := w.r.IntN(2) == 0
	if all {
		args = append(args, "--include", "candidate")
	}
	var stdout, stderr bytes.Buffer
	if code := execute(args, strings.NewReader(""), &stdout, &stderr); code != cli.ExitDone {
		w.t.Fatalf("gc: exit code %d\n%s%s", code, &stdout, &stderr)
	}
	os.Remove(args[5])
	for _, o := range slices.Clone(w.objects) {
		_, err := listing.Stat(o.kind, o.id)
		there, why := err == nil, o.inUse()
		switch {
		case !there && why != "":
			w.t.Errorf("%v is removed, and %s:\n%s%s", o, why, &stdout, &stderr)
		case there && why == "" && o.kind == sysvipc.KindSegment && all && !w.pidTaken(o):
			idle = true
			w.told = fmt.Sprintf("%v after\n%s%s", o, &stdout, &stderr)
		}
		if !there {
			w.removed++
			if o.kind == sysvipc.KindSegment {
				w.removedSegments++
			}
			w.forget(o)
		} else if why != "" {
			w.kept++
		} else if o.kind != sysvipc.KindSegment && len(w.objects) > 100 {
			if err := ref.ByID(o.kind, o.id).Remove(); err != nil { // or they would become ever more
				w.t.Error(err)
			}
			w.forget(o)
		}
	}
	return idle
}

// pidTaken reports whether the pid of a user of an object belongs to another process
// now: then gc must take it for the same one, for the clock may have been set.
func (w *world) pidTaken(o *object) bool {
	for _, p := range append([]*person{o.creator}, o.last...) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err == nil && !bytes.Contains(text, []byte(") Z ")) || slices.ContainsFunc(w.people, func(x *person) bool { return x.pid == p.pid }) {
			return true
		}
	}
	return false
}

// end removes what is left.
func (w *world) end() {
	for _, p := range slices.Clone(w.people) {
		w.kill(p)
	}
	for _, o := range w.objects {
		if err := ref.ByID(o.kind, o.id).Remove(); err != nil {
			w.t.Error(err)
		}
	}
}
