package shared_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

type quote struct {
	Bid, Ask float64
	Size     [6]int64
}

// writers write values whose fields agree, until they are killed.
var writer = ipctest.Register("writer", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(context.Background(), key, nil)
	c.Check(err)
	x, err := shared.VarOf[quote](r, "q")
	c.Check(err)
	c.Say("writing")
	for {
		c.Check(x.Update(context.Background(), func(q *quote) {
			n := q.Bid + 1
			*q = quote{n, n, [6]int64{int64(n), int64(n), int64(n), int64(n), int64(n), int64(n)}}
		}))
	}
})

func whole(q quote) bool {
	for _, n := range q.Size {
		if float64(n) != q.Bid {
			return false
		}
	}
	return q.Bid == q.Ask
}

func TestVarIsNeverTorn(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	x, err := shared.VarOf[quote](ensure(t, key), "q")
	if err != nil {
		t.Fatal(err)
	}
	changes := 1000
	if runtime.GOMAXPROCS(0) == 1 {
		changes = 100 // one is seen for each turn that the kernel gives to the writer
	}
	for range 20 {
		p := ipctest.Start(t, writer, nil, sysvipc.Key(key).String())
		p.Expect("writing")
		first, err := x.Load()
		if err != nil {
			t.Fatal(err)
		}
		for seen := 0; seen < changes; {
			q, err := x.Load()
			if err != nil || !whole(q) {
				t.Fatalf("torn: %+v (%v)", q, err)
			}
			if q != first {
				first, seen = q, seen+1
			}
		}
		p.Kill()
		if err := x.Update(context.Background(), func(q *quote) {
			if !whole(*q) {
				t.Errorf("a killed writer has left %+v", *q)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVarWatch(t *testing.T) {
	t.Parallel()
	x, err := shared.VarOf[int64](ensure(t, ipctest.Key(t)), "n")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	got := make(chan int64)
	wg.Go(func() {
		last := int64(-1)
		for n, err := range x.Watch(ctx) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				break
			}
			if n <= last {
				t.Errorf("%d after %d", n, last)
			}
			last = n
			got <- n
		}
	})
	if n := <-got; n != 0 {
		t.Errorf("the first value is %d", n)
	}
	for i := int64(1); i <= 100; i++ {
		if err := x.Store(context.Background(), i); err != nil {
			t.Fatal(err)
		}
		if n := <-got; n != i {
			t.Errorf("got %d, want %d", n, i)
		}
	}
	cancel()
	wg.Wait()
}

func TestVarRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	if _, err := shared.VarOf[struct{ S string }](r, "x"); err == nil {
		t.Error("a string was shared")
	} else {
		t.Log(err)
	}
	if _, err := shared.VarOf[quote](r, "x"); err != nil {
		t.Error(err)
	}
	if _, err := shared.VarOf[int64](r, "x"); err == nil {
		t.Error("one name with two types")
	} else {
		t.Log(err)
	}
	if _, err := shared.MutexOf(r, "x"); err == nil {
		t.Error("one name with two kinds")
	} else {
		t.Log(err)
	}
}

func BenchmarkVarLoad(b *testing.B) {
	x, _ := shared.VarOf[quote](ensure(b, ipctest.Key(b)), "q")
	for b.Loop() {
		x.Load()
	}
}

func BenchmarkVarStore(b *testing.B) {
	x, _ := shared.VarOf[quote](ensure(b, ipctest.Key(b)), "q")
	for b.Loop() {
		x.Store(context.Background(), quote{Bid: 1})
	}
}
