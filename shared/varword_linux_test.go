package shared

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func varOf[T comparable](t testing.TB, key int32) (*Region, *Var[T]) {
	t.Helper()
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	x, err := VarOf[T](r, "x")
	if err != nil {
		t.Fatal(err)
	}
	return r, x
}

func TestVarWordNaN(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, f := varOf[float64](t, ipctest.Key(t))
	if err := f.Store(ctx, math.NaN()); err != nil {
		t.Fatal(err)
	}
	if ok, err := f.CompareAndSwap(ctx, math.NaN(), 1); ok || err != nil {
		t.Errorf("NaN is equal to itself: %v", err)
	}
}

func TestVarWordUpdatesAreExact(t *testing.T) {
	t.Parallel()
	_, x := varOf[uint16](t, ipctest.Key(t))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if err := x.Update(t.Context(), func(n *uint16) { *n++ }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := x.Load(); n != 8000 || err != nil {
		t.Errorf("%d (%v)", n, err)
	}
}

var wordWriter = worker("word writer", func(c *ipctest.ChildEnv, r *Region) {
	x, err := VarOf[[2]int32](r, "x")
	c.Check(err)
	c.Say("ready")
	for {
		c.Check(x.Update(context.Background(), func(p *[2]int32) { p[0]++; p[1]-- }))
	}
})

// A killed writer leaves a whole value, nothing to repair, and watchers who see the next.
func TestVarWordKilledWriter(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	_, x := varOf[[2]int32](t, key)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 5 {
		p := startWorker(t, wordWriter, key)
		seen := 0
		for pair, err := range x.Watch(ctx) {
			if err != nil || pair[0] != -pair[1] {
				t.Fatalf("got %v (%v)", pair, err)
			}
			if seen++; seen == 50 {
				break
			}
		}
		p.Kill()
		if err := x.Update(ctx, func(p *[2]int32) {
			if p[0] != -p[1] {
				t.Errorf("left is %v", *p)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVarCloseBesideUse(t *testing.T) {
	t.Parallel()
	for range 20 {
		r, x := varOf[int64](t, ipctest.Key(t))
		if err := x.Store(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					n, err := x.Load()
					if err == nil {
						err = x.Update(t.Context(), func(n *int64) { *n++ })
					}
					switch {
					case errors.Is(err, fs.ErrClosed):
						return
					case err != nil || n < 1:
						t.Errorf("got %d (%v)", n, err)
						return
					}
				}
			})
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}
