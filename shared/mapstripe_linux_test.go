package shared

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
	"github.com/sysvipc/sysvipc/shared/shape"
)

func TestMapLayoutIsPinned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what      string
		got, want uintptr
	}{
		{"stripeHead", unsafe.Sizeof(structure.StripeHead{}), structure.StripeHeadSize},
		{"stripeHead.moves", unsafe.Offsetof(structure.StripeHead{}.Moves), 64},
		{"stripeHead.fresh", unsafe.Offsetof(structure.StripeHead{}.Fresh), 84},
		{"rwHead", unsafe.Sizeof(structure.RwHead{}), structure.RwHeadSize},
		{"rwHead.state", unsafe.Offsetof(structure.RwHead{}.State), 64},
		{"rwHead.upTo", unsafe.Offsetof(structure.RwHead{}.UpTo), 68},
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
		l, ok := structure.MapLayoutOf(c.capacity, c.key, c.val, 8)
		got := c
		got.stripes, got.slots, got.cells, got.stride, got.size = l.Stripes, l.Slots, l.Cells, l.Stride, l.Size()
		if !ok || got != c {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
}

// Keys that all fall into one stripe, which chance does not do, fill it; the values of those
// that are there can be changed all the same.
func TestMapLopsided(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(context.Background(), sysvipc.Key(ipctest.Key(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m, err := MapOf[uint64, uint64](r, "m", 4096)
	if err != nil {
		t.Fatal(err)
	}
	var keys []uint64
	for k := uint64(0); err == nil; k++ {
		if m.table.Hash(core.ValueOf(&k))&(m.table.Stripes-1) == 0 {
			if err = m.Store(context.Background(), k, k); err == nil {
				keys = append(keys, k)
			}
		}
	}
	if !errors.Is(err, structure.ErrFull) || len(keys) != int(m.table.Cells-1) {
		t.Fatalf("%d keys, then %v", len(keys), err)
	}
	for _, k := range keys {
		if err := m.Store(context.Background(), k, k+1); err != nil {
			t.Fatal(err)
		}
		if v, ok, err := m.Load(k); v != k+1 || !ok || err != nil {
			t.Fatalf("%d, %v, %v", v, ok, err)
		}
	}
}

// A reader finds a key that is there while it moves up, again and again.
func TestMapFindsWhatMoves(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(context.Background(), sysvipc.Key(ipctest.Key(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m, err := MapOf[uint64, uint64](r, "m", 100)
	if err != nil {
		t.Fatal(err)
	}
	// A chain: the first key, 30 that stay at home, and the last one, whose home is the
	// first's. When the first goes, the last moves to its place.
	const chain, turns = 30, 100_000
	key := func(home, after uint64) (k uint64) {
		for k = after + 1; m.table.Home(m.table.Hash(core.ValueOf(&k))) != home; k++ {
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
		do(m.Store(context.Background(), key(8+i, 0), 0))
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
			_, ok, err := m.Load(last)
			if after := there.Load(); err != nil || !ok && before%2 == 1 && before == after {
				t.Errorf("turn %d: it is not there (%v)", after, err)
				return
			} else if after >= turns {
				return
			}
		}
	})
	for there.Load() < turns {
		do(m.Store(context.Background(), first, 1))
		do(m.Store(context.Background(), last, 1))
		there.Add(1)
		linger()
		_, err := m.Delete(context.Background(), first)
		do(err)
		linger()
		there.Add(1)
		_, err = m.Delete(context.Background(), last)
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
	s, err := shape.Of(reflect.TypeFor[key]())
	if err != nil {
		t.Fatal(err)
	}
	m := &structure.Table{Blank: shape.Blank(s.Size, s.Fields)}
	if m.Hash(core.ValueOf(&dirty.key)) != m.Hash(core.ValueOf(&clean)) || string(b) != string(core.BytesOf(unsafe.Pointer(&clean), uint64(len(b)))) {
		t.Errorf("%x and %x", b, core.BytesOf(unsafe.Pointer(&clean), uint64(len(b))))
	}
}
