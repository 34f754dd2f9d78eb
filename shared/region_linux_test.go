package shared_test

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// A small region has fewer entries, unless the options say how many.
func TestRegionSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{64 << 10, 1 << 20, 8 << 20} {
		r, err := shared.EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), &shared.Options{Size: size})
		if err != nil {
			t.Fatal(err)
		}
		x, err := shared.VarOf[[1000]int64](r, "x")
		mustDo(t, err, x.Store(t.Context(), [1000]int64{1}), r.Close())
	}
	for _, o := range []shared.Options{{Size: 1000}, {Size: 1 << 20, Entries: 4096}, {Participants: 1 << 21}, {Entries: 1 << 21}, {Size: -1}} {
		_, err := shared.EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), &o)
		if err == nil || !strings.Contains(err.Error(), "cannot be made") || errors.Is(err, sysvipc.ErrRemoved) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Close waits for who is just writing, and refuses while a lock is held.
func TestRegionCloseBesideWriters(t *testing.T) {
	t.Parallel()
	for range 10 {
		r := ensure(t, ipctest.Key(t))
		x, err := shared.VarOf[[100]int64](r, "x")
		mustDo(t, err)
		d, err := shared.DocOf[string](r, "d", 100)
		mustDo(t, err)
		writing := make(chan struct{}, 4)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for {
					var err error
					if i%2 == 0 {
						err = x.Update(t.Context(), func(v *[100]int64) { v[0]++ })
					} else {
						err = d.Store(t.Context(), "text")
					}
					if err != nil {
						if !errors.Is(err, fs.ErrClosed) {
							t.Error(err)
						}
						return
					}
					select {
					case writing <- struct{}{}:
					default:
					}
				}
			})
		}
		<-writing
		mustDo(t, r.Close())
		wg.Wait()
	}
}

func TestRegionCloseRefuses(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	m, err := shared.MutexOf(r, "m")
	mustDo(t, err, m.Lock(t.Context()))
	rw, err := shared.RWMutexOf(r, "rw")
	mustDo(t, err, rw.Lock(t.Context()))
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "2 locks") {
		t.Errorf("got %v", err)
	}
	mustDo(t, m.Unlock(), rw.Unlock())
	x, err := shared.VarOf[[2]int64](r, "x")
	mustDo(t, err)
	mustDo(t, x.Update(t.Context(), func(*[2]int64) { // it would wait for itself
		if err := r.Close(); err == nil {
			t.Error("closed under a writer")
		}
	}))
	mustDo(t, x.Store(t.Context(), [2]int64{1}), r.Close())
}
