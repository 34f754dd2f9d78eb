package shared_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

func ensure(t testing.TB, key int32) *shared.Region {
	t.Helper()
	r, err := shared.EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

var locker = ipctest.Register("locker", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(context.Background(), key, nil)
	c.Check(err)
	m, err := shared.MutexOf(r, "m")
	c.Check(err)
	c.Check(m.Lock(context.Background()))
	c.Say("locked")
	c.Listen()
})

func TestKilledHolder(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r := ensure(t, key)
	m, err := shared.MutexOf(r, "m")
	if err != nil {
		t.Fatal(err)
	}
	p := ipctest.Start(t, locker, nil, sysvipc.Key(key).String())
	p.Expect("locked")
	if ok, err := m.TryLock(); ok || err != nil {
		t.Fatalf("took a lock that is held: %v", err)
	}
	done := make(chan error)
	go func() { done <- m.Lock(context.Background()) }()
	p.Kill()
	if err := <-done; !errors.Is(err, shared.ErrOwnerDied) || !strings.Contains(err.Error(), "the lock is now yours: repair") {
		t.Fatalf("got %v, want ErrOwnerDied", err)
	}
	mustDo(t, m.MarkConsistent(), m.Unlock())
	if err := m.MarkConsistent(); err == nil {
		t.Error("marked consistent what is not held")
	}
	if err := m.Lock(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := m.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if err := m.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestMutexExcludes(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	m, err := shared.MutexOf(r, "m")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if err := m.Lock(context.Background()); err != nil {
					t.Error(err)
				}
				n++
				if err := m.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n != 8000 {
		t.Errorf("%d, want 8000", n)
	}
}

func BenchmarkMutex(b *testing.B) {
	r := ensure(b, ipctest.Key(b))
	m, _ := shared.MutexOf(r, "m")
	for b.Loop() {
		m.Lock(context.Background())
		m.Unlock()
	}
}

// A goroutine that waits for a lock leaves with the region, and the lock goes to others.
func TestCloseBesideLock(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, other := ensure(t, key), ensure(t, key)
	m, err := shared.MutexOf(r, "m")
	if err != nil {
		t.Fatal(err)
	}
	p := ipctest.Start(t, locker, nil, sysvipc.Key(key).String())
	p.Expect("locked")
	done := make(chan error)
	go func() { done <- m.Lock(context.Background()) }()
	go func() { done <- r.Close() }()
	for range 2 {
		if err := <-done; err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got %v, want ErrClosed or nothing", err)
		}
	}
	if m, err = shared.MutexOf(other, "m"); err != nil {
		t.Fatal(err)
	}
	go func() { done <- m.Lock(context.Background()) }()
	p.Kill()
	if err := <-done; !errors.Is(err, shared.ErrOwnerDied) {
		t.Errorf("got %v, want ErrOwnerDied", err)
	}
	mustDo(t, m.MarkConsistent(), m.Unlock())
}
