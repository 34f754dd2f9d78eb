package shared

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// A region that another release made is not touched, and the error says what to do.
func TestLayoutOfAnotherRelease(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	r, err := EnsureKey(t.Context(), key, &Options{Size: 1 << 16})
	mustNot(t, err)
	defer r.Close()
	seg := r.Segment()
	core.Of(r).View.Load().Header().Version = 1
	before := bytes.Clone(core.Of(r).View.Load().Bytes)
	_, err1 := EnsureKey(t.Context(), key, &Options{Size: 1 << 16})
	_, err2 := OpenKey(t.Context(), key)
	_, err3 := core.Look(seg, structure.Kinds)
	for _, err := range []error{err1, err2, err3} {
		if err == nil || !strings.Contains(err.Error(), "its layout has version 1, and this program knows version 3; use programs of one release, or remove it") {
			t.Errorf("got %v", err)
		}
	}
	if !bytes.Equal(before, core.Of(r).View.Load().Bytes) {
		t.Error("it was touched")
	}
	core.Of(r).View.Load().Header().Version = core.Version
}

// The layout is read by C programs and by programs built at other times.
func TestLayoutIsPinned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what      string
		got, want uintptr
	}{
		{"header", unsafe.Sizeof(core.Header{}), core.HeaderLen},
		{"entry", unsafe.Sizeof(core.Entry{}), core.EntryLen},
		{"slot", unsafe.Sizeof(core.Slot{}), core.SlotLen},
		{"slot.wakes", unsafe.Offsetof(core.Slot{}.Wakes), 64},
		{"slot.tids", unsafe.Offsetof(core.Slot{}.TIDs), 128},
		{"header.init", unsafe.Offsetof(core.Header{}.Init), 16},
		{"header.sum", unsafe.Offsetof(core.Header{}.Sum), 216},
		{"header.dir", unsafe.Offsetof(core.Header{}.Dir), 256},
		{"node", unsafe.Sizeof(core.Node{}), 40},
		{"node.next", unsafe.Offsetof(core.Node{}.Next), 32},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
}
