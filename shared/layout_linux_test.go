package shared

import (
	"testing"
	"unsafe"
)

// The layout is read by C programs and by programs built at other times.
func TestLayoutIsPinned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what      string
		got, want uintptr
	}{
		{"header", unsafe.Sizeof(header{}), headerLen},
		{"entry", unsafe.Sizeof(entry{}), entryLen},
		{"slot", unsafe.Sizeof(slot{}), slotLen},
		{"header.init", unsafe.Offsetof(header{}.init), 16},
		{"header.sum", unsafe.Offsetof(header{}.sum), 216},
		{"header.dir", unsafe.Offsetof(header{}.dir), 256},
		{"node", unsafe.Sizeof(node{}), 40},
		{"node.next", unsafe.Offsetof(node{}.next), 32},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
}
