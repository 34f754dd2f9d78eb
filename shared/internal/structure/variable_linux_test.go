package structure

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func varOf[T any](t testing.TB) *Variable {
	t.Helper()
	x, err := DeclareVar(regionAt(t, ipctest.Key(t)), "x", shapeOf[T]())
	mustNot(t, err)
	return x
}

// A value of at most 8 bytes is the first word, and no lock is there; a larger one is not.
func TestVarWordLayout(t *testing.T) {
	t.Parallel()
	x := varOf[[3]uint8](t)
	mustNot(t, Store(t.Context(), x, &[3]uint8{1, 2, 3}))
	v := x.Region.View.Load()
	if b := v.Bytes[x.Offset : x.Offset+8]; [8]byte(b) != [8]byte{1, 2, 3} {
		t.Errorf("the word is % x", b)
	}
	if !x.IsWord() || x.Size != core.Line+x.Region.EventSize() {
		t.Errorf("3 bytes take %d", x.Size)
	}
	if varOf[[9]uint8](t).IsWord() {
		t.Error("9 bytes in a word")
	}
}

// What lies between the fields of a value is chance, and does not count.
func TestVarWordIgnoresPadding(t *testing.T) {
	t.Parallel()
	type padded struct { // it has a hole of three bytes
		A uint8
		B uint32
	}
	x := varOf[padded](t)
	mustNot(t, Store(t.Context(), x, &padded{1, 2}))
	b := x.Region.View.Load().Bytes[x.Offset:]
	b[1], b[2], b[3] = 0xaa, 0xbb, 0xcc
	swap := func(old, new padded) (bool, error) {
		return Update(t.Context(), x, func(v *padded) bool {
			if *v != old {
				return false
			}
			*v = new
			return true
		})
	}
	for _, c := range []struct {
		old, new padded
		want     bool
	}{{padded{1, 3}, padded{}, false}, {padded{1, 2}, padded{3, 4}, true}, {padded{1, 2}, padded{}, false}} {
		if ok, err := swap(c.old, c.new); ok != c.want || err != nil {
			t.Errorf("%v for %v: %v, %v", c.old, c.new, ok, err)
		}
	}
	var got padded
	if _, err := Load(x, &got); got != (padded{3, 4}) || err != nil {
		t.Errorf("got %v (%v)", got, err)
	}
}

// A writer of a large value waits for its lock under a context; a reader does not wait.
func TestVarContext(t *testing.T) {
	t.Parallel()
	x := varOf[[2]int64](t)
	lock := &x.head(x.Region.View.Load()).lock
	g := lockNow(x.Region, x.Region.View.Load(), lock)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := Store(ctx, x, &[2]int64{1, 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	var got [2]int64
	if _, err := Load(x, &got); got != [2]int64{} || err != nil {
		t.Errorf("got %v (%v)", got, err)
	}
	g.Unlock(lock)
	mustNot(t, Store(t.Context(), x, &[2]int64{1, 1}))
}
