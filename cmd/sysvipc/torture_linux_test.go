package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The torture of what removes, saves and restores, against an oracle that knows the truth, since it gave the orders.
// Processes make, attach, write, detach, fork, execute, wait, are stopped, frozen and debugged, die, and get the pids of dead
// ones. Then one scenario is tried, and while it goes on, at a random point of it, more happens: a process writes and is
// gone before the look that follows, waits, or dies; a second gc runs. After each scenario:
//
//   - what a process uses, waits on, or may come back to by an ID that it inherited, is there;
//   - what is not there is in a file, with what was written last;
//   - where not all could be seen, it was said.
//
// SYSVIPC_TORTURE says how many scenarios there are, for 16 worlds beside one another, and SYSVIPC_SEED what happens:
//
//	SYSVIPC_TORTURE=10000 unshare --pid --fork --mount-proc go test -run TestTorture -timeout 2h -parallel 16 ./cmd/sysvipc
func TestTorture(t *testing.T) {
	t.Parallel()
	worlds, scenarios := 2, len(tortures)/2
	if n, err := strconv.Atoi(os.Getenv("SYSVIPC_TORTURE")); err == nil {
		worlds, scenarios = 16, (n+15)/16
	}
	if os.Getenv("SYSVIPC_HALTING") == "" { // once for all worlds
		ipctest.Halts(t)
		os.Setenv("SYSVIPC_HALTING", "1")
	}
	for n := range worlds {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			if !ipctest.Alone(t) {
				return
			}
			torture(t, n, scenarios)
		})
	}
}

func torture(t *testing.T, n, scenarios int) {
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("SYSVIPC_SEED"), 10, 64); err == nil {
		seed = s
	}
	w := newWorld(t, seed)
	w.state = filepath.Join(w.dir, "state")
	os.Setenv("SYSVIPC_STATE", w.state)
	others := ipctest.CanBecome(70000) == nil
	if others {
		openPath(t)
		for _, dir := range []string{w.dir, filepath.Dir(w.dir)} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	counts := map[string]int{}
	w.emptyDump()
	for i := range scenarios {
		for range 12 + w.r.IntN(24) {
			w.step()
		}
		w.halt()
		for range w.r.IntN(len(w.people) + 1) { // what nobody uses can be removed
			p, _ := one(w, w.people, func(*person) bool { return true })
			w.kill(p)
		}
		kind := tortures[(i+n*len(tortures)/2)%len(tortures)] // each in turn, in every world
		if kind.others && !others {
			kind = tortures[0]
		}
		w.doing = kind.name
		kind.do(w)
		counts[kind.name]++
		w.saved = nil
		if err := os.RemoveAll(w.state); err != nil {
			t.Fatal(err)
		}
		for _, p := range slices.Clone(w.people) {
			if p.halted != nil && w.r.IntN(2) == 0 {
				p.halted()
			}
		}
		if len(w.objects) > 60 {
			w.thin()
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("seed %d: %v; %d objects, %d removed and found in a file, %d kept in use, %d acts in the midst", seed, counts, w.made, w.removed, w.kept, w.acts)
	w.end()
}

// tortures are the scenarios. Those for others need more than one user.
var tortures = []struct {
	name   string
	others bool
	do     func(*world)
}{
	{"gc", false, (*world).tortureGC},
	{"rm", false, (*world).tortureRm},
	{"gc-clock", false, (*world).clockSet},
	{"gc", false, (*world).tortureGC},
	{"rm-user", true, (*world).asUser},
	{"gc", false, (*world).tortureGC},
	{"rm-elsewhere", false, (*world).elsewhere},
	{"rm", false, (*world).tortureRm},
	{"restore-killed", false, (*world).killedRestore},
	{"dump-busy", false, (*world).busyDump},
	{"read", false, (*world).looks},
	{"gc-undo", false, (*world).undone},
	{"rm-halted", false, (*world).abandoned},
	{"gc-user", true, (*world).gcAsUser},
}

// meddler is a context that lets something happen at one of the points at which its command asks whether it was ended.
type meddler struct {
	context.Context
	w    *world
	at   int // how many points there are before it
	over bool
	act  func(removing bool)
	mu   sync.Mutex
}

// Err is asked all over; what counts is where objects are saved and removed.
func (m *meddler) Err() error {
	if removing, ok := inRemoval(); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.at--; m.at < 0 && !m.over {
			m.over = true // what happens may ask, too
			m.act(removing)
			m.over = m.w.r.IntN(3) > 0
		}
	}
	return nil
}

// inRemoval reports whether this is called while objects are saved, or between two removals.
func inRemoval() (removing, ok bool) {
	pcs := make([]uintptr, 8)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		switch {
		case strings.HasSuffix(f.Function, "removal.(*Removal).save"):
			return false, true
		case strings.HasSuffix(f.Function, "removal.(*Removal).Run"):
			return true, true
		case strings.HasSuffix(f.Function, "inspect.Take"):
			return false, false
		case !more:
			return false, false
		}
	}
}

// run runs a command line in this process. If act is not nil, it happens in the midst.
func (w *world) run(act func(removing bool), stdin string, args ...string) (code int, stdout, said string) {
	ctx := ref.WithNames(context.Background())
	if act != nil {
		ctx = &meddler{Context: ctx, w: w, at: w.r.IntN(5), act: act}
	}
	root := newRoot()
	var out, talk bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&talk)
	_, err := root.ExecuteContextC(ctx)
	said = fmt.Sprintf("run %d of %q: %s%s%v", w.runs, args, &out, &talk, err)
	return cli.ExitCode(err), out.String(), said
}

// meddle is what happens in the midst.
func (w *world) meddle(removing bool) {
	w.acts++
	for range 1 + w.r.IntN(3) {
		p, ok := one(w, w.people, awake)
		if !ok {
			p = w.start()
		}
		o, ok := one(w, w.objects, func(*object) bool { return true })
		switch what := w.r.IntN(10); {
		case !ok:
		case what < 2 && o.kind == sysvipc.KindSegment:
			w.write(o, p)
			w.kill(p)
		case what < 4 && o.kind == sysvipc.KindSegment:
			w.write(o, p)
		// The kernel does not say that a thread waits on a queue, so none can be seen that began after the second look.
		case what < 6 && o.kind == sysvipc.KindQueue && !removing && w.mayBlock():
			w.do(p.n, "blockrecv %d", o.id)
			w.block(o, p)
			if w.r.IntN(2) == 0 {
				w.halt()
			}
		case what < 6 && o.kind == sysvipc.KindSemaphores && w.mayBlock():
			w.do(p.n, "blockop %d", o.id)
			w.block(o, p)
		case what == 6 && !w.nested && !removing:
			w.nested = true
			w.gc2()
			w.nested = false
		case what == 7:
			w.fork(p)
		default:
			w.use1(o, p)
		}
	}
}

// use1 lets a process use an object, and sometimes end then.
func (w *world) use1(o *object, p *person) {
	switch {
	case o.kind == sysvipc.KindSegment && o.attached[p] < 3:
		if w.do(p.n, "attach %d", o.id) == 0 {
			o.attached[p]++
			o.last = []*person{p}
		}
	case o.kind == sysvipc.KindSemaphores:
		if w.do(p.n, "op %d 1", o.id) == 0 {
			o.last = []*person{p}
			o.value++
		}
	case o.kind == sysvipc.KindQueue && o.messages < 3:
		if w.do(p.n, "send %d", o.id) == 0 {
			o.last[0] = p
			o.messages++
		}
	}
	if w.r.IntN(3) == 0 {
		w.kill(p)
	}
}

// halt stops, freezes or debugs a process that waits.
func (w *world) halt() {
	p, ok := one(w, w.people, func(p *person) bool { return p.blocked && p.halted == nil })
	if !ok {
		return
	}
	switch how := w.r.IntN(3); {
	case how == 0 && w.freeze(p):
		return
	case how == 1 && !p.headless && w.do(0, "debug %d", p.pid) == 0:
	case w.do(0, "stop %d", p.pid) != 0:
		return
	}
	p.halted = func() {
		p.halted = nil
		w.do(0, "go %d", p.pid)
		w.settled(p, false)
	}
	w.settled(p, true)
}

// settled waits until a process that waits is halted, or waits on.
func (w *world) settled(p *person, halted bool) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", p.pid))
		if err != nil {
			w.t.Fatal(err)
		}
		waits, stands := false, false
		for _, name := range threads {
			where, _ := os.ReadFile(name)
			waits = waits || bytes.Contains(where, []byte("semtimedop")) || bytes.Contains(where, []byte("msgrcv"))
			stands = stands || regexp.MustCompile("signal|ptrace|jobctl|freez").Match(where)
		}
		if stands == halted && waits != halted {
			return
		}
	}
	w.t.Fatalf("process %d is not halted=%v after a minute", p.pid, halted)
}

// freeze freezes a process in a group of its own, and reports whether this user may.
func (w *world) freeze(p *person) bool {
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/cgroup.procs"); err != nil {
		root += "/unified"
	}
	dir, err := os.MkdirTemp(root, "sysvipc-torture-")
	if err != nil {
		return false
	}
	set := func(file, text string) error { return os.WriteFile(filepath.Join(dir, file), []byte(text), 0) }
	if err := errors.Join(set("cgroup.procs", strconv.Itoa(p.pid)), set("cgroup.freeze", "1")); err != nil {
		os.Remove(dir)
		return false
	}
	p.halted = func() {
		p.halted = nil
		err := errors.Join(set("cgroup.freeze", "0"), os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(strconv.Itoa(p.pid)), 0))
		w.settled(p, false)
		if err = errors.Join(err, os.Remove(dir)); err != nil {
			w.t.Error(err)
		}
	}
	w.settled(p, true)
	return true
}

// there reports whether an object has not been removed.
func (o *object) there() bool {
	e, err := listing.Stat(o.kind, o.id)
	return err == nil && (e.Segment == nil || !e.Segment.Destroyed)
}

// judge compares with the truth: may says why an object had to stay, or "".
func (w *world) judge(said string, may func(*object) string) {
	w.t.Helper()
	for _, o := range slices.Clone(w.objects) {
		why := may(o)
		if o.there() {
			if why != "" {
				w.kept++
			}
			continue
		}
		if why != "" {
			w.t.Errorf("%s: %v is removed, and %s:\n%s", w.doing, o, why, said)
		}
		w.look(o, said)
		w.removed++
		w.forget(o)
	}
}

// look looks for what an object had in the files of this scenario.
func (w *world) look(o *object, said string) {
	w.t.Helper()
	var found []string
	for _, file := range w.files() {
		for _, got := range w.contents(file) {
			if got.kind == o.kind && got.id == o.id {
				if got.value == o.value && got.messages == o.messages {
					return
				}
				found = append(found, fmt.Sprintf("%d, %d messages", got.value, got.messages))
			}
		}
	}
	w.t.Errorf("%s: %v is lost: it had %d and %d messages, the files have %q:\n%s", w.doing, o, o.value, o.messages, found, said)
}

// files are those that runs of this scenario wrote.
func (w *world) files() []string {
	files := slices.Clone(w.saved)
	for _, pattern := range []string{"removed/*.sysv*", "*/removed/*.sysv*"} {
		more, _ := filepath.Glob(filepath.Join(w.state, pattern))
		files = append(files, more...)
	}
	return files
}

// contents are the objects of a file, with what the oracle knows of them.
func (w *world) contents(name string) (all []object) {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	r, err := archive.NewReader(f)
	if err != nil {
		return nil
	}
	for a, err := range r.Objects() {
		if err != nil {
			return all
		}
		o := object{kind: a.SysvKind(), id: a.ID, messages: a.Messages}
		err = r.Content(false, func(position int64, p []byte) error {
			switch {
			case position != 0:
			case o.kind == sysvipc.KindSegment && len(p) >= 8:
				o.value = int(binary.NativeEndian.Uint64(p))
			case o.kind == sysvipc.KindSemaphores && len(p) >= 2:
				o.value = int(binary.LittleEndian.Uint16(p))
			}
			return nil
		})
		if err == nil {
			all = append(all, o)
		}
	}
	return all
}

// forGC says why gc must keep an object.
func (w *world) forGC(candidates bool) func(*object) string {
	return func(o *object) string {
		if why := o.inUse(); why != "" || candidates || o.key != 0 {
			return why
		}
		for p := range o.knows {
			if p.alive {
				return "a living process has its ID: it made it, or is a child of who did"
			}
		}
		return ""
	}
}

// forRm says why rm must keep an object.
func forRm(o *object) string {
	switch {
	case o.kind != sysvipc.KindSegment:
		return o.inUse()
	case len(o.attached) > 0:
		return fmt.Sprintf("it is attached by %d processes", len(o.attached))
	}
	return ""
}

func (w *world) tortureGC() {
	w.gc1(w.meddle)
	w.thin()
}

// gc2 is a second gc in the midst of the first.
func (w *world) gc2() { w.gc1(nil) }

func (w *world) gc1(act func(bool)) {
	w.runs++
	args := []string{"gc", "--yes", "--min-age", "0"}
	candidates := w.r.IntN(2) == 0
	if candidates || w.candidates {
		args = append(args, "--include", "candidate")
	}
	if act != nil {
		w.candidates, w.backup = candidates, ""
		defer func() { w.candidates, w.backup = false, "" }()
		if w.r.IntN(3) == 0 {
			w.backup = filepath.Join(w.dir, fmt.Sprintf("backup-%d", w.runs))
			w.saved = append(w.saved, w.backup)
		}
	}
	if w.backup != "" {
		args = append(args, "--backup", w.backup) // both: the second must fail
	}
	_, _, said := w.run(act, "", args...)
	w.judge(said, w.forGC(candidates || w.candidates))
}

func (w *world) tortureRm() {
	w.runs++
	args := []string{"rm"}
	for _, o := range w.objects {
		if w.r.IntN(3) == 0 {
			args = append(args, o.String())
		}
	}
	if len(args) == 1 {
		return
	}
	_, _, said := w.run(w.meddle, "", args...)
	w.judge(said, forRm)
	w.setInit()
}

// setInit tries to give a set that is used other values.
func (w *world) setInit() {
	o, ok := one(w, w.objects, func(o *object) bool { return o.kind == sysvipc.KindSemaphores })
	if !ok {
		return
	}
	code, _, said := w.run(nil, "", "set", o.String(), "--init", "30000,0")
	values, err := sysvipc.SemaphoresByID(o.id).Values()
	switch {
	case err != nil:
		w.t.Error(err)
	case o.inUse() != "" && (code == 0 || values[0] != o.value):
		w.t.Errorf("%v has %d for %d, and %s:\n%s", o, values[0], o.value, o.inUse(), said)
	}
	o.value = values[0]
}

// thin removes sets and queues that stay candidates, lest they become ever more.
func (w *world) thin() {
	for _, o := range slices.Clone(w.objects) {
		if o.inUse() == "" && w.r.IntN(2) == 0 {
			if err := ref.ByID(o.kind, o.id).Remove(); err != nil {
				w.t.Error(err)
			}
			w.forget(o)
		}
	}
	for len(w.people) > 25 {
		w.kill(w.people[w.r.IntN(len(w.people))])
	}
}

// clockSet runs gc where the clock has been set: processes seem to have started at another time.
func (w *world) clockSet() {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		w.t.Fatal(err)
	}
	shift := (1 + w.r.IntN(100000)) * (1 - 2*w.r.IntN(2))
	text = regexp.MustCompile(`btime (\d+)`).ReplaceAllFunc(text, func(b []byte) []byte {
		n, _ := strconv.Atoi(string(b[6:]))
		return fmt.Appendf(nil, "btime %d", n+shift)
	})
	file := filepath.Join(w.dir, "stat")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		w.t.Fatal(err)
	}
	path, err := exec.LookPath("sysvipc")
	if err != nil {
		w.t.Fatal(err)
	}
	args := []string{file, path, "gc", "--yes", "--min-age", "0"}
	candidates := w.r.IntN(2) == 0
	if candidates {
		args = append(args, "--include", "candidate")
	}
	cmd := exec.Command(filepath.Join(w.dir, "actors"), args...)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code == 77 || code == 78 {
		return // no mounts for this user
	}
	w.judge(fmt.Sprintf("%q, clock set by %d s: %s%v", args, shift, out, err), w.forGC(candidates))
}

// user runs a command as one of the users.
func (w *world) user(uid int, args ...string) (code int, stdout, said string) {
	state := filepath.Join(w.state, strconv.Itoa(uid))
	for _, dir := range []string{w.state, state} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Chown(state, uid, uid); err != nil {
		w.t.Fatal(err)
	}
	cmd := command(w.t, args...)
	cmd.Env = append(os.Environ(), "SYSVIPC_STATE="+state)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), fmt.Sprintf("as user %d %q: %s%s%v", uid, args, &out, &talk, err)
}

// leftBehind makes a queue whose owner, another user if there can be one, has died, and on which a process may wait.
func (w *world) leftBehind(waiter, halted bool) (o *object, uid int) {
	owner := w.start()
	if owner.uid == 0 && ipctest.CanBecome(70000) == nil {
		owner.uid = 70000 + owner.n
		w.do(owner.n, "uid %d", owner.uid)
	}
	o = &object{kind: sysvipc.KindQueue, id: w.do(owner.n, "msg 0"), creator: owner, attached: map[*person]int{}, knows: map[*person]bool{owner: true}}
	w.do(owner.n, "send %d", o.id)
	w.do(owner.n, "recv %d", o.id)
	o.last = []*person{owner, owner}
	w.objects = append(w.objects, o)
	w.made++
	if waiter {
		p := w.start()
		w.do(p.n, "blockrecv %d", o.id)
		w.block(o, p)
		for halted && p.halted == nil {
			w.halt()
		}
	}
	w.kill(owner)
	return o, owner.uid
}

// abandoned removes a queue whose last users have died, and on which a process that is halted waits.
func (w *world) abandoned() {
	o, _ := w.leftBehind(true, true)
	args := []string{"rm", o.String()}
	if w.r.IntN(2) == 0 {
		args = []string{"gc", "--yes", "--min-age", "0", "--include", "candidate"}
	}
	_, _, said := w.run(nil, "", args...)
	w.judge(said, forRm)
}

// asUser lets the owner of a queue remove it, who cannot see whether others wait on it.
func (w *world) asUser() {
	o, uid := w.leftBehind(w.r.IntN(4) > 0, w.r.IntN(2) == 0)
	_, _, said := w.user(uid, "rm", o.String())
	w.judge(said, forRm)
}

// gcAsUser runs gc as a user who cannot see all, and must say so as who does.
func (w *world) gcAsUser() {
	o, ok := one(w, w.objects, func(o *object) bool { return o.kind != sysvipc.KindSegment && o.creator.uid != 0 })
	if !ok {
		w.asUser()
		return
	}
	_, who, _ := w.user(o.creator.uid, "who", o.String(), "-o", "json")
	_, out, said := w.user(o.creator.uid, "gc", "--yes", "--min-age", "0", "-o", "json")
	if strings.Contains(who, `"complete":false`) && !strings.Contains(out, `"complete":false`) && o.there() {
		w.t.Errorf("who of %v does not see all, and gc does:\n%s%s", o, who, said)
	}
	w.judge(said, w.forGC(false))
}

// elsewhere lists the objects of another namespace, where IDs begin at 0 as here, and removes what was listed.
func (w *world) elsewhere() {
	p := w.start()
	if p.uid != 0 || w.do(p.n, "leave") != 0 {
		return // it may not
	}
	for range 1 + w.r.IntN(8) {
		w.do(p.n, "%s 0 5000", []string{"shm", "msg"}[w.r.IntN(2)])
	}
	_, out, said := w.run(nil, "", "ls", "--ns", strconv.Itoa(p.pid), "-o", "name")
	_, _, more := w.run(nil, out, "rm", "-")
	for _, o := range slices.Clone(w.objects) {
		if !o.there() {
			w.t.Errorf("%v is removed, and another one was named:\n%s\n%s", o, said, more)
			w.forget(o)
		}
	}
	w.kill(p)
}

// killedRestore kills a restore half way, and lets another one do its work.
func (w *world) killedRestore() {
	o, ok := one(w, w.objects, func(o *object) bool { return o.key != 0 && len(o.attached)+len(o.blocked) == 0 })
	if !ok {
		return
	}
	file := filepath.Join(w.dir, fmt.Sprintf("restore-%d", w.made))
	if code, _, said := w.run(nil, "", "dump", "-f", file, "--only", o.String()); code != 0 {
		w.t.Fatal(said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := ref.ByID(o.kind, o.id).Remove(); err != nil {
		w.t.Fatal(err)
	}
	w.forget(o)
	cmd := command(w.t, "restore", "-f", "-")
	in, out, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	in.Close()
	cut := len(text) - 1 - w.r.IntN(60)
	if _, err := out.Write(text[:cut]); err != nil {
		w.t.Fatal(err)
	}
	// It is killed when it has read all that there is, and waits for more; or a little earlier.
	for left := 1; left > 0; {
		if left, err = unix.IoctlGetInt(int(out.Fd()), unix.TIOCINQ); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(time.Duration(w.r.IntN(2000)) * time.Microsecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	code, _, said := w.run(nil, "", "restore", "-f", file, "--skip-existing")
	id, err := ref.Ref{Kind: o.kind, ID: -1, Key: sysvipc.Key(o.key)}.Find()
	if code != 0 || err != nil {
		w.t.Fatalf("%s after it was killed at %d of %d: %v", said, cut, len(text), err)
	}
	after := filepath.Join(w.dir, "after")
	if code, _, said := w.run(nil, "", "dump", "-f", after, "--only", ref.Name(o.kind, id)); code != 0 {
		w.t.Fatal(said)
	}
	got := w.contents(after)
	if e, err := listing.Stat(o.kind, id); len(got) != 1 || got[0].value != o.value || got[0].messages != o.messages || err != nil || e.Mode != 0o666 {
		w.t.Errorf("%v is not restored whole after a restore was killed at %d of %d: got %+v, mode %v, want %d and %d messages:\n%s", o, cut, len(text), got, e.Mode, o.value, o.messages, said)
	}
	if err := ref.ByID(o.kind, id).Remove(); err != nil {
		w.t.Error(err)
	}
}

// emptyDump tries to write a dump of nothing over a good one.
func (w *world) emptyDump() {
	file := filepath.Join(w.dir, "good")
	if err := os.WriteFile(file, []byte("a dump"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	code, _, said := w.run(nil, "", "dump", "-f", file)
	if text, err := os.ReadFile(file); code != cli.ExitRefused || string(text) != "a dump" {
		w.t.Errorf("a dump of nothing: got %q, %v, exit code %d, want that the file stays:\n%s", text, err, code, said)
	}
}

// busyDump dumps a queue that is used all the time.
func (w *world) busyDump() {
	p, ok := one(w, w.people, func(p *person) bool { return awake(p) && p.uid == 0 })
	o, found := one(w, w.objects, func(o *object) bool { return o.kind == sysvipc.KindQueue && o.messages < 3 })
	if !ok || !found {
		return
	}
	if o.messages == 0 {
		w.do(p.n, "send %d", o.id)
		o.messages++
	}
	ctx := &busy{Context: ref.WithNames(context.Background()), use: func() {
		w.written++
		w.do(p.n, "send %d %d", o.id, w.written)
		w.do(p.n, "recv %d", o.id)
		o.last[0], o.last[1] = p, p
	}}
	var talk bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"dump", "-f", filepath.Join(w.dir, "busy"), "--only", o.String()})
	root.SetOut(io.Discard)
	root.SetErr(&talk)
	_, err := root.ExecuteContextC(ctx)
	if code := cli.ExitCode(err); code != cli.ExitNotPermitted {
		w.t.Errorf("a dump of %v, which others used meanwhile: got exit code %d, want %d:\n%s%v", o, code, cli.ExitNotPermitted, &talk, err)
	}
}

// busy is a context of a command whose queue is used whenever a message of it is read.
type busy struct {
	context.Context
	use func()
}

func (b *busy) Err() error {
	pc := make([]uintptr, 1)
	frame, _ := runtime.CallersFrames(pc[:runtime.Callers(2, pc)]).Next()
	if strings.HasSuffix(frame.Function, "archive.(*Writer).saveQueue") {
		b.use()
	}
	return nil
}

// looks tries all that only look, and compares what the kernel says before and after.
func (w *world) looks() {
	before := w.kernel()
	for _, o := range w.objects {
		if o.kind == sysvipc.KindSegment && len(o.attached) > 0 && w.r.IntN(3) == 0 {
			w.run(nil, "", "shm", "read", o.String(), "--length", "100")
			w.run(nil, "", "dump", "-f", filepath.Join(w.dir, "looked"), "--only", o.String())
		}
	}
	for _, args := range [][]string{{"ls"}, {"gc"}, {"doctor"}, {"waits"}} {
		w.run(nil, "", args...)
	}
	if o, ok := one(w, w.objects, func(*object) bool { return true }); ok {
		for _, verb := range []string{"show", "who", "explain"} {
			w.run(nil, "", verb, o.String())
		}
	}
	after := w.kernel()
	for ref, line := range after {
		if before[ref] != line {
			w.t.Errorf("looking changed what the kernel says of %s from\n%s to\n%s", ref, before[ref], line)
		}
	}
}

// kernel is what the kernel says of each object. How much of a segment is resident is left out, since a user who may not
// open memory files changes it.
func (w *world) kernel() map[string]string {
	all := map[string]string{}
	for _, kind := range []string{"shm", "sem", "msg"} {
		text, err := os.ReadFile("/proc/sysvipc/" + kind)
		if err != nil {
			w.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if kind == "shm" {
				f = f[:14]
			}
			all[kind+":"+f[1]] = strings.Join(f, " ")
		}
	}
	return all
}

// undone runs gc, and brings all back.
func (w *world) undone() {
	_, _, said := w.run(nil, "", "gc", "--yes", "--min-age", "0", "--include", "candidate")
	gone := map[string]*object{}
	for _, o := range w.objects {
		if !o.there() {
			gone[o.String()] = o
		}
	}
	w.judge(said, w.forGC(true))
	if len(gone) == 0 {
		return
	}
	code, out, said := w.run(nil, "", "undo")
	if code != 0 {
		w.t.Fatalf("%s\nthe kernel has %q", said, w.kernel())
	}
	// Where IDs cannot be given again, they are others: "restored shm:5 as shm:7".
	var names []string
	for line := range strings.Lines(out) {
		m := regexp.MustCompile(`^restored (\S+)(?: as (\S+))? \(`).FindStringSubmatch(line)
		if m == nil || gone[m[1]] == nil {
			w.t.Fatalf("undo said %q:\n%s", line, said)
		}
		name := m[1]
		if m[2] != "" {
			name = m[2]
		}
		names = append(names, "--only", name)
		r, err := ref.Parse(name)
		if err != nil {
			w.t.Fatal(err)
		}
		gone[m[1]].id = r.ID
	}
	if len(names) != 2*len(gone) {
		w.t.Errorf("undo brought back %q of %v:\n%s", names, slices.Collect(maps.Keys(gone)), said)
	}
	file := filepath.Join(w.dir, "back")
	if code, _, said := w.run(nil, "", append([]string{"dump", "-f", file}, names...)...); code != 0 {
		w.t.Error(said)
	}
	w.saved = append(w.saved[:0], file)
	os.RemoveAll(w.state)
	for _, o := range gone {
		w.look(o, said)
		if err := ref.ByID(o.kind, o.id).Remove(); err != nil {
			w.t.Error(err)
		}
	}
}
