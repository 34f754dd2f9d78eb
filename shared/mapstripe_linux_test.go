package shared

import (
	"testing"
	"unsafe"
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
		{"rwHead.state", unsafe.Offsetof(rwHead{}.state), 64},
		{"rwHead.upTo", unsafe.Offsetof(rwHead{}.upTo), 68},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	for _, c := range []struct{ capacity, key, val, stripes, slots, cells, stride, size uint64 }{
		{1, 8, 8, 1, 4, 2, 16, 128 + 64 + 64 + 64},
		{100, 12, 64, 1, 256, 101, 128, 128 + 2048 + 448 + 101*128},
		{1 << 16, 8, 64, 64, 2048, 1297, 128, 64 * (128 + 16384 + 5248 + 1297*128)},
	} {
		l, ok := mapLayoutOf(c.capacity, c.key, c.val)
		got := c
		got.stripes, got.slots, got.cells, got.stride, got.size = l.stripes, l.slots, l.cells, l.stride, l.size()
		if !ok || got != c {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
}
