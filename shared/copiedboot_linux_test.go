package shared

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// After a reboot a copy can have the ID of the original. What lives is left alone, and where
// that cannot be seen from here, the region is not opened.
func TestRegionCopiedUnderItsID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		boot byte // what is changed of it
		ns   uint64
		dead bool
	}{
		"reboot":                  {1, 0, true},
		"the same boot":           {0, 0, false},
		"another container's":     {1, 1, false},
		"another container's now": {0, 1, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		key := sysvipc.Key(ipctest.Key(t))
		r, err := EnsureKey(ctx, key, &Options{Size: 1 << 20, Participants: 8})
		mustNot(t, err)
		m, err := MutexOf(r, "m")
		mustNot(t, err)
		v := core.Of(r).View.Load()
		const tid = core.TIDMask - 1 // no thread has it
		s := v.Slot(core.Of(r).Plan, 3)
		s.Life.Word, s.PID, s.TIDs[0], s.PIDNS = tid, tid, tid, core.RobustOwners.PIDNS+c.ns
		(*core.Node)(v.At(m.lock.Offset)).Word = tid
		v.Header().Boot[0] ^= c.boot
		v.Done()
		mustNot(t, r.Close())
		r, err = OpenKey(ctx, key)
		if c.ns != 0 { // it may live there
			if err == nil || !strings.Contains(err.Error(), "another PID namespace") {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		mustNot(t, err)
		m, err = MutexOf(r, "m")
		mustNot(t, err)
		ok, err := m.TryLock()
		if ok != c.dead || ok && !errors.Is(err, ErrOwnerDied) {
			t.Errorf("%s: locked %v (%v)", name, ok, err)
		}
		if ok {
			mustNot(t, m.Unlock())
		}
		mustNot(t, r.Close())
	}
}
