package shared

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A region that another release made is not touched, and the error says what to do.
func TestLayoutOfAnotherRelease(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	r, err := EnsureKey(t.Context(), key, &Options{Size: 1 << 16})
	mustNot(t, err)
	defer r.Close()
	seg := r.Segment()
	r.view.Load().header().version = 1
	before := bytes.Clone(r.view.Load().bytes)
	_, err1 := EnsureKey(t.Context(), key, &Options{Size: 1 << 16})
	_, err2 := OpenKey(t.Context(), key)
	_, err3 := Look(seg)
	for _, err := range []error{err1, err2, err3} {
		if err == nil || !strings.Contains(err.Error(), "its layout has version 1, and this program knows version 3; use programs of one release, or remove it") {
			t.Errorf("got %v", err)
		}
	}
	if !bytes.Equal(before, r.view.Load().bytes) {
		t.Error("it was touched")
	}
	r.view.Load().header().version = version
}

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
		{"slot.bell", unsafe.Offsetof(slot{}.bell), 64},
		{"slot.tids", unsafe.Offsetof(slot{}.tids), 128},
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
