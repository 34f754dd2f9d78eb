package cluster_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// bridges carries messages from one kernel queue to another before, under and after a
// fault of the server that leads the queue between them. All arrive, none twice, in the
// order of their type. Who is connected to a server that is silent gets nowhere: then the
// bridges know the others alone.
func bridges(t *testing.T, c *nodes, silent bool, do, undo func(victim int)) {
	name := strings.NewReplacer("/", "", " ", "", ",", "", "'", "").Replace(t.Name())
	ctx := soon(t)
	from, to, dir := kernel(t), kernel(t), t.TempDir()
	conn := c.connect(c.urls(), nil)
	_, err := conn.EnsureQueue(ctx, name, nil)
	check(t, err)
	victim := c.leader(conn, "SYSVIPC_Q_"+name)
	urls := c.urls()
	if silent {
		urls = c.urls(victim)
	}
	var remotes []*cluster.Queue
	for range 2 {
		q, err := c.connect(urls, nil).OpenQueue(ctx, name)
		check(t, err)
		remotes = append(remotes, q)
	}
	runBridge(t, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return from, nil }, Remote: remotes[0], Journal: filepath.Join(dir, "send")}, (*cluster.Bridge).Send)
	runBridge(t, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return to, nil }, Remote: remotes[1], Journal: filepath.Join(dir, "receive")}, (*cluster.Bridge).Receive)
	const n = 1500 // a slow disk has 10 ms or more for each
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = from.Send(ctx, int64(i%3+1), fmt.Append(nil, i))
		}
		sent <- err
	}()
	undone := sync.OnceFunc(func() { undo(victim) })
	next := []int{2, 0, 1} // for types 3, 1, 2
	for i := range n {
		switch i {
		case n / 3:
			do(victim)
			defer undone()
		case 2 * n / 3:
			undone()
		}
		m, err := to.Receive(ctx, sysvipc.Any)
		if err != nil {
			t.Fatalf("after %d messages: %v", i, err)
		}
		if want := fmt.Sprint(next[m.Type%3]); string(m.Data) != want {
			t.Fatalf("message %s of type %d came, want %s", m.Data, m.Type, want)
		}
		next[m.Type%3] += 3
	}
	check(t, <-sent)
	if m, ok, err := to.TryReceive(sysvipc.Any); ok || err != nil {
		t.Errorf("message %s came twice, or %v", m.Data, err)
	}
}
