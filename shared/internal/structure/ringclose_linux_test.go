package structure

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// twoChans is a channel as two participants have it.
func twoChans(t testing.TB, open func() (*core.Region, error)) (c, leaver *Ring) {
	t.Helper()
	var all [2]*Ring
	for i := range all {
		r, err := open()
		mustNot(t, err)
		t.Cleanup(func() { _ = r.Close() })
		all[i], err = chanOf[int64](4)(r)
		mustNot(t, err)
	}
	return all[0], all[1]
}

// A goroutine that uses the channel when its region is closed leaves what one leaves that is killed.
func TestChanCloseAmidst(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	key := ipctest.Key(t)
	c, leaver := twoChans(t, func() (*core.Region, error) { return ensure(key) })
	for i := range int64(2) {
		mustNot(t, Send(ctx, c, &i))
	}
	leaver.ClaimSend(leaver.Region.View.Load(), true)
	two := int64(2)
	mustNot(t, Send(ctx, c, &two))
	err := Handle(ctx, leaver, func(int64) error { // 0
		if err := leaver.Region.Close(); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err == nil {
		t.Error("Handle took the message after Close")
	}
	for _, want := range []int64{0, 1, 2} {
		var m int64
		if err := Receive(ctx, c, &m); m != want || err != nil {
			t.Errorf("got %d (%v), want %d", m, err, want)
		}
	}
	if n, err := SendBatch(ctx, c, []int64{1, 2, 3, 4}); n != 4 || err != nil {
		t.Error(n, err)
	}
}

// Where the region cannot be mapped a second time, others bring into order what is left.
func TestChanCloseWithoutRoom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "region")
	c, leaver := twoChans(t, func() (*core.Region, error) {
		return core.InFile(t.Context(), path, os.O_CREATE, &core.Options{Size: 1 << 20, Participants: 8, Entries: 64}, Kinds)
	})
	leaver.ClaimSend(leaver.Region.View.Load(), true)
	mustNot(t, leaver.Region.File.File.Close()) // from here on nobody can map it by that
	if err := leaver.Region.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, got := int64(7), int64(0)
	mustNot(t, Send(ctx, c, &m))
	if err := Receive(ctx, c, &got); got != m || err != nil {
		t.Errorf("got %d (%v)", got, err)
	}
}
