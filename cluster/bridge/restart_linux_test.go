package bridge_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// The server restarts under everything: bridges, a receiver and a waiter that wait, a
// holder, a watch. All go on, and nothing is lost.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	srv := clustertest.NewRestarted(t)
	open := func() *cluster.Conn { return connectTo(t, srv.URL(), nil) }

	from, to := kernel(t), kernel(t)
	remote, err := open().CreateQueue(t.Context(), "bridged", nil)
	check(t, err)
	other, err := open().OpenQueue(t.Context(), "bridged")
	check(t, err)
	runBridge(t, &bridge.Bridge{Local: opens(from), Remote: remote, Journal: filepath.Join(t.TempDir(), "send")}, (*bridge.Bridge).Send)
	runBridge(t, &bridge.Bridge{Local: opens(to), Remote: other, Journal: filepath.Join(t.TempDir(), "receive")}, (*bridge.Bridge).Receive)

	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	q, err := open().CreateQueue(ctx, "queue", nil)
	check(t, err)
	sender, err := open().OpenQueue(ctx, "queue")
	check(t, err)
	set, err := open().CreateSemaphores(ctx, "set", 1)
	check(t, err)
	waiter, err := open().OpenSemaphores(ctx, "set")
	check(t, err)
	v, err := cluster.VarOf[int](ctx, open(), "var")
	check(t, err)
	grant, err := set.Take(ctx, sysvipc.Add(0, -1))
	check(t, err)

	var wg sync.WaitGroup
	defer wg.Wait()
	for _, sel := range []sysvipc.Selector{sysvipc.OfType(1), sysvipc.UpTo(3)} {
		wg.Go(func() {
			if _, err := q.Receive(ctx, sel); err != nil {
				t.Errorf("a receiver of %v: %v", sel, err)
			}
		})
	}
	wg.Go(func() {
		if err := waiter.At(0).Acquire(ctx, 1); err != nil {
			t.Errorf("a waiter: %v", err)
		}
	})
	watched := make(chan int, 100)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() {
		for x, err := range v.Watch(watching) {
			if err == nil {
				watched <- x
			}
		}
	})
	eventually(t, "all wait", func() bool {
		n, _, err := set.At(0).Waiters(ctx)
		check(t, err)
		return n == 1 && len(watched) == 1
	})
	wg.Go(func() {
		for i := range 500 {
			if err := from.Send(ctx, int64(i%2)+1, fmt.Append(nil, i)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	last := map[int64]int{1: -2, 2: -1}
	for n := 0; n < 500; {
		if n == 100 || n == 300 {
			srv.Close()
			srv.Start()
		}
		m, err := to.Receive(ctx, sysvipc.Any)
		check(t, err)
		var i int
		fmt.Sscan(string(m.Data), &i)
		switch {
		case i == last[m.Type]+2:
			last[m.Type] = i
			n++
		case i > last[m.Type]:
			t.Fatalf("message %d came after %d", i, last[m.Type])
		default:
			t.Errorf("message %d is a duplicate", i)
		}
	}
	check(t, grant.Give(ctx))
	for range 2 {
		check(t, sender.Send(ctx, 1, nil))
	}
	check(t, v.Store(ctx, 7))
	for x := 0; x != 7; {
		select {
		case x = <-watched:
		case <-ctx.Done():
			t.Fatal("the watch does not tell")
		}
	}
	stop()
}
