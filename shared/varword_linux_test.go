package shared

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// padded has a hole of three bytes, in which anything may stand.
type padded struct {
	A uint8
	B uint32
}

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

// A value of at most 8 bytes is the first word, and no lock is there; a larger one is not.
func TestVarWordLayout(t *testing.T) {
	t.Parallel()
	r, x := varOf[[3]uint8](t, ipctest.Key(t))
	if err := x.Store(t.Context(), [3]uint8{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	v := core.Of(r).View.Load()
	if b := v.Bytes[x.value.Offset : x.value.Offset+8]; [8]byte(b) != [8]byte{1, 2, 3} {
		t.Errorf("the word is % x", b)
	}
	if !x.value.IsWord() || x.value.Size != core.Line+core.Of(r).EventSize() {
		t.Errorf("3 bytes take %d", x.value.Size)
	}
	if _, x := varOf[[9]uint8](t, ipctest.Key(t)); x.value.IsWord() {
		t.Error("9 bytes in a word")
	}
}

func TestVarWordCompareAndSwap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, x := varOf[padded](t, ipctest.Key(t))
	word := x.value.One.At(core.Of(r).View.Load())
	*word = structure.Pack(padded{1, 2}) | structure.Pack(padded{A: 0})
	// The padding is another one's chance.
	b := core.Of(r).View.Load().Bytes[x.value.Offset:]
	b[1], b[2], b[3] = 0xaa, 0xbb, 0xcc
	for _, c := range []struct {
		old, new padded
		want     bool
	}{{padded{1, 3}, padded{}, false}, {padded{1, 2}, padded{3, 4}, true}, {padded{1, 2}, padded{}, false}} {
		if ok, err := x.CompareAndSwap(ctx, c.old, c.new); ok != c.want || err != nil {
			t.Errorf("%v for %v: %v, %v", c.old, c.new, ok, err)
		}
	}
	if got, err := x.Load(); got != (padded{3, 4}) || err != nil {
		t.Errorf("got %v (%v)", got, err)
	}
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

var wordWriter = ipctest.Register("word writer", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	x, err := VarOf[[2]int32](r, "x")
	c.Check(err)
	c.Say("writing")
	for {
		c.Check(x.Update(context.Background(), func(p *[2]int32) { p[0]++; p[1]-- }))
	}
})

// A killed writer leaves a whole value, nothing to repair, and watchers who see the next.
func TestVarWordKilledWriter(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	_, x := varOf[[2]int32](t, key)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 5 {
		p := ipctest.Start(t, wordWriter, nil, strconv.Itoa(int(key)))
		p.Expect("writing")
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

// Who writes a large value waits for its lock under a context; who reads does not wait.
func TestVarContext(t *testing.T) {
	t.Parallel()
	r, x := varOf[[2]int64](t, ipctest.Key(t))
	v := core.Of(r).View.Load()
	lock := &(*structure.CellsHead)(v.At(x.value.Offset)).Lock
	g, _, err := core.LockNode(t.Context(), lock, core.Door{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := x.Store(ctx, [2]int64{1, 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if got, err := x.Load(); got != [2]int64{} || err != nil {
		t.Errorf("got %v (%v)", got, err)
	}
	g.Unlock(lock)
	if err := x.Store(t.Context(), [2]int64{1, 1}); err != nil {
		t.Error(err)
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
