package dynamic_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

// Holds names those for whom others wait, also to who only looks.
func TestHolds(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, other := ensure(t, key), ensure(t, key)
	o, err := dynamic.Look(r.Segment())
	mustDo(t, err)
	defer o.Close()
	m, err1 := shared.MutexOf(other, "m")
	rw, err2 := shared.RWMutexOf(other, "rw")
	rw0, err3 := shared.RWMutexOf(r, "rw")
	w, err4 := shared.RWMutexOf(r, "written")
	tp, err5 := shared.TopicOf[int64](other, "t", 4)
	mustDo(t, err1, err2, err3, err4, err5)
	is := func(want map[string][]dynamic.Hold) {
		t.Helper()
		got := map[string][]dynamic.Hold{}
		for _, name := range []string{"m", "rw", "written", "t"} {
			s, err := o.Find(name)
			mustDo(t, err)
			holds, err := s.(interface {
				Holds() ([]dynamic.Hold, error)
			}).Holds()
			mustDo(t, err)
			for _, h := range holds {
				h.TID = 0 // of one of several threads
				got[name] = append(got[name], h)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	is(map[string][]dynamic.Hold{})
	ctx := context.Background()
	mustDo(t, m.Lock(ctx), rw.RLock(ctx), rw.RLock(ctx), rw0.RLock(ctx), w.Lock(ctx))
	s, err := tp.Subscribe(shared.Gated)
	mustDo(t, err, tp.Publish(ctx, 1), tp.Publish(ctx, 2))
	is(map[string][]dynamic.Hold{
		"m":       {{Slot: 0, Role: dynamic.HoldLocks}}, // the first handle of this process
		"rw":      {{Slot: 0, Role: dynamic.HoldReads, N: 1}, {Slot: 1, Role: dynamic.HoldReads, N: 2}},
		"written": {{Slot: 0, Role: dynamic.HoldLocks}},
		"t":       {{Slot: 1, Role: dynamic.HoldSubscribes, N: 2}},
	})
	mustDo(t, m.Unlock(), rw.RUnlock(), rw.RUnlock(), rw0.RUnlock(), w.Unlock(), s.Close())
	is(map[string][]dynamic.Hold{})
}
