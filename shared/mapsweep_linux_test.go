package shared

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// A writer that is killed leaves the steps of its write up to some point. Each such point
// is made here by hand: readers see the entry as before or after, and after the sweep the
// map is one that any number of writes go on with.
func TestMapSweepsEachKillPoint(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(context.Background(), sysvipc.Key(ipctest.Key(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := core.Of(r).Use()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Done()
	const capacity = 24
	type write struct {
		structure.Stripe
		hash, slot, word uint64
		key              uint64
	}
	cell := func(w write) uint64 { return w.word&structure.CellMask - 1 }
	take := func(w write) uint64 { // as put does
		if h := w.Head(); h.Top > 0 {
			h.Top--
			return uint64(*w.Stack(h.Top))
		}
		w.Head().Fresh++
		return uint64(w.Head().Fresh - 1)
	}
	fill := func(w write, cell, value uint64) {
		core.CopyIn(w.Cell(cell), unsafe.Pointer(&w.key), 8)
		core.CopyIn(unsafe.Add(w.Cell(cell), 8), unsafe.Pointer(&value), 8)
	}
	publish := func(w write) {
		c := take(w)
		fill(w, c, 7777)
		atomic.StoreUint64(w.Stripe.Word(w.slot), structure.Succeed(w.word, structure.Tag(w.hash)|(c+1)))
	}
	hole := func(w write) {
		atomic.StoreUint64(w.Stripe.Word(w.slot), structure.Succeed(w.word, structure.WordHole))
	}
	// moved is the first step of the hole's closing: an entry is in two places.
	moved := func(w write, done bool) {
		hole(w)
		for slot := w.slot + 1; slot < w.slot+w.Slots; slot++ {
			word := atomic.LoadUint64(w.Stripe.Word(slot))
			if word&structure.CellMask == structure.WordEmpty {
				return
			}
			if w.Distance(slot, word&structure.CellMask-1) >= slot-w.slot {
				atomic.StoreUint64(w.Stripe.Word(w.slot), structure.Succeed(atomic.LoadUint64(w.Stripe.Word(w.slot)), word))
				if done {
					atomic.StoreUint64(w.Stripe.Word(slot), structure.Succeed(word, structure.WordHole))
				}
				return
			}
		}
	}
	const put, del = 1, 2 // what has become of the key
	points := []struct {
		what   string
		exists bool
		steps  func(w write)
		became int
	}{
		{"new: cell taken", false, func(w write) { take(w) }, 0},
		{"new: cell half filled", false, func(w write) { fill(w, take(w), 1) }, 0},
		{"new: published, not counted", false, publish, put},
		{"change: cell filled", true, func(w write) { fill(w, take(w), 1) }, 0},
		{"change: published, old cell not released", true, publish, put},
		{"change: old cell on the stack, and not counted", true, func(w write) { publish(w); *w.Stack(w.Head().Top) = uint32(cell(w)) }, put},
		{"delete: a hole", true, hole, del},
		{"delete: an entry in two places", true, func(w write) { moved(w, false) }, del},
		{"delete: an entry moved, and the hole with it", true, func(w write) { moved(w, true) }, del},
		{"delete: the hole closed, not counted", true, func(w write) { hole(w); w.Close(w.slot) }, del},
		{"delete: counted, cell not released", true, func(w write) {
			hole(w)
			w.Close(w.slot)
			atomic.AddUint64(&w.Head().Count, ^uint64(0))
		}, del},
	}
	for _, p := range points {
		for round := range 60 {
			name := fmt.Sprint(p.what, round)
			m, err := MapOf[uint64, uint64](r, name, capacity)
			if err != nil {
				t.Fatal(err)
			}
			model := make(map[uint64]uint64)
			set := func(k, value uint64) {
				if err := m.Store(context.Background(), k, value); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				model[k] = value
			}
			for range rand.IntN(2 * capacity) {
				k := rand.Uint64N(100)
				if len(model) < capacity-1 {
					set(k, k)
				}
				if k = rand.Uint64N(100); k%3 == 0 {
					if _, err := m.Delete(context.Background(), k); err != nil {
						t.Fatal(err)
					}
					delete(model, k)
				}
			}
			key := rand.Uint64N(100)
			if p.exists {
				set(50, 50)
				for k := range model {
					key = k
				}
			} else if _, err := m.Delete(context.Background(), key); err != nil {
				t.Fatal(err)
			} else {
				delete(model, key)
			}
			hash := m.table.Hash(core.ValueOf(&key))
			s := m.table.At(v, hash)
			slot, word, exists, err := s.Find(hash, unsafe.Pointer(&key))
			if err != nil || exists != p.exists {
				t.Fatalf("%s: %v, %v", name, exists, err)
			}
			p.steps(write{s, hash, slot, word, key})
			switch p.became {
			case put:
				model[key] = 7777
			case del:
				delete(model, key)
			}
			same := func(when string) {
				t.Helper()
				all := make(map[uint64]uint64)
				for e, err := range m.All(context.Background()) {
					if _, twice := all[e.Key]; twice || err != nil {
						t.Fatalf("%s, %s: %d twice, or %v", name, when, e.Key, err)
					}
					all[e.Key] = e.Value
				}
				if !maps.Equal(all, model) {
					t.Fatalf("%s, %s: all are %v, want %v", name, when, all, model)
				}
				for k := range uint64(100) {
					want, exists := model[k]
					if got, ok, err := m.Load(k); got != want || ok != exists || err != nil {
						t.Fatalf("%s, %s: key %d: %d, %v, %v, want %d, %v", name, when, k, got, ok, err, want, exists)
					}
				}
			}
			same("before the sweep")
			// The kernel marks the lock of a dead holder so: the next writer sweeps.
			atomic.StoreUint32(&s.Head().Lock.Word, core.OwnerDied)
			if _, err := m.Delete(context.Background(), 1000); err != nil {
				t.Fatal(err)
			}
			same("after the sweep")
			for slot := range s.Slots {
				if atomic.LoadUint64(s.Word(slot))&structure.CellMask == structure.WordHole {
					t.Fatalf("%s: a hole is left", name)
				}
			}
			for k := uint64(0); len(model) < capacity; k++ {
				set(k, k+1)
			}
			for k := range model {
				set(k, k+2)
			}
			same("full")
			if n, err := m.Len(); n != capacity || err != nil {
				t.Fatalf("%s: %d entries (%v), want %d", name, n, err, capacity)
			}
			for k := range model {
				if ok, err := m.Delete(context.Background(), k); !ok || err != nil {
					t.Fatalf("%s: delete %d: %v, %v", name, k, ok, err)
				}
			}
		}
	}
}
