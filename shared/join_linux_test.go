package shared_test

import (
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// Join finds out the region's name.
func TestJoin(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	again, err := shared.Join(t.Context(), r.Segment())
	if err != nil {
		t.Fatal(err)
	}
	all, err := again.Participants()
	if len(all) != 2 || all[1].Incarnation == 0 || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
	if reaped, err := again.Reap(); reaped || err != nil {
		t.Error(reaped, err)
	}
	mustDo(t, again.Close())
}
