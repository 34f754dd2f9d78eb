package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
)

// One client gets what the kernel's queue gives after the same calls: in a hurry or not, after pauses, by each of the calls,
// through one Queue or two. With more calls:
//
//	SYSVIPC_CHOICES=10000 go test -v -timeout 30m -run ChoosesAsTheKernel ./cluster
func TestQueueChoosesAsTheKernel(t *testing.T) {
	t.Parallel()
	calls := 1500
	if n, err := strconv.Atoi(os.Getenv("SYSVIPC_CHOICES")); err == nil {
		calls = n
	}
	local, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	check(t, err)
	t.Cleanup(func() { local.Remove() })
	remote := newQueue(t, connect(t, nil), nil)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	kinds := map[string]int{}
	for i := range calls {
		typ := rnd.Int64N(5) + 1
		// Runs of sends and of receives, so that the queue is now long and now empty.
		if rnd.IntN(100) < 48+40*(i/50%2)-20 {
			if st, err := local.Stat(); err != nil || st.Messages > 200 {
				check(t, err)
				continue
			}
			data := strconv.AppendInt(nil, int64(i), 10)
			check(t, local.Send(soon(t), typ, data))
			check(t, remote.Send(soon(t), typ, data))
			continue
		}
		sel := []sysvipc.Selector{sysvipc.Any, sysvipc.OfType(typ), sysvipc.UpTo(typ), sysvipc.Except(typ)}[rnd.IntN(4)]
		if rnd.IntN(200) == 0 {
			time.Sleep(120 * time.Millisecond) // what Receive says that a pause is, and some more
		}
		want, ok, err := local.TryReceive(sel)
		check(t, err)
		var got sysvipc.Message
		gotOne := true
		kind := "Receive"
		switch {
		case !ok || rnd.IntN(2) == 0:
			kind = "TryReceive"
			got, gotOne, err = remote.TryReceive(soon(t), sel)
		case rnd.IntN(8) == 0:
			kind = "Take"
			d, err := remote.Take(soon(t), sel)
			check(t, err)
			got = d.Message
			check(t, d.Ack(soon(t)))
		default:
			got, err = remote.Receive(soon(t), sel)
		}
		check(t, err)
		kinds[kind]++
		if gotOne != ok || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("call %d, seed %d: %s of %v gave %d:%s, %v; the kernel %d:%s, %v", i, seed, kind, sel, got.Type, got.Data, gotOne, want.Type, want.Data, ok)
		}
	}
	t.Logf("%v", kinds)
}
