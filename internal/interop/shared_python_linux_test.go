package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The module that "sysvipc region header --lang python" prints, beside Go programs.

// sharedModule prints the module for the region, once for a test.
func sharedModule(t *testing.T) string {
	t.Helper()
	if python() == "" {
		missing(t, "python3", "python3-sysv-ipc")
	}
	ipctest.NeedCompiler(t, "gcc")
	command, err := sysvipcCommand()
	good(t, err)
	module, err := exec.Command(command, "region", "header", sharedName, "--lang", "python").Output()
	path := filepath.Join(t.TempDir(), "region.py")
	good(t, err, os.WriteFile(path, module, 0o600))
	return path
}

// startPython starts a Python program, and has it open the region.
func startPython(t *testing.T, module, how string) *peer {
	t.Helper()
	p := &peer{Process: ipctest.Start(t, program, nil, "/usr/bin/env", "XDG_CACHE_HOME="+os.Getenv(dirVar), "CC=gcc", python(), "-B", "testdata/shared.py", module), language: language{name: "Python"}, t: t}
	p.do("open %s", how)
	return p
}

func TestSharedPython(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	module := sharedModule(t)
	p, reader := startPython(t, module, "0"), startPython(t, module, "1")
	all, err := s.Participants()
	if len(all) != 2 || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
	q := sharedQuote{Price: 1.5, N: 5}
	q.Same[6] = 6
	good(t, q.Name.Set("twenty bytes of text"), s.quote.Store(ctx, q), s.word.Store(ctx, -7), s.count.Store(-3))
	for _, p := range []*peer{p, reader} {
		equal(t, "in Python", p.do("load"), "5 6 twenty bytes of text 0 1.50 -7 -3")
		p.do("watchword")
		equal(t, "watched", p.do("watched"), "-7")
		p.do("close")
		p.do("open %d", map[*peer]int{reader: 1}[p])
		p.do("watchword")
		equal(t, "watched", p.do("watched"), "-7")
		p.begin("watched")
	}
	good(t, s.word.Store(ctx, 4))
	for _, p := range []*peer{p, reader} {
		equal(t, "watched", p.end(), "4")
	}
	reader.begin("store 1")
	reader.fails(syscall.EACCES)

	// What Python stores wakes who watches in Go.
	var seen []int64
	for q, err := range s.quote.Watch(ctx) {
		good(t, err)
		if seen = append(seen, q.N); len(seen) == 2 {
			break
		}
		p.do("store 9")
	}
	equal(t, "what Go watches", fmt.Sprint(seen), "[5 9]")
	q, err = s.quote.Load()
	if good(t, err); q.Name != s.name(9) || !q.Flag || q.Price != 0.25 {
		t.Errorf("got %+v", q)
	}
	equal(t, "count", p.do("add 10"), "7")

	// Entries.
	for i := range int64(10) {
		good(t, s.pos.Store(ctx, sharedKey{uint8(i), int32(i)}, sharedMessage{N: i, More: [7]int64{6: i}}))
		p.do("mapstore %d %d", 1000+i, i)
		equal(t, "in Python", reader.do("mapload %d", i)+p.do("mapload %d", i), fmt.Sprint(i)+fmt.Sprint(i))
		v, ok, err := s.pos.Load(sharedKey{uint8((1000 + i) % 256), int32(1000 + i)})
		if good(t, err); !ok || v.N != i || v.More[6] != i {
			t.Fatalf("in Go: %v, %v", v, ok)
		}
	}
	equal(t, "deleted", p.do("mapdelete 1000")+p.do("mapdelete 1000")+reader.do("mapload 1000"), "TrueFalsenone")
	equal(t, "entries", p.do("entries")+" "+reader.do("entries"), "19 19 19 19")
	for _, p := range []*peer{p, reader} {
		p.do("watchkey 3")
		equal(t, "watched", p.do("watched"), "3")
		p.begin("watched")
	}
	_, err = s.pos.Delete(ctx, sharedKey{3, 3})
	good(t, err)
	for _, p := range []*peer{p, reader} {
		equal(t, "watched", p.end(), "None")
	}

	// Messages.
	p.begin("receive 0")
	p.fails(syscall.EAGAIN)
	p.begin("receive 10")
	p.fails(syscall.ETIMEDOUT)
	p.begin("receive -1")
	good(t, s.in.Send(ctx, struct{ N, Unused int64 }{7, 0}))
	equal(t, "received", p.end(), "7")
	p.begin("send 0 100")
	for want := range int64(100) {
		m, err := s.out.Receive(ctx)
		if good(t, err); m.N != want || m.More[6] != want {
			t.Fatalf("got %v, want %d", m, want)
		}
	}
	p.end()
	for _, p := range []*peer{p, reader} {
		p.do("follow 20")
		for i := range int64(20) {
			good(t, s.ticks.Publish(ctx, sharedMessage{N: i, More: [7]int64{6: i}}))
		}
		equal(t, "followed", p.end(), "190 0")
	}
	p.begin("drain")
	for i := range int64(10) {
		good(t, s.in.Send(ctx, struct{ N, Unused int64 }{i, 0}))
	}
	good(t, s.in.Close())
	equal(t, "drained", p.end(), "45")

	// It is removed while both watch.
	for _, p := range []*peer{p, reader} {
		p.do("watchword")
		p.do("watched")
		p.begin("watched")
	}
	good(t, s.Remove())
	p.fails(syscall.EIDRM)
	reader.fails(syscall.EIDRM)
}

// Python writers are killed at any instant, again and again: no value is torn for Go, C or Python, and nobody is stuck.
func TestSharedPythonKilled(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	module := sharedModule(t)
	good(t, s.quote.Store(ctx, sharedQuote{Name: s.name(0)}))
	reader := startPython(t, module, "1")
	for round := range 3 {
		p := startPython(t, module, "0")
		p.begin("countup")
		s.untilCounted(t, int64(20+round*17))
		good(t, s.quote.Update(ctx, func(q *sharedQuote) {
			q.N++
			q.Same[0], q.Same[6], q.Name = q.N, q.N, s.name(q.N)
		}))
		reader.begin("look 2")
		p.kill()
		reader.end()
		good(t, s.pos.Store(ctx, sharedKey{3, 3}, sharedMessage{}), s.ticks.Publish(ctx, sharedMessage{}))
		_, err := s.Reap()
		good(t, err)
		found := map[sharedKey]bool{}
		for e, err := range s.pos.All(ctx) {
			if good(t, err); found[e.Key] || e.Value.N != e.Value.More[6] {
				t.Fatalf("got %+v, which was there before: %v", e, found[e.Key])
			}
			found[e.Key] = true
		}
		n, err := s.pos.Len()
		if n != len(found) || err != nil {
			t.Errorf("%d entries are counted, %d are there (%v)", n, len(found), err)
		}
		q, err := s.quote.Load()
		if good(t, err); q.Same[0] != q.N || q.Same[6] != q.N || q.Name != s.name(q.N) {
			t.Errorf("got %+v", q)
		}
	}

	// A sender is killed: what it sent arrives once, in order.
	next := int64(0)
	for range 2 {
		p := startPython(t, module, "0")
		p.begin("send %d %d", next, int64(1)<<40)
		for end := next + 50; next < end; next++ {
			m, err := s.out.Receive(ctx)
			if good(t, err); m.N != next || m.More[6] != next {
				t.Fatalf("got %v, want %d", m, next)
			}
		}
		p.kill()
		_, err := s.Reap()
		good(t, err)
		for ; ; next++ {
			m, ok, err := s.out.TryReceive()
			if good(t, err); !ok {
				break
			}
			if m.N != next {
				t.Fatalf("after the kill: got %v, want %d", m, next)
			}
		}
	}
	if all, err := s.Participants(); len(all) != 1 || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
}

// Without a compiler a program can only read, and only where loads are in order; else the error says what to do.
func TestSharedPythonBare(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s := sharedTest(t)
	module := sharedModule(t)
	good(t, s.word.Store(t.Context(), 12))
	bare := func(program string) (string, error) {
		cmd := exec.Command(python(), "-B", "-c", program)
		cmd.Dir = filepath.Dir(module)
		cmd.Env = []string{"CC=no-such-compiler", "XDG_CACHE_HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := bare("import region; region.open()")
	if err == nil || !strings.Contains(out, "NeedsCompiler: this needs a C compiler: no-such-compiler: No such file or directory (install gcc, or set CC") {
		t.Errorf("got %s (%v)", out, err)
	}
	out, err = bare("import region; print(region.open(readonly=True).word.load())")
	if runtime.GOARCH == "amd64" {
		good(t, err)
		equal(t, "read", out, "12\n")
	} else if err == nil || !strings.Contains(out, "NeedsCompiler") {
		t.Errorf("got %s (%v)", out, err)
	}
	var failed *exec.ExitError
	if out, err = bare("import region; r = region.open(readonly=True); r.close(); r.word.load()"); runtime.GOARCH == "amd64" && (!errors.As(err, &failed) || !strings.Contains(out, "is closed")) {
		t.Errorf("got %s (%v)", out, err)
	}
}
