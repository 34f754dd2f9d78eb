package structure

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// A writer that is killed leaves the steps of its write up to some point. Each such point
// is made here by hand: readers see the entry as before or after, and after the sweep the
// map is one that any number of writes go on with.
func TestMapSweepsEachKillPoint(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	v, err := r.Use()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Done()
	const capacity = 24
	type write struct {
		stripe
		hash, slot, word uint64
		key              uint64
	}
	cell := func(w write) uint64 { return w.word&cellMask - 1 }
	take := func(w write) uint64 { // as put does
		if h := w.head(); h.top > 0 {
			h.top--
			return uint64(*w.stack(h.top))
		}
		w.head().fresh++
		return uint64(w.head().fresh - 1)
	}
	fill := func(w write, cell, value uint64) {
		core.CopyIn(w.cell(cell), unsafe.Pointer(&w.key), 8)
		core.CopyIn(unsafe.Add(w.cell(cell), 8), unsafe.Pointer(&value), 8)
	}
	publish := func(w write) {
		c := take(w)
		fill(w, c, 7777)
		atomic.StoreUint64(w.stripe.word(w.slot), succeed(w.word, tag(w.hash)|(c+1)))
	}
	hole := func(w write) {
		atomic.StoreUint64(w.stripe.word(w.slot), succeed(w.word, wordHole))
	}
	// moved is the first step of the hole's closing: an entry is in two places.
	moved := func(w write, done bool) {
		hole(w)
		for slot := w.slot + 1; slot < w.slot+w.slots; slot++ {
			word := atomic.LoadUint64(w.stripe.word(slot))
			if word&cellMask == wordEmpty {
				return
			}
			if w.distance(slot, word&cellMask-1) >= slot-w.slot {
				atomic.StoreUint64(w.stripe.word(w.slot), succeed(atomic.LoadUint64(w.stripe.word(w.slot)), word))
				if done {
					atomic.StoreUint64(w.stripe.word(slot), succeed(word, wordHole))
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
		{"change: old cell on the stack, and not counted", true, func(w write) { publish(w); *w.stack(w.head().top) = uint32(cell(w)) }, put},
		{"delete: a hole", true, hole, del},
		{"delete: an entry in two places", true, func(w write) { moved(w, false) }, del},
		{"delete: an entry moved, and the hole with it", true, func(w write) { moved(w, true) }, del},
		{"delete: the hole closed, not counted", true, func(w write) { hole(w); w.Close(w.slot) }, del},
		{"delete: counted, cell not released", true, func(w write) {
			hole(w)
			w.Close(w.slot)
			atomic.AddUint64(&w.head().count, ^uint64(0))
		}, del},
	}
	for _, p := range points {
		for round := range 60 {
			name := fmt.Sprint(p.what, round)
			m := numbersOf(t, r, name, capacity)
			model := make(map[uint64]uint64)
			set := func(k, value uint64) {
				if err := m.store(k, value); err != nil {
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
					if _, err := m.delete(k); err != nil {
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
			} else if _, err := m.delete(key); err != nil {
				t.Fatal(err)
			} else {
				delete(model, key)
			}
			hash := m.hash(core.ValueOf(&key))
			s := m.at(v, hash)
			slot, word, exists, err := s.find(hash, unsafe.Pointer(&key))
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
					mustNot(t, err)
					k, value := binary.NativeEndian.Uint64(e.Key), binary.NativeEndian.Uint64(e.Value)
					if _, twice := all[k]; twice {
						t.Fatalf("%s, %s: %d twice", name, when, k)
					}
					all[k] = value
				}
				if !maps.Equal(all, model) {
					t.Fatalf("%s, %s: all are %v, want %v", name, when, all, model)
				}
				for k := range uint64(100) {
					want, exists := model[k]
					if got, ok, err := m.load(k); got != want || ok != exists || err != nil {
						t.Fatalf("%s, %s: key %d: %d, %v, %v, want %d, %v", name, when, k, got, ok, err, want, exists)
					}
				}
			}
			same("before the sweep")
			// The kernel marks the lock of a dead holder so: the next writer sweeps.
			atomic.StoreUint32(&s.head().lock.Word, core.OwnerDied)
			if _, err := m.delete(1000); err != nil {
				t.Fatal(err)
			}
			same("after the sweep")
			for slot := range s.slots {
				if atomic.LoadUint64(s.word(slot))&cellMask == wordHole {
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
				if ok, err := m.delete(k); !ok || err != nil {
					t.Fatalf("%s: delete %d: %v, %v", name, k, ok, err)
				}
			}
		}
	}
}
