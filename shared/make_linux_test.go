package shared_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// What an error says that is needed does, and one byte less does not.
func TestRegionSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	for _, o := range []shared.Options{{Participants: 3, Entries: 8}, {Participants: 64, Entries: 1024}, {}} {
		key := sysvipc.Key(ipctest.Key(t))
		o.Size = 1
		_, err := shared.EnsureKey(t.Context(), key, &o)
		if err == nil {
			t.Fatal("a region of 1 byte")
		}
		_, rest, _ := strings.Cut(err.Error(), "it needs ")
		if _, err := fmt.Sscan(rest, &o.Size); err != nil {
			t.Fatalf("%s: %v", rest, err)
		}
		less := o
		less.Size -= 64
		if r, err := shared.EnsureKey(t.Context(), key, &less); err == nil {
			t.Errorf("%+v did, too", less)
			mustDo(t, r.Remove(), r.Close())
		}
		r, err := shared.EnsureKey(t.Context(), key, &o)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		mustDo(t, r.Close())
	}
}

// What cannot be made leaves no segment that is in the way of one that can.
func TestRegionThatCannotBeMade(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	wide := int64(1) << 32
	for _, o := range []shared.Options{
		{Size: 1 << 62},
		{Size: math.MaxInt64},
		{Participants: int(wide + 1)},
		{Entries: int(wide)},
		{Entries: -1},
		{Participants: -1},
	} {
		_, err := shared.EnsureKey(t.Context(), key, &o)
		if err == nil {
			t.Fatalf("%+v was made", o)
		}
		if _, err := shared.OpenKey(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %+v there is something: %v", o, err)
		}
	}
	name := "a\x00b"
	if _, err := shared.Ensure(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), "NUL") {
		t.Errorf("a name with a NUL: %v", err)
	}
	if _, err := shared.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it there is something: %v", err)
	}
}

// A segment that is no region is left as it is, also where it begins with zeros.
func TestRegionLeavesWhatIsForeign(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{0, 8, 100, 511, 5000, 1 << 16} {
		key := sysvipc.Key(ipctest.Key(t))
		seg, err := sysvipc.CreateSegment(key, 1<<20, 0o600)
		mustDo(t, err)
		mem, err := seg.Attach(nil)
		mustDo(t, err)
		before, after := make([]byte, mem.Len()), make([]byte, mem.Len())
		before[at] = 7
		_, err = mem.WriteAt(before, 0)
		mustDo(t, err)
		if _, err := shared.EnsureKey(t.Context(), key, &shared.Options{Participants: 4, Entries: 1024}); !errors.Is(err, shared.ErrNoRegion) || !strings.Contains(err.Error(), "another program") {
			t.Errorf("with a byte at %d: %v", at, err)
		}
		if _, err := mem.ReadAt(after, 0); err != nil || !bytes.Equal(before, after) {
			t.Errorf("with a byte at %d it was changed (%v)", at, err)
		}
		mustDo(t, mem.Close(), seg.Remove())
	}
	key := sysvipc.Key(ipctest.Key(t))
	seg, err := sysvipc.CreateSegment(key, 1000, 0o600)
	mustDo(t, err)
	if _, err := shared.EnsureKey(t.Context(), key, nil); err == nil || !strings.Contains(err.Error(), "it has 1000 bytes, and needs ") {
		t.Errorf("in 1000 bytes: %v", err)
	}
	mustDo(t, seg.Remove())
}

// A region with a name and one under the name's key are two.
func TestRegionNameAndKey(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	name := fmt.Sprint("named by ", ipctest.Key(t))
	r, err := shared.Ensure(ctx, name, &shared.Options{Size: 1 << 20})
	mustDo(t, err)
	if _, err := shared.OpenKey(ctx, sysvipc.KeyOf(name)); err == nil || !strings.Contains(err.Error(), "use Open") {
		t.Errorf("by its key: %v", err)
	}
	mustDo(t, r.Remove(), r.Close())
	if r, err = shared.EnsureKey(ctx, sysvipc.KeyOf(name), &shared.Options{Size: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Open(ctx, name); err == nil || !strings.Contains(err.Error(), "use EnsureKey") {
		t.Errorf("by its name: %v", err)
	}
	mustDo(t, r.Remove(), r.Close())
}
