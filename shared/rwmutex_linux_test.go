package shared_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

func rwmutexOf(t testing.TB, r *shared.Region) *shared.RWMutex {
	t.Helper()
	m, err := shared.RWMutexOf(r, "rw")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func childRegion(c *ipctest.ChildEnv) *shared.Region {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(context.Background(), key, nil)
	c.Check(err)
	return r
}

// rwHolder takes and gives the lock on command.
var rwHolder = ipctest.Register("rwHolder", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	m, err := shared.RWMutexOf(childRegion(c), "rw")
	c.Check(err)
	do := map[string]func() error{
		"RLock":   func() error { return m.RLock(ctx) },
		"RUnlock": m.RUnlock,
		"Lock":    func() error { return m.Lock(ctx) },
		"Unlock":  m.Unlock,
	}
	for {
		if err := do[c.Listen()](); err != nil {
			c.Say("%v", err)
			continue
		}
		c.Say("done")
	}
})

func startHolder(t *testing.T, key int32) func(what string) *ipctest.Process {
	p := ipctest.Start(t, rwHolder, nil, sysvipc.Key(key).String())
	return func(what string) *ipctest.Process {
		t.Helper()
		p.Tell(what)
		p.Expect("done")
		return p
	}
}

// short is a context that ends soon, for what must not succeed.
func short(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func mustDo(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mustTry checks what a TryLock or TryRLock says.
func mustTry(t testing.TB, want bool, try func() (bool, error)) {
	t.Helper()
	if ok, err := try(); ok != want || err != nil {
		t.Fatalf("got %v, %v, want %v", ok, err, want)
	}
}

func TestRWMutexAmongProcesses(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	m := rwmutexOf(t, ensure(t, key))
	other := startHolder(t, key)

	other("RLock")
	mustDo(t, m.RLock(ctx))
	mustTry(t, true, m.TryRLock)
	mustDo(t, m.RUnlock(), m.RUnlock())
	mustTry(t, false, m.TryLock)
	if err := m.Lock(short(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a writer beside a reader: %v", err)
	}
	// The writer that gave up keeps nobody out.
	mustTry(t, true, m.TryRLock)
	mustDo(t, m.RUnlock())

	got := make(chan error)
	go func() { got <- m.Lock(ctx) }()
	other("RUnlock")
	mustDo(t, <-got, m.Unlock())

	other("Lock")
	mustTry(t, false, m.TryLock)
	mustTry(t, false, m.TryRLock)
	if err := m.RLock(short(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a reader beside a writer: %v", err)
	}
	go func() { got <- m.RLock(ctx) }()
	other("Unlock")
	mustDo(t, <-got, m.RUnlock())
	mustTry(t, true, m.TryLock)
	mustDo(t, m.Unlock())
}

func TestRWMutexPrefersWriters(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	m := rwmutexOf(t, ensure(t, key))
	mustDo(t, m.RLock(ctx))
	got := make(chan error, 2)
	go func() { got <- m.Lock(ctx) }()
	for { // until the writer keeps new readers out
		ok, err := m.TryRLock()
		mustDo(t, err)
		if !ok {
			break
		}
		mustDo(t, m.RUnlock())
	}
	in := make(chan error)
	go func() { in <- m.RLock(ctx) }()
	select {
	case <-in:
		t.Fatal("a reader has overtaken a writer")
	case <-got:
		t.Fatal("a writer beside a reader")
	case <-time.After(10 * time.Millisecond):
	}
	mustDo(t, m.RUnlock(), <-got, m.Unlock(), <-in, m.RUnlock())
}

func TestRWMutexKilledReader(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	m := rwmutexOf(t, ensure(t, key))
	for range 5 {
		other := startHolder(t, key)
		other("RLock")
		p := other("RLock")
		got := make(chan error)
		go func() { got <- m.Lock(ctx) }()
		select {
		case err := <-got:
			t.Fatalf("the writer is in beside a reader: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
		p.Kill()
		mustDo(t, <-got, m.Unlock())
	}
}

func TestRWMutexKilledWriter(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	m := rwmutexOf(t, ensure(t, key))
	other := startHolder(t, key)
	p := other("Lock")
	got := make(chan error)
	go func() { got <- m.RLock(ctx) }()
	p.Kill()
	if err := <-got; !errors.Is(err, shared.ErrOwnerDied) {
		t.Fatalf("a reader got %v, want ErrOwnerDied", err)
	}
	if ok, err := m.TryRLock(); ok || !errors.Is(err, shared.ErrOwnerDied) {
		t.Fatalf("a reader got %v, %v, want ErrOwnerDied", ok, err)
	}
	// One who is killed before the repair is done has repaired nothing.
	p = ipctest.Start(t, rwHolder, nil, sysvipc.Key(key).String())
	p.Tell("Lock")
	t.Log(p.Line())
	p.Kill()
	if err := m.Lock(ctx); !errors.Is(err, shared.ErrOwnerDied) {
		t.Fatalf("a writer got %v, want ErrOwnerDied", err)
	}
	mustTry(t, false, m.TryRLock)
	mustDo(t, m.MarkConsistent())
	mustDo(t, m.Unlock(), m.RLock(ctx), m.RUnlock(), m.Lock(ctx), m.Unlock())

	startHolder(t, key)("Lock").Kill()
	if ok, err := m.TryLock(); !ok || !errors.Is(err, shared.ErrOwnerDied) {
		t.Fatalf("a writer got %v, %v, want ErrOwnerDied", ok, err)
	}
	mustDo(t, m.Unlock())
	if err := m.Lock(ctx); !errors.Is(err, shared.ErrNotRecoverable) {
		t.Fatalf("a writer got %v, want ErrNotRecoverable", err)
	}
	if err := m.RLock(ctx); !errors.Is(err, shared.ErrNotRecoverable) {
		t.Fatalf("a reader got %v, want ErrNotRecoverable", err)
	}
}

// A writer that is killed before the readers have left has changed nothing.
func TestRWMutexKilledWaiter(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	m := rwmutexOf(t, ensure(t, key))
	mustDo(t, m.RLock(ctx))
	p := ipctest.Start(t, rwHolder, nil, sysvipc.Key(key).String())
	p.Tell("Lock")
	for {
		ok, err := m.TryRLock()
		mustDo(t, err)
		if !ok {
			break
		}
		mustDo(t, m.RUnlock())
	}
	p.Kill()
	mustTry(t, true, m.TryRLock)
	mustDo(t, m.RUnlock(), m.RUnlock(), m.Lock(ctx), m.Unlock())
}

func TestRWMutexClose(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	r := ensure(t, key)
	m := rwmutexOf(t, r)
	if m.RUnlock() == nil || m.Unlock() == nil {
		t.Fatal("unlocked what was not locked")
	}
	mustDo(t, m.RLock(ctx))
	if err := r.Close(); err == nil {
		t.Fatal("closed while it is locked for reading")
	}
	mustDo(t, m.RUnlock(), m.Lock(ctx))
	if err := r.Close(); err == nil {
		t.Fatal("closed while it is locked")
	}
	mustDo(t, m.Unlock(), r.Close())
	for _, err := range []error{m.Lock(ctx), m.RLock(ctx), m.Unlock(), m.RUnlock()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// The race detector sees plain variables under the lock.
func TestRWMutexExcludes(t *testing.T) {
	t.Parallel()
	ctx, key := context.Background(), ipctest.Key(t)
	a, b := rwmutexOf(t, ensure(t, key)), rwmutexOf(t, ensure(t, key))
	var n [2]int          // one for each region, since the detector tells them apart
	var both atomic.Int32 // writers and readers inside: a writer counts 1000
	var wg sync.WaitGroup
	for i, m := range []*shared.RWMutex{a, b} {
		for j := range 4 {
			wg.Go(func() {
				for k := range 300 {
					if (j+k)%4 != 0 {
						mustDo(t, m.RLock(ctx))
						if both.Add(1) >= 1000 {
							t.Error("a reader beside a writer")
						}
						_ = n[i]
						both.Add(-1)
						mustDo(t, m.RUnlock())
						continue
					}
					mustDo(t, m.Lock(ctx))
					if both.Add(1000) != 1000 {
						t.Error("a writer beside another")
					}
					n[i]++
					both.Add(-1000)
					mustDo(t, m.Unlock())
				}
			})
		}
	}
	wg.Wait()
	if n != [2]int{300, 300} {
		t.Errorf("%v", n)
	}
}

// rwWorker reads and writes two variables, which are equal under the lock, until it is
// killed. It repairs what others have left.
var rwWorker = ipctest.Register("rwWorker", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	r := childRegion(c)
	m, err := shared.RWMutexOf(r, "rw")
	c.Check(err)
	a, err := shared.CounterOf(r, "a")
	c.Check(err)
	b, err := shared.CounterOf(r, "b")
	c.Check(err)
	pair := func() (int64, int64) {
		x, err := a.Load()
		c.Check(err)
		y, err := b.Load()
		c.Check(err)
		return x, y
	}
	c.Say("working")
	for {
		if rand.IntN(4) != 0 {
			switch err := m.RLock(ctx); {
			case errors.Is(err, shared.ErrOwnerDied):
				continue // a writer will come
			case err != nil:
				c.Fatal(err)
			}
			if x, y := pair(); x != y {
				c.Fatalf("a reader sees %d and %d", x, y)
			}
			c.Check(m.RUnlock())
			continue
		}
		switch err := m.Lock(ctx); {
		case errors.Is(err, shared.ErrOwnerDied):
			x, _ := pair()
			c.Check(b.Store(x))
			c.Check(m.MarkConsistent())
		case err != nil:
			c.Fatal(err)
		}
		if x, y := pair(); x != y {
			c.Fatalf("a writer sees %d and %d", x, y)
		}
		_, err := a.Add(1)
		c.Check(err)
		_, err = b.Add(1)
		c.Check(err)
		c.Check(m.Unlock())
	}
})

func TestRWMutexTorture(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r := ensure(t, key)
	m := rwmutexOf(t, r)
	start := func() *ipctest.Process {
		p := ipctest.Start(t, rwWorker, nil, sysvipc.Key(key).String())
		p.Expect("working")
		return p
	}
	workers := [3]*ipctest.Process{start(), start(), start()}
	a, err := shared.CounterOf(r, "a")
	mustDo(t, err)
	for i := range ipctest.Kills(12) {
		before, err := a.Load()
		mustDo(t, err)
		workers[i%3].Kill()
		workers[i%3] = start()
		for { // all goes on
			if now, err := a.Load(); err != nil || now >= before+50 {
				mustDo(t, err)
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	for _, p := range workers {
		p.Kill()
	}
	b, err := shared.CounterOf(r, "b")
	mustDo(t, err)
	err = m.Lock(context.Background())
	x, _ := a.Load()
	y, _ := b.Load()
	if x != y && !errors.Is(err, shared.ErrOwnerDied) {
		t.Errorf("%d and %d under the lock (%v)", x, y, err)
	}
	mustDo(t, m.MarkConsistent())
	mustDo(t, m.Unlock())
	t.Logf("%d writes", x)
}

// onlyStructure returns the offset of the one structure in a region.
func onlyStructure(t *testing.T, r *shared.Region) int64 {
	t.Helper()
	all, err := dynamic.Of(r).All()
	mustDo(t, err)
	if len(all) != 1 {
		t.Fatalf("there are %d structures", len(all))
	}
	return all[0].Describe().Offset
}

// A peer may write anything into the lock: there are errors, and no end of the process.
func TestRWMutexHostileBytes(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	opts := &shared.Options{Size: 64 << 10, Participants: 4, Entries: 4}
	r, err := shared.EnsureKey(context.Background(), sysvipc.Key(key), opts)
	mustDo(t, err)
	defer r.Close()
	m := rwmutexOf(t, r)
	heap := onlyStructure(t, r)
	junk := make([]byte, 128+64+4*64)
	mem, err := r.Segment().Attach(nil)
	mustDo(t, err)
	defer mem.Close()
	for i := range 200 {
		for j := range junk {
			junk[j] = byte(rand.Uint32())
		}
		if i%2 == 0 {
			clear(junk[:40]) // a free lock
		}
		_, err := mem.WriteAt(junk, heap)
		mustDo(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_, _ = m.TryRLock()
		_ = m.RLock(ctx)
		_ = m.RUnlock()
		_ = m.RUnlock()
		_, _ = m.TryLock()
		_ = m.Unlock()
		_ = m.Lock(ctx)
		_ = m.Unlock()
		cancel()
	}
	_, err = mem.WriteAt(make([]byte, len(junk)), heap)
	mustDo(t, err)
}

func BenchmarkRWMutexRead(b *testing.B) {
	m := rwmutexOf(b, ensure(b, ipctest.Key(b)))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		m.RLock(ctx)
		m.RUnlock()
	}
}

func BenchmarkRWMutexWrite(b *testing.B) {
	m := rwmutexOf(b, ensure(b, ipctest.Key(b)))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		m.Lock(ctx)
		m.Unlock()
	}
}
