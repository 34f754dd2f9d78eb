package shared_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// Holds names those for whom others wait, also to who only looks.
func TestHolds(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, other := ensure(t, key), ensure(t, key)
	o, err := shared.Look(r.Segment())
	mustDo(t, err)
	defer o.Close()
	m, err1 := shared.MutexOf(other, "m")
	rw, err2 := shared.RWMutexOf(other, "rw")
	rw0, err3 := shared.RWMutexOf(r, "rw")
	w, err4 := shared.RWMutexOf(r, "written")
	tp, err5 := shared.TopicOf[int64](other, "t", 4)
	_, err6 := shared.CounterOf(r, "n")
	mustDo(t, err1, err2, err3, err4, err5, err6)
	is := func(want map[string][]shared.Hold) {
		t.Helper()
		got := map[string][]shared.Hold{}
		for _, name := range []string{"m", "rw", "written", "t", "n"} {
			a, err := o.Any(name)
			mustDo(t, err)
			holds, err := a.Holds()
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
	is(map[string][]shared.Hold{})
	ctx := context.Background()
	mustDo(t, m.Lock(ctx), rw.RLock(ctx), rw.RLock(ctx), rw0.RLock(ctx), w.Lock(ctx))
	s, err := tp.Subscribe(shared.Gated)
	mustDo(t, err, tp.Publish(ctx, 1), tp.Publish(ctx, 2))
	is(map[string][]shared.Hold{
		"m":       {{Slot: 0, Role: shared.HoldLocks}}, // the first handle of this process
		"rw":      {{Slot: 0, Role: shared.HoldReads, N: 1}, {Slot: 1, Role: shared.HoldReads, N: 2}},
		"written": {{Slot: 0, Role: shared.HoldLocks}},
		"t":       {{Slot: 1, Role: shared.HoldSubscribes, N: 2}},
	})
	mustDo(t, m.Unlock(), rw.RUnlock(), rw.RUnlock(), rw0.RUnlock(), w.Unlock(), s.Close())
	is(map[string][]shared.Hold{})
}
