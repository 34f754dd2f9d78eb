package shared

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// A goroutine that uses the channel when its region is closed leaves what one
// leaves that is killed.
func TestChanCloseAmidst(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	key := sysvipc.Key(ipctest.Key(t))
	var c [2]*Chan[int64]
	var r [2]*Region
	for i := range r {
		var err error
		if r[i], err = EnsureKey(ctx, key, nil); err != nil {
			t.Fatal(err)
		}
		if c[i], err = ChanOf[int64](r[i], "c", 4); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = r[0].Close() })
	for i := range int64(2) {
		if err := c[0].Send(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	c[1].ring.ClaimSend(core.Of(r[1]).View.Load(), true)
	if err := c[0].Send(ctx, 2); err != nil {
		t.Fatal(err)
	}
	err := c[1].Handle(ctx, func(m int64) error { // 0
		if err := r[1].Close(); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err == nil {
		t.Error("Handle took the message after Close")
	}
	for _, want := range []int64{0, 1, 2} {
		if m, err := c[0].Receive(ctx); m != want || err != nil {
			t.Errorf("got %d (%v), want %d", m, err, want)
		}
	}
	if n, err := c[0].SendBatch(ctx, []int64{1, 2, 3, 4}); n != 4 || err != nil {
		t.Error(n, err)
	}
}

// Where the region cannot be mapped a second time, others bring into order what is left.
func TestChanCloseWithoutRoom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	r, leaver := ensureFile(t, path), ensureFile(t, path)
	c, err := ChanOf[int64](r, "c", 4)
	mustNot(t, err)
	left, err := ChanOf[int64](leaver, "c", 4)
	mustNot(t, err)
	left.ring.ClaimSend(core.Of(leaver).View.Load(), true)
	mustNot(t, core.Of(leaver).File.File.Close()) // from here on nobody can map it by that
	if err := leaver.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	mustNot(t, c.Send(ctx, 7))
	if m, err := c.Receive(ctx); m != 7 || err != nil {
		t.Errorf("got %d (%v)", m, err)
	}
}
