package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// Regions of package shared, used by C programs through the header that "sysvipc region header" prints, and read by
// programs that only know the layout.

type sharedQuote struct {
	Flag  bool
	Price float64
	N     int64
	Same  [7]int64 // the first and the last are N
	Name  shared.String[[20]byte]
}

type sharedMessage struct {
	N    int64
	More [7]int64
}

// sharedRegion is a region with what testdata/shared.c uses.
type sharedRegion struct {
	*shared.Region
	quote *shared.Var[sharedQuote]
	word  *shared.Var[int32]
	count *shared.Counter
	book  *shared.Mutex
	in    *shared.Chan[struct{ N, Unused int64 }]
	out   *shared.Chan[sharedMessage]
	pos   *shared.Map[sharedKey, sharedMessage]
	ticks *shared.Topic[sharedMessage]
}

// sharedKey has bytes that do not count.
type sharedKey struct {
	Desk uint8
	ID   int32
}

const sharedName = "interop"

func openShared() (*sharedRegion, error) {
	r, err := shared.Ensure(context.Background(), sharedName, &shared.Options{Size: 16 << 20, Participants: 16})
	if err != nil {
		return nil, err
	}
	s := &sharedRegion{Region: r}
	var errs [8]error
	s.quote, errs[0] = shared.VarOf[sharedQuote](r, "quote")
	s.word, errs[1] = shared.VarOf[int32](r, "word")
	s.count, errs[2] = shared.CounterOf(r, "count")
	s.book, errs[3] = shared.MutexOf(r, "book")
	s.in, errs[4] = shared.ChanOf[struct{ N, Unused int64 }](r, "in", 16)
	s.out, errs[5] = shared.ChanOf[sharedMessage](r, "out", 16)
	s.pos, errs[6] = shared.MapOf[sharedKey, sharedMessage](r, "pos", 3000)
	s.ticks, errs[7] = shared.TopicOf[sharedMessage](r, "ticks", 64)
	return s, errors.Join(errs[:]...)
}

// sharedTest gives a test a namespace with a region in it.
func sharedTest(t *testing.T) *sharedRegion {
	t.Helper()
	s, err := openShared()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = s.Remove()
	})
	return s
}

// inSharedDir does something once for all processes that run tests.
func inSharedDir(name string, do func(path string) error) (string, error) {
	dir, err := os.Open(os.Getenv(dirVar))
	if err != nil {
		return "", err
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	path := filepath.Join(dir.Name(), name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, do(path)
}

func said(cmd *exec.Cmd) error {
	if output, err := cmd.CombinedOutput(); err != nil || len(output) > 0 {
		return fmt.Errorf("%v: %v\n%s", cmd.Args, err, output)
	}
	return nil
}

// sysvipcCommand builds the command.
var sysvipcCommand = sync.OnceValues(func() (string, error) {
	return inSharedDir("sysvipc", func(path string) error {
		return said(exec.Command("go", "build", "-buildvcs=false", "-o", path, "../../cmd/sysvipc"))
	})
})

// compileShared compiles a C program with the header of the region.
func compileShared(t *testing.T, name, source string, flags ...string) string {
	t.Helper()
	ipctest.NeedCompiler(t, "gcc")
	command, err := sysvipcCommand()
	if err != nil {
		t.Fatal(err)
	}
	program, err := inSharedDir(name, func(path string) error {
		header, err := exec.Command(command, "region", "header", sharedName, "--prefix", "t").Output()
		if err != nil {
			return err
		}
		include := path + ".include"
		if err := errors.Join(os.MkdirAll(include, 0o700), os.WriteFile(include+"/region.h", header, 0o600)); err != nil {
			return err
		}
		args := append([]string{"-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-I", include, "-o", path, source}, flags...)
		return said(exec.Command("gcc", args...))
	})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// startShared starts a C program that has attached the region.
func startShared(t *testing.T) *peer {
	t.Helper()
	p := &peer{Process: ipctest.Start(t, program, nil, compileShared(t, "shared", "testdata/shared.c")), language: language{name: "C"}, t: t}
	p.do("attach 0")
	return p
}

func good(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestSharedVar(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	p := startShared(t)
	q := sharedQuote{Price: 1.5, N: 5}
	q.Same[6] = 6
	good(t, q.Name.Set("twenty bytes of text"), s.quote.Store(ctx, q), s.word.Store(ctx, -7))
	equal(t, "in C", p.do("load"), "5 6 twenty bytes of text 0 1.50 -7")

	// What C stores wakes who watches.
	var seen []int64
	for q, err := range s.quote.Watch(ctx) {
		good(t, err)
		if seen = append(seen, q.N); len(seen) == 2 {
			break
		}
		p.do("store 9")
	}
	w, err := s.word.Load()
	good(t, err)
	q, err = s.quote.Load()
	good(t, err)
	if seen[1] != 9 || w != 9 || q.Name.String() != "9" || !q.Flag || q.Price != 0.25 {
		t.Errorf("watched %v, then %+v and %d", seen, q, w)
	}

	// What C adds does, too.
	var counts []int64
	for n, err := range s.count.Watch(ctx) {
		good(t, err)
		if counts = append(counts, n); len(counts) == 3 {
			break
		}
		p.do("count %d", 5)
	}
	equal(t, "counts", fmt.Sprint(counts), "[0 5 10]")
	good(t, s.count.Store(0))

	// Go and C change the same values at the same time, and C looks on.
	const each = 3000
	looker := startShared(t)
	looker.do("detach")
	looker.do("attach 4096") // SHM_RDONLY
	looker.begin("look 20000")
	p.begin("add %d 1", each)
	for range each {
		good(t, s.quote.Update(ctx, func(q *sharedQuote) {
			q.N++
			q.Same[0], q.Same[6] = q.N, q.N
			_ = q.Name.Set(fmt.Sprint(q.N))
		}), s.word.Update(ctx, func(w *int32) { *w++ }))
		_, err := s.count.Add(1)
		good(t, err)
	}
	p.end()
	looker.end()
	equal(t, "sums", looker.do("load"), fmt.Sprintf("%d %[1]d %[1]d 1 0.25 %[1]d", 9+2*each))
	n, err := s.count.Load()
	if n != 2*each || err != nil {
		t.Errorf("counted %d (%v)", n, err)
	}
	looker.begin("store 1")
	looker.fails(syscall.EACCES)
	looker.begin("join")
	looker.fails(syscall.EACCES)
}

// C waits for what Go stores next, and not for longer than it says.
func TestSharedVarWait(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	p := startShared(t)
	good(t, s.word.Store(ctx, 1))
	p.do("see")
	p.begin("await 1")
	p.fails(syscall.EACCES) // it has not joined
	p.do("join")
	p.begin("await 1")
	p.fails(syscall.ETIMEDOUT)
	for n := range int64(20) {
		p.begin("await -1")
		good(t, s.quote.Store(ctx, sharedQuote{N: 40 + n}), s.word.Store(ctx, int32(50+n)))
		equal(t, "what came", p.end(), fmt.Sprint(40+n, 50+n))
	}
	p.do("see")
	p.begin("await -1")
	good(t, s.Remove())
	p.fails(syscall.EIDRM)
}

// A C writer is killed at any instant, again and again: the value stays whole, and both others can go on.
func TestSharedVarKilled(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	good(t, s.quote.Store(ctx, sharedQuote{Name: s.name(0)}))
	other := startShared(t)
	for range 10 {
		p := startShared(t)
		p.begin("add 1000000000 1")
		before, err := s.count.Load()
		for now := before; now < before+100; now, err = s.count.Load() { // until it adds
			good(t, err)
			runtime.Gosched()
		}
		for range 5 {
			good(t, s.quote.Update(ctx, func(q *sharedQuote) {
				q.N++
				q.Same[0], q.Same[6], q.Name = q.N, q.N, s.name(q.N)
			}))
		}
		p.kill()
		other.do("look 10")
		other.do("add 10 1")
	}
	q, err := s.quote.Load()
	if good(t, err); q.N < 10*100 || q.Same[6] != q.N || q.Name != s.name(q.N) {
		t.Errorf("got %+v", q)
	}
}

// name is the text for a number.
func (s *sharedRegion) name(n int64) (text shared.String[[20]byte]) {
	_ = text.Set(fmt.Sprint(n))
	return text
}

// The mutex is glibc's: when either process is killed with it, the other one gets EOWNERDEAD.
func TestSharedMutex(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	p := startShared(t)
	p.do("lock")
	if ok, err := s.book.TryLock(); ok || err != nil {
		t.Errorf("took what C holds (%v)", err)
	}
	waiter := make(chan error)
	go func() { waiter <- s.book.Lock(ctx) }()
	p.do("unlock")
	good(t, <-waiter)
	p.begin("trylock")
	p.fails(syscall.EBUSY)
	p.begin("lock")
	good(t, s.book.Unlock())
	equal(t, "C waits and goes on", p.end(), "")

	// C is killed with it.
	go func() { waiter <- s.book.Lock(ctx) }()
	p.kill()
	if err := <-waiter; !errors.Is(err, shared.ErrOwnerDied) {
		t.Fatalf("got %v, want ErrOwnerDied", err)
	}
	good(t, s.book.MarkConsistent(), s.book.Unlock())

	// Go is killed with it.
	p = startShared(t)
	holder := ipctest.Start(t, sharedHolder, nil)
	holder.Expect("locked")
	p.begin("lock")
	holder.Kill()
	p.fails(syscall.EOWNERDEAD)
	p.do("consistent")
	p.do("unlock")
	good(t, s.book.Lock(ctx), s.book.Unlock())

	// Nobody repairs: both get an error.
	holder = ipctest.Start(t, sharedHolder, nil)
	holder.Expect("locked")
	holder.Kill()
	p.begin("lock")
	p.fails(syscall.EOWNERDEAD)
	p.do("unlock")
	if err := s.book.Lock(ctx); !errors.Is(err, shared.ErrNotRecoverable) {
		t.Errorf("got %v, want ErrNotRecoverable", err)
	}
	p.begin("lock")
	p.fails(syscall.ENOTRECOVERABLE)
}

var sharedHolder = ipctest.Register("shared holder", func(c *ipctest.ChildEnv) {
	s, err := openShared()
	c.Check(err)
	c.Check(s.book.Lock(context.Background()))
	c.Say("locked")
	c.Listen()
})

func TestSharedChan(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	p := startShared(t)
	p.do("join")
	all, err := s.Participants()
	if len(all) != 2 || all[1].PID != p.PID || !all[1].Alive || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}

	// C waits for Go, and Go for C.
	p.begin("receive 1")
	p.fails(syscall.ETIMEDOUT)
	p.begin("receive 0")
	p.fails(syscall.EAGAIN)
	p.begin("receive -1")
	good(t, s.in.Send(ctx, struct{ N, Unused int64 }{7, 0}))
	equal(t, "received", p.end(), "7")
	const n = 5000
	p.begin("send 0 %d", n)
	for want := range int64(n) {
		m, err := s.out.Receive(ctx)
		if good(t, err); m.N != want || m.More[6] != want {
			t.Fatalf("got %v, want %d", m, want)
		}
	}
	p.end()

	// C drains what Go sends, to the end.
	p.begin("drain 0 -1")
	for i := range int64(n) {
		good(t, s.in.Send(ctx, struct{ N, Unused int64 }{i, 0}))
	}
	good(t, s.in.Close())
	equal(t, "drained", p.end(), fmt.Sprintf("%d %d %d", n, n*(n-1)/2, syscall.ENODATA))
	if _, err := s.in.Receive(ctx); err != io.EOF {
		t.Errorf("got %v", err)
	}
	p.do("detach")
	if all, err := s.Participants(); len(all) != 1 || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
}

// A C sender is killed at any instant, again and again: what it sent arrives once, in order, and nobody is stuck.
func TestSharedChanKilled(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	next := int64(0)
	for round := range int64(20) {
		p := startShared(t)
		p.do("join")
		p.begin("send %d %d", next, int64(1)<<40)
		for end := next + 1 + round*37; next < end; next++ {
			m, err := s.out.Receive(ctx)
			if good(t, err); m.N != next || m.More[6] != next {
				t.Fatalf("round %d: got %v, want %d", round, m, next)
			}
		}
		p.kill()
		if _, err := s.Reap(); err != nil {
			t.Fatal(err)
		}
		for ; ; next++ {
			m, ok, err := s.out.TryReceive()
			if good(t, err); !ok {
				break
			}
			if m.N != next {
				t.Fatalf("round %d, after the kill: got %v, want %d", round, m, next)
			}
		}
	}
	if all, err := s.Participants(); len(all) != 1 || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
}
