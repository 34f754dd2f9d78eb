package calls

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/trace"
)

// What was counted before does not count in what happened since, in no column.
func TestSince(t *testing.T) {
	t.Parallel()
	call := func(id int, op trace.Op, count, untimed uint64, total time.Duration) trace.Call {
		c := trace.Call{
			Object: trace.Object{Kind: sysvipc.KindSemaphores, ID: id}, Process: trace.Process{PID: 7, Comm: "a"}, Op: op,
			Count: count, Untimed: untimed, Total: total, Max: total,
		}
		c.Latency[3] = count - untimed
		return c
	}
	before := Rows([]trace.Call{call(1, trace.Semop, 5, 1, 10), call(2, trace.Semop, 3, 0, 4)}, nil)
	now := Rows([]trace.Call{call(1, trace.Semop, 7, 2, 30), call(2, trace.Semop, 3, 0, 4), call(3, trace.Semget, 1, 0, 2)}, nil)
	got := Since(now, before)
	if len(got) != 2 || got[0].ID != 1 || got[1].ID != 3 {
		t.Fatalf("rows %+v, want those of objects 1 and 3", got)
	}
	if r := got[0]; r.Count != 2 || r.Untimed != 1 || r.Total != 20 || r.Latency[3] != 1 {
		t.Errorf("object 1: %+v", r)
	}
	errnos := errnosSince([]output.ErrnoCount{{Errno: "EAGAIN", Count: 9}, {Errno: "EINTR", Count: 2}, {Errno: "EIDRM", Count: 1}}, []output.ErrnoCount{{Errno: "EAGAIN", Count: 4}, {Errno: "EINTR", Count: 2}})
	if diff := cmp.Diff([]output.ErrnoCount{{Errno: "EAGAIN", Count: 5}, {Errno: "EIDRM", Count: 1}}, errnos); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}
