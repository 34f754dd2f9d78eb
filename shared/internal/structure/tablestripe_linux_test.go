package structure

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

func TestMapLayoutIsPinned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what      string
		got, want uintptr
	}{
		{"stripeHead", unsafe.Sizeof(stripeHead{}), stripeHeadSize},
		{"stripeHead.moves", unsafe.Offsetof(stripeHead{}.moves), 64},
		{"stripeHead.fresh", unsafe.Offsetof(stripeHead{}.fresh), 84},
		{"rwHead", unsafe.Sizeof(rwHead{}), rwHeadSize},
		{"rwHead.state", unsafe.Offsetof(rwHead{}.State), 64},
		{"rwHead.upTo", unsafe.Offsetof(rwHead{}.upTo), 68},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	for _, c := range []struct{ capacity, key, val, stripes, slots, cells, stride, size uint64 }{
		{1, 8, 8, 1, 4, 2, 16, 128 + 64 + 64 + 64 + 64},
		{100, 12, 64, 1, 256, 101, 128, 128 + 2048 + 448 + 101*128 + 64},
		{1 << 16, 8, 64, 64, 2048, 1297, 128, 64 * (128 + 16384 + 5248 + 1297*128 + 64)},
	} {
		l, ok := mapLayoutOf(c.capacity, c.key, c.val, 8)
		got := c
		got.stripes, got.slots, got.cells, got.stride, got.size = l.Stripes, l.slots, l.cells, l.Stride, l.size()
		if !ok || got != c {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
}

// numbers is a map of numbers.
type numbers struct{ *Table }

func numbersOf(t testing.TB, r *core.Region, name string, capacity int) numbers {
	t.Helper()
	m, err := DeclareMap(r, name, shapeOf[uint64](), shapeOf[uint64](), capacity)
	mustNot(t, err)
	return numbers{m}
}

func (m numbers) store(k, value uint64) error {
	return m.Store(context.Background(), core.ValueOf(&k), core.ValueOf(&value))
}

// load returns 0 for a key that is not there.
func (m numbers) load(k uint64) (value uint64, ok bool, err error) {
	if ok, err = m.Load(core.ValueOf(&k), core.ValueOf(&value)); !ok {
		value = 0
	}
	return value, ok, err
}

func (m numbers) delete(k uint64) (bool, error) {
	return m.Delete(context.Background(), core.ValueOf(&k))
}

// Keys that all fall into one stripe, which chance does not do, fill it; the values of those
// that are there can be changed all the same.
func TestMapLopsided(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	m := numbersOf(t, r, "m", 4096)
	var keys []uint64
	var err error
	for k := uint64(0); err == nil; k++ {
		if m.hash(core.ValueOf(&k))&(m.Stripes-1) == 0 {
			if err = m.store(k, k); err == nil {
				keys = append(keys, k)
			}
		}
	}
	if !errors.Is(err, ErrFull) || len(keys) != int(m.cells-1) {
		t.Fatalf("%d keys, then %v", len(keys), err)
	}
	for _, k := range keys {
		if err := m.store(k, k+1); err != nil {
			t.Fatal(err)
		}
		if v, ok, err := m.load(k); v != k+1 || !ok || err != nil {
			t.Fatalf("%d, %v, %v", v, ok, err)
		}
	}
}

// A reader finds a key that is there while it moves up, again and again.
func TestMapFindsWhatMoves(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	m := numbersOf(t, r, "m", 100)
	// A chain: the first key, 30 that stay at home, and the last one, whose home is the
	// first's. When the first goes, the last moves to its place.
	const chain, turns = 30, 100_000
	key := func(home, after uint64) (k uint64) {
		for k = after + 1; m.home(m.hash(core.ValueOf(&k))) != home; k++ {
		}
		return k
	}
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	first := key(7, 0)
	last := key(7, first)
	for i := range uint64(chain) {
		do(m.store(key(8+i, 0), 0))
	}
	linger := func() { // gives the reader time to begin, and to end
		for range 10 {
			_, _ = m.Len()
		}
	}
	var there atomic.Uint64 // odd while last is there
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			before := there.Load()
			_, ok, err := m.load(last)
			if after := there.Load(); err != nil || !ok && before%2 == 1 && before == after {
				t.Errorf("turn %d: it is not there (%v)", after, err)
				return
			} else if after >= turns {
				return
			}
		}
	})
	for there.Load() < turns {
		do(m.store(first, 1))
		do(m.store(last, 1))
		there.Add(1)
		linger()
		_, err := m.delete(first)
		do(err)
		linger()
		there.Add(1)
		_, err = m.delete(last)
		do(err)
	}
	wg.Wait()
}

// What lies between the fields of a key is chance, and does not count.
func TestMapIgnoresPadding(t *testing.T) {
	t.Parallel()
	type key struct {
		A uint8
		B uint32
		_ [3]uint8
		C bool
	}
	var dirty struct {
		key
		_ uint64
	}
	b := core.BytesOf(unsafe.Pointer(&dirty.key), uint64(unsafe.Sizeof(dirty.key)))
	for i := range b {
		b[i] = 0xa5
	}
	dirty.A, dirty.B, dirty.C = 1, 2, true
	clean := key{A: 1, B: 2, C: true}
	s := shapeOf[key]()
	m := &Table{blank: shape.Blank(s.Size, s.Fields)}
	if m.hash(core.ValueOf(&dirty.key)) != m.hash(core.ValueOf(&clean)) || string(b) != string(core.BytesOf(unsafe.Pointer(&clean), uint64(len(b)))) {
		t.Errorf("%x and %x", b, core.BytesOf(unsafe.Pointer(&clean), uint64(len(b))))
	}
}
