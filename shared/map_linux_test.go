package shared_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"pgregory.net/rapid"
)

func mapOf[K, V comparable](t testing.TB, r *shared.Region, capacity int) *shared.Map[K, V] {
	t.Helper()
	m, err := shared.MapOf[K, V](r, "m", capacity)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// padded has bytes between and behind its fields that == does not look at.
type padded struct {
	A uint8
	B uint32
	_ [3]uint8
	C bool
}

// The map does what a Go map does, whatever its size. With few keys and a full map, entries
// crowd, collide and move.
func TestMapIsAMap(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		capacity := rapid.SampledFrom([]int{1, 2, 3, 7, 16, 33}).Draw(rt, "capacity")
		round++
		m, err := shared.MapOf[padded, [3]int32](r, fmt.Sprint(round), capacity)
		if err != nil {
			rt.Fatal(err)
		}
		keys := rapid.Custom(func(rt *rapid.T) padded {
			n := rapid.IntRange(0, 2*capacity).Draw(rt, "n")
			return padded{A: uint8(n), B: uint32(n / 3), C: n%2 == 0}
		})
		values := rapid.Custom(func(rt *rapid.T) [3]int32 {
			n := rapid.Int32().Draw(rt, "v")
			return [3]int32{n, -n, n}
		})
		model := make(map[padded][3]int32)
		full := func(k padded, err error) bool {
			_, exists := model[k]
			if !exists && len(model) == capacity {
				if !errors.Is(err, shared.ErrFull) {
					rt.Fatalf("a full map says %v", err)
				}
				return true
			}
			if err != nil {
				rt.Fatal(err)
			}
			return false
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				if n, err := m.Len(); n != len(model) || err != nil {
					rt.Fatalf("%d entries (%v), want %d", n, err, len(model))
				}
			},
			"Load": func(rt *rapid.T) {
				k := keys.Draw(rt, "k")
				want, exists := model[k]
				if got, ok, err := m.Load(k); got != want || ok != exists || err != nil {
					rt.Fatalf("%v, %v, %v, want %v, %v", got, ok, err, want, exists)
				}
			},
			"Store": func(rt *rapid.T) {
				k, v := keys.Draw(rt, "k"), values.Draw(rt, "v")
				if !full(k, m.Store(context.Background(), k, v)) {
					model[k] = v
				}
			},
			"Update": func(rt *rapid.T) {
				k := keys.Draw(rt, "k")
				action := rapid.SampledFrom([]shared.Action{shared.Keep, shared.Store, shared.Delete}).Draw(rt, "action")
				want, exists := model[k]
				err := m.Update(context.Background(), k, func(v *[3]int32, ok bool) shared.Action {
					if *v != want || ok != exists {
						rt.Fatalf("%v, %v, want %v, %v", *v, ok, want, exists)
					}
					v[1]++
					return action
				})
				want[1]++
				switch {
				case action == shared.Store && !full(k, err):
					model[k] = want
				case action != shared.Store && err != nil:
					rt.Fatal(err)
				case action == shared.Delete:
					delete(model, k)
				}
			},
			"LoadOrStore": func(rt *rapid.T) {
				k, v := keys.Draw(rt, "k"), values.Draw(rt, "v")
				got, loaded, err := m.LoadOrStore(context.Background(), k, v)
				if full(k, err) {
					return
				}
				want, exists := model[k]
				if !exists {
					want, model[k] = v, v
				}
				if got != want || loaded != exists {
					rt.Fatalf("%v, %v, want %v, %v", got, loaded, want, exists)
				}
			},
			"CompareAndSwap": func(rt *rapid.T) {
				k, v := keys.Draw(rt, "k"), values.Draw(rt, "v")
				old, exists := model[k]
				if rapid.Bool().Draw(rt, "other") {
					old[2]++
				}
				want := exists && old == model[k]
				if ok, err := m.CompareAndSwap(context.Background(), k, old, v); ok != want || err != nil {
					rt.Fatalf("%v, %v, want %v", ok, err, want)
				}
				if want {
					model[k] = v
				}
			},
			"Delete": func(rt *rapid.T) {
				k := keys.Draw(rt, "k")
				_, exists := model[k]
				if ok, err := m.Delete(context.Background(), k); ok != exists || err != nil {
					rt.Fatalf("%v, %v, want %v", ok, err, exists)
				}
				delete(model, k)
			},
			"LoadAndDelete": func(rt *rapid.T) {
				k := keys.Draw(rt, "k")
				want, exists := model[k]
				if got, ok, err := m.LoadAndDelete(context.Background(), k); got != want || ok != exists || err != nil {
					rt.Fatalf("%v, %v, %v, want %v, %v", got, ok, err, want, exists)
				}
				delete(model, k)
			},
			"CompareAndDelete": func(rt *rapid.T) {
				k := keys.Draw(rt, "k")
				old, exists := model[k]
				if rapid.Bool().Draw(rt, "other") {
					old[2]++
				}
				want := exists && old == model[k]
				if ok, err := m.CompareAndDelete(context.Background(), k, old); ok != want || err != nil {
					rt.Fatalf("%v, %v, want %v", ok, err, want)
				}
				if want {
					delete(model, k)
				}
			},
			"Clear": func(rt *rapid.T) {
				if rapid.IntRange(0, 3).Draw(rt, "seldom") == 0 {
					mustDo(t, m.Clear(context.Background()))
					clear(model)
				}
			},
			"All": func(rt *rapid.T) {
				got := make(map[padded][3]int32)
				for e, err := range m.All(context.Background()) {
					if _, twice := got[e.Key]; twice || err != nil {
						rt.Fatalf("%v twice, or %v", e.Key, err)
					}
					got[e.Key] = e.Value
				}
				if !maps.Equal(got, model) {
					rt.Fatalf("%v, want %v", got, model)
				}
			},
		})
	})
}

// Who watches all entries gets each as it is in the end, however slow the loop is, and each
// that was deleted.
func TestMapWatchAll(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	m := mapOf[uint64, uint64](t, ensure(t, key), 3000) // two stripes
	writer := mapOf[uint64, uint64](t, ensure(t, key), 3000)
	for k := range uint64(100) {
		mustDo(t, writer.Store(t.Context(), k, k))
	}
	got := make(map[uint64]uint64)
	changes := 0
	for c, err := range m.WatchAll(t.Context()) {
		mustDo(t, err)
		if changes++; c.Value == nil {
			delete(got, c.Key)
		} else {
			got[c.Key] = *c.Value
		}
		switch {
		case changes == 100: // the loop is slow: of 50 changes it gets the last
			for i := range uint64(50) {
				mustDo(t, writer.Store(t.Context(), 7, 1000+i))
			}
			mustDo(t, writer.Clear(t.Context()))
			mustDo(t, writer.Store(t.Context(), 8, 88))
			mustDo(t, writer.Store(t.Context(), 9, 99))
		case len(got) == 2 && got[8] == 88 && got[9] == 99:
			if changes > 100+50+100+2 {
				t.Errorf("%d changes", changes)
			}
			return
		}
	}
	t.Errorf("the watch has ended with %v", got)
}

// A Clear of a full map leaves no entry, and room for as many.
func TestMapClear(t *testing.T) {
	t.Parallel()
	const capacity = 4096 // four stripes
	m := mapOf[uint64, uint64](t, ensure(t, ipctest.Key(t)), capacity)
	for round := range uint64(3) {
		for k := range uint64(capacity) {
			mustDo(t, m.Store(t.Context(), k+round*7, k))
		}
		mustDo(t, m.Clear(t.Context()))
		if n, err := m.Len(); n != 0 || err != nil {
			t.Fatalf("%d entries, %v", n, err)
		}
		for e, err := range m.All(t.Context()) {
			t.Fatalf("%v is left (%v)", e, err)
		}
	}
}

func TestMapTakesItsCapacity(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 100, 1023, 1024, 20_000} {
		r := ensure(t, ipctest.Key(t))
		m := mapOf[uint64, uint32](t, r, capacity)
		for i := range capacity {
			mustDo(t, m.Store(context.Background(), uint64(i), uint32(i)))
		}
		if err := m.Store(context.Background(), 1<<40, 1); !errors.Is(err, shared.ErrFull) {
			t.Errorf("entry %d: %v", capacity, err)
		} else if capacity == 1 {
			t.Log(err)
		}
		for i := range capacity {
			mustDo(t, m.Store(context.Background(), uint64(i), uint32(2*i)))
		}
		for i := range capacity {
			if v, ok, err := m.Load(uint64(i)); v != uint32(2*i) || !ok || err != nil {
				t.Fatalf("%d: %d, %v, %v", i, v, ok, err)
			}
		}
		n := 0
		for _, err := range m.All(context.Background()) {
			mustDo(t, err)
			n++
		}
		if n != capacity {
			t.Errorf("All yields %d of %d", n, capacity)
		}
		mustDo(t, r.Close())
	}
}

// Keys that come and go do not use the map up.
func TestMapChurn(t *testing.T) {
	t.Parallel()
	m := mapOf[uint64, uint64](t, ensure(t, ipctest.Key(t)), 100)
	for i := range uint64(50_000) {
		mustDo(t, m.Store(context.Background(), i, i))
		if i >= 100-1 {
			if ok, err := m.Delete(context.Background(), i-99); !ok || err != nil {
				t.Fatalf("%v %v", ok, err)
			}
		}
	}
	if n, err := m.Len(); n != 99 || err != nil {
		t.Errorf("%d entries (%v), want 99", n, err)
	}
}

func TestMapRefuses(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	mapOf[padded, int64](t, r, 100)
	for what, err := range map[string]error{
		"float key":      second(shared.MapOf[float64, int64](r, "f", 10)),
		"float field":    second(shared.MapOf[struct{ P [2]struct{ X float32 } }, int64](r, "f", 10)),
		"string key":     second(shared.MapOf[string, int64](r, "f", 10)),
		"int value":      second(shared.MapOf[int64, int](r, "f", 10)),
		"no capacity":    second(shared.MapOf[int64, int64](r, "f", 0)),
		"other capacity": second(shared.MapOf[padded, int64](r, "m", 101)),
		"other key":      second(shared.MapOf[int32, int64](r, "m", 100)),
		"other value":    second(shared.MapOf[padded, uint64](r, "m", 100)),
		"too large":      second(shared.MapOf[int64, [1000]int64](r, "f", 1_000_000)),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		t.Log(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestMapClose(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	m := mapOf[int64, int64](t, r, 1000)
	var wg sync.WaitGroup
	begun := make(chan bool, 4)
	for i := range 4 {
		wg.Go(func() {
			for n := int64(0); ; n++ {
				if n == 100 {
					begun <- true
				}
				err := m.Store(context.Background(), n%100, n)
				if err == nil {
					var ok bool
					if _, ok, err = m.Load(n % 100); !ok && err == nil {
						t.Errorf("goroutine %d: no %d", i, n%100)
						return
					}
				}
				if err != nil {
					if !errors.Is(err, fs.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 4 {
		<-begun
	}
	mustDo(t, r.Close())
	wg.Wait()
	for e, err := range m.All(context.Background()) {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%v, %v", e, err)
		}
	}
}

// account is half what it says, twice.
type account struct {
	N    int64
	Copy [5]int64
	Neg  int64
}

func accountOf(n int64) account { return account{n, [5]int64{n, n, n, n, n}, -n} }

func (a account) whole() bool { return a == accountOf(a.N) }

const mapKeys = 40

// mapWriter changes entries until it is killed. Before and after each change it counts in
// a variable of its own, so that the sums are known to within the one it was killed at.
var mapWriter = ipctest.Register("mapWriter", func(c *ipctest.ChildEnv) {
	r := childRegion(c)
	m, err := shared.MapOf[uint64, account](r, "m", mapKeys)
	c.Check(err)
	begun, err := shared.CounterOf(r, "begun")
	c.Check(err)
	done, err := shared.CounterOf(r, "done")
	c.Check(err)
	c.Say("writing")
	for {
		// Half of the keys are counters, half come and go.
		k := rand.Uint64N(mapKeys)
		if k%2 == 1 {
			if rand.IntN(2) == 0 {
				_, err = m.Delete(context.Background(), k)
			} else {
				err = m.Store(context.Background(), k, accountOf(rand.Int64()))
			}
			c.Check(err)
			continue
		}
		_, err := begun.Add(1)
		c.Check(err)
		c.Check(m.Update(context.Background(), k, func(a *account, _ bool) shared.Action {
			if !a.whole() {
				c.Fatalf("a writer sees %+v", *a)
			}
			*a = accountOf(a.N + 1)
			return shared.Store
		}))
		_, err = done.Add(1)
		c.Check(err)
	}
})

// mapReader looks at entries, which are whole and never less than before.
var mapReader = ipctest.Register("mapReader", func(c *ipctest.ChildEnv) {
	m, err := shared.MapOf[uint64, account](childRegion(c), "m", mapKeys)
	c.Check(err)
	var last [mapKeys]int64
	look := func(k uint64, a account) {
		if !a.whole() || k%2 == 0 && a.N < last[k] {
			c.Fatalf("key %d: %+v after %d", k, a, last[k])
		}
		last[k] = a.N
	}
	c.Say("reading")
	for i := 0; ; i++ {
		k := rand.Uint64N(mapKeys)
		a, ok, err := m.Load(k)
		c.Check(err)
		if !ok && k%2 == 0 {
			c.Fatalf("key %d is gone", k)
		}
		look(k, a)
		if i%100 != 0 {
			continue
		}
		seen := make(map[uint64]bool)
		for e, err := range m.All(context.Background()) {
			c.Check(err)
			if seen[e.Key] {
				c.Fatalf("key %d twice", e.Key)
			}
			seen[e.Key] = true
			look(e.Key, e.Value)
		}
		for k := uint64(0); k < mapKeys; k += 2 {
			if !seen[k] {
				c.Fatalf("key %d is not among all", k)
			}
		}
	}
})

func TestMapTorture(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r := ensure(t, key)
	m := mapOf[uint64, account](t, r, mapKeys)
	for k := uint64(0); k < mapKeys; k += 2 {
		mustDo(t, m.Store(context.Background(), k, account{}))
	}
	done, err := shared.CounterOf(r, "done")
	mustDo(t, err)
	begun, err := shared.CounterOf(r, "begun")
	mustDo(t, err)
	start := func(role string) *ipctest.Process {
		p := ipctest.Start(t, role, nil, sysvipc.Key(key).String())
		p.Line()
		return p
	}
	reader := start(mapReader)
	kills := ipctest.Kills(12)
	workers := [2]*ipctest.Process{start(mapWriter), start(mapWriter)}
	for i := range kills {
		before, err := done.Load()
		mustDo(t, err)
		workers[i%2].Kill()
		workers[i%2] = start(mapWriter)
		for now := before; now < before+100; { // all goes on
			now, err = done.Load()
			mustDo(t, err)
			a, ok, err := m.Load(uint64(now) % 20 * 2)
			if !ok || err != nil || !a.whole() {
				t.Fatalf("%+v, %v, %v", a, ok, err)
			}
		}
	}
	workers[0].Kill()
	workers[1].Kill()
	select {
	case line, ok := <-reader.Lines():
		t.Fatalf("the reader has ended: %q, %v: %s", line, ok, reader.Stderr())
	default:
	}
	reader.Kill()

	sum, seen := int64(0), 0
	for e, err := range m.All(context.Background()) {
		mustDo(t, err)
		if seen++; e.Key%2 == 0 {
			sum += e.Value.N
		}
	}
	low, _ := done.Load()
	high, _ := begun.Load()
	if sum < low || sum > high || high-low > int64(kills)+2 {
		t.Errorf("the sum is %d, and %d changes were done of %d begun", sum, low, high)
	}
	// The next writer of the stripe sweeps, and then all cells are there again.
	for k := range uint64(mapKeys) {
		mustDo(t, m.Store(context.Background(), k, accountOf(int64(k))))
	}
	if n, err := m.Len(); n != mapKeys || err != nil {
		t.Errorf("%d entries (%v), want %d", n, err, mapKeys)
	}
	for k := range uint64(mapKeys) {
		if ok, err := m.Delete(context.Background(), k); !ok || err != nil {
			t.Errorf("key %d: %v, %v", k, ok, err)
		}
	}
	t.Logf("%d changes", sum)
}

// A peer may write anything into the map: there are errors and wrong values, and no end
// of the process or of a call.
func TestMapHostileBytes(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	opts := &shared.Options{Size: 64 << 10, Participants: 4, Entries: 4}
	r, err := shared.EnsureKey(context.Background(), sysvipc.Key(key), opts)
	mustDo(t, err)
	defer r.Close()
	m := mapOf[uint64, uint64](t, r, 100)
	heap := onlyStructure(t, r)
	mem, err := r.Segment().Attach(nil)
	mustDo(t, err)
	defer mem.Close()
	junk := make([]byte, 128+256*8+512+101*16)
	errs := 0
	for i := range 300 {
		for j := range junk {
			junk[j] = byte(rand.Uint32())
		}
		if i%3 == 0 { // words that may be true
			for j := 128; j < 128+256*8; j += 8 {
				copy(junk[j:], []byte{byte(rand.Uint32()) % 101, 0, 0, byte(rand.Uint32()) & 0xf0})
			}
		}
		if i%2 == 0 {
			clear(junk[64:96])
		}
		clear(junk[:40]) // a free lock
		if i%3 == 1 {
			junk[3] = 0x40 // of one that died: its stripe is swept
		}
		_, err := mem.WriteAt(junk, heap)
		mustDo(t, err)
		for k := range uint64(20) {
			_, _, e1 := m.Load(k)
			e2 := m.Store(context.Background(), k, k)
			e3 := m.Update(context.Background(), k, func(*uint64, bool) shared.Action { return shared.Store })
			_, e4 := m.Delete(context.Background(), k)
			_, e5 := m.Len()
			for _, err := range []error{e1, e2, e3, e4, e5} {
				if err != nil {
					errs++
				}
			}
		}
		for _, err := range m.All(context.Background()) {
			if err != nil {
				errs++
			}
		}
	}
	if errs == 0 {
		t.Error("no error came up")
	}
	clear(junk)
	_, err = mem.WriteAt(junk, heap)
	mustDo(t, err)
}

func BenchmarkMapLoad(b *testing.B) {
	m := mapOf[uint64, quote](b, ensure(b, ipctest.Key(b)), 1<<16)
	for i := range uint64(1 << 16) {
		m.Store(context.Background(), i, quote{})
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		m.Load(i % (1 << 16))
	}
}

func BenchmarkMapStore(b *testing.B) {
	m := mapOf[uint64, quote](b, ensure(b, ipctest.Key(b)), 1<<16)
	for i := range uint64(1 << 16) {
		m.Store(context.Background(), i, quote{})
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		m.Store(context.Background(), i%(1<<16), quote{Bid: 1})
	}
}

func BenchmarkMapStoreDelete(b *testing.B) {
	m := mapOf[uint64, quote](b, ensure(b, ipctest.Key(b)), 1<<16)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		m.Store(context.Background(), i, quote{Bid: 1})
		m.Delete(context.Background(), i-30_000)
	}
}
