package shared_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// A small region has fewer entries, unless it is told how many.
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
