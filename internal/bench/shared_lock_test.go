//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	_ "embed"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

//go:embed testdata/shared.c
var sharedSource string

// newRegion makes a region that ends with the benchmark.
func newRegion(b *testing.B, opts *shared.Options) (*shared.Region, sysvipc.Key) {
	b.Helper()
	key := sysvipc.Key(ipctest.Key(b))
	r := must(shared.EnsureKey(b.Context(), key, opts))
	b.Cleanup(func() {
		check(r.Remove())
		check(r.Close())
	})
	return r, key
}

// childRegion opens the region of the first argument in another process.
func childRegion(c *ipctest.ChildEnv) *shared.Region {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(context.Background(), key, nil)
	c.Check(err)
	return r
}

// line64 is a value of one cache line.
type line64 [8]int64

// To take and give a lock that nobody else wants: beside a robust pthread mutex of C, and
// a semaphore with undo.
func BenchmarkSharedMutex(b *testing.B) {
	r, _ := newRegion(b, nil)
	mu, set, ctx := must(shared.MutexOf(r, "m")), newSet(b, 1), context.Background()
	pair := func() {
		check(mu.Lock(ctx))
		check(mu.Unlock())
	}
	undo := &side{name: "semaphore", run: loop(func() {
		check(set.Do(ctx, sysvipc.Add(0, -1).Undo()))
		check(set.Do(ctx, sysvipc.Add(0, +1).Undo()))
	}), batch: 200}
	compare(b, 20_000, &side{run: loop(pair)}, append(startC(b, sharedSource).floor("mutex %d"), undo)...)
	allocs(b, pair)
}

// To read and write a variable of 64 bytes.
func BenchmarkSharedVar(b *testing.B) {
	r, _ := newRegion(b, nil)
	x, ctx := must(shared.VarOf[line64](r, "x")), context.Background()
	sum := int64(0)
	load := func() {
		v, err := x.Load()
		check(err)
		sum += v[7]
	}
	loads := func(n int) time.Duration {
		start := time.Now()
		for range n {
			v, err := x.Load()
			if err != nil {
				b.Fatal(err)
			}
			sum += v[7]
		}
		return time.Since(start)
	}
	store := func() { check(x.Store(ctx, line64{1})) }
	b.Run("load", func(b *testing.B) {
		compare(b, 50_000, &side{run: loads}, startC(b, sharedSource).floor("load %d")...)
		allocs(b, load)
	})
	b.Run("store", func(b *testing.B) {
		compare(b, 20_000, &side{run: loop(store)}, startC(b, sharedSource).floor("store %d")...)
		allocs(b, store)
	})
}

// Loads beside a writer in another process: how many a second, by one reader and by two,
// and that none is torn.
func BenchmarkSharedVarBesideWriter(b *testing.B) {
	r, key := newRegion(b, nil)
	x := must(shared.VarOf[line64](r, "x"))
	ipctest.Start(b, varWriter, nil, key.String()).Expect("ready")
	var torn atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if v := must(x.Load()); v[0] != v[7] || v[3] != v[4] {
				torn.Add(1)
			}
		}
	})
	b.ReportMetric(float64(torn.Load()), "torn")
}

var varWriter = ipctest.Register("var writer", func(c *ipctest.ChildEnv) {
	x, err := shared.VarOf[line64](childRegion(c), "x")
	c.Check(err)
	c.Say("ready")
	for n := int64(0); ; n++ {
		c.Check(x.Store(context.Background(), line64{n, n, n, n, n, n, n, n}))
	}
})

// From the kill -9 of a lock's holder until the lock is had by one who waits, beside a
// round trip of two processes that sleep and wake each other.
func BenchmarkSharedTakeover(b *testing.B) {
	r, key := newRegion(b, nil)
	mu := must(shared.MutexOf(r, "m"))
	roundTrip := semaphoreHandoff(b, anywhere, context.Background(), "background")
	roundTrip.name = "handoff"
	compare(b, 50, &side{batch: 1, run: func(int) time.Duration {
		p := ipctest.Start(b, lockHolder, nil, key.String())
		p.Expect("held")
		took := make(chan time.Time, 1)
		go func() {
			err := mu.Lock(context.Background())
			took <- time.Now()
			if err == nil {
				panic("the dead holder was not noticed")
			}
			check(mu.MarkConsistent())
			check(mu.Unlock())
		}()
		time.Sleep(2 * time.Millisecond) // it sleeps by then
		start := time.Now()
		p.Kill()
		return (<-took).Sub(start)
	}}, roundTrip)
}

var lockHolder = ipctest.Register("lock holder", func(c *ipctest.ChildEnv) {
	mu, err := shared.MutexOf(childRegion(c), "m")
	c.Check(err)
	c.Check(mu.Lock(context.Background()))
	c.Say("held")
	c.Listen()
})
