package bridge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// Three servers, of which the one that leads the queue between two bridges is killed or, in the
// long form, cut off or stopped. All messages arrive, none twice, in the order of their type.
//
//	SYSVIPC_CLUSTER_FAULTS=10 go test -v -timeout 30m -run ThreeNodes ./cluster/bridge
func TestBridgesOfThreeNodes(t *testing.T) {
	t.Parallel()
	rounds, by, long := 1, 3, false
	if n, err := strconv.Atoi(os.Getenv("SYSVIPC_CLUSTER_FAULTS")); err == nil {
		rounds, by, long = n, 1, true
	}
	if testing.Short() || clustertest.Race && !long {
		t.Skip("needs some seconds of three servers; the detector sees their clients in other tests")
	}
	c := clustertest.NewNodes(t, 3, by, long)
	c.Start(0, 1, 2)
	for round := range rounds {
		for _, f := range []struct {
			name     string
			do, undo func(victim int)
		}{
			{"leader killed", c.Kill, func(i int) { c.Start(i) }},
			{"leader cut off", func(i int) { c.Cut(i, true) }, func(i int) { c.Cut(i, false) }},
			{"leader stopped", func(i int) { c.Processes[i].Stop() }, func(i int) { c.Processes[i].Continue() }},
		} {
			if silent := f.name != "leader killed"; long || !silent {
				t.Run(fmt.Sprintf("%s/%d", f.name, round), func(t *testing.T) {
					c.T = t
					carryThrough(t, c, silent, f.do, f.undo)
				})
				c.T = t
			}
		}
	}
}

// carryThrough carries messages from one kernel queue to another before, under and after a
// fault. Clients that are connected to a server that is silent get nowhere: then the bridges
// know the others alone.
func carryThrough(t *testing.T, c *clustertest.Nodes, silent bool, do, undo func(victim int)) {
	name := strings.NewReplacer("/", "", " ", "").Replace(t.Name())
	ctx := soon(t)
	from, to, dir := kernel(t), kernel(t), t.TempDir()
	conn := c.Connect(c.URLs(), nil)
	_, err := conn.EnsureQueue(ctx, name, nil)
	check(t, err)
	victim := c.Leader(conn, "SYSVIPC_Q_"+name)
	urls := c.URLs()
	if silent {
		urls = c.URLs(victim)
	}
	var remotes []*cluster.Queue
	for range 2 {
		q, err := c.Connect(urls, nil).OpenQueue(ctx, name)
		check(t, err)
		remotes = append(remotes, q)
	}
	runBridge(t, &bridge.Bridge{Local: opens(from), Remote: remotes[0], Journal: filepath.Join(dir, "send")}, (*bridge.Bridge).Send)
	runBridge(t, &bridge.Bridge{Local: opens(to), Remote: remotes[1], Journal: filepath.Join(dir, "receive")}, (*bridge.Bridge).Receive)
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
		t.Errorf("message %s is a duplicate, or %v", m.Data, err)
	}
}

// A name may be as long as names may be, also of a queue that a bridge receives from.
func TestBridgeOfALongName(t *testing.T) {
	t.Parallel()
	q, err := connect(t, nil).CreateQueue(t.Context(), strings.Repeat("long", 16), nil)
	check(t, err)
	t.Cleanup(func() { q.Remove(context.Background()) })
	to := kernel(t)
	runBridge(t, &bridge.Bridge{Local: opens(to), Remote: q, Journal: filepath.Join(t.TempDir(), "receive")}, (*bridge.Bridge).Receive)
	send(t, q, 7, "all the same")
	if m, err := to.Receive(soon(t), sysvipc.Any); err != nil || string(m.Data) != "all the same" {
		t.Errorf("got %q, %v", m.Data, err)
	}
}

// A message that is too large for the cluster does not end the bridge: it says so, and goes on
// when the limit is raised.
func TestBridgeWaitsForALargerLimit(t *testing.T) {
	t.Parallel()
	conn := connect(t, nil)
	q := newQueue(t, conn, &cluster.QueueOptions{MaxMessage: 200})
	from := kernel(t)
	notes := make(chan string, 100)
	runBridge(t, &bridge.Bridge{
		Local: opens(from), Remote: q, Journal: filepath.Join(t.TempDir(), "send"),
		Note: func(what string, _ error) { notes <- what },
	}, (*bridge.Bridge).Send)
	large := strings.Repeat("x", 1000)
	for _, text := range []string{"small", large, "behind"} {
		check(t, from.Send(t.Context(), 7, []byte(text)))
	}
	wantMessage(t, q, sysvipc.Any, "7:small")
	for what := ""; !strings.Contains(what, "1000 bytes does not fit"); {
		select {
		case what = <-notes:
		case <-soon(t).Done():
			t.Fatal("it does not say that the message does not fit")
		}
	}
	js, err := jetstream.New(conn.NATS())
	check(t, err)
	s, err := js.Stream(soon(t), "SYSVIPC_Q_"+t.Name())
	check(t, err)
	config := s.CachedInfo().Config
	config.MaxMsgSize = -1
	_, err = js.UpdateStream(soon(t), config)
	check(t, err)
	wantMessage(t, q, sysvipc.Any, "7:"+large)
	wantMessage(t, q, sysvipc.Any, "7:behind")
}

// A bridge that waits to take another one's place, and was not heard of for longer than its
// lease, stands in line again.
func TestBridgeTakesItsLeaseAgain(t *testing.T) {
	t.Parallel()
	conn := connect(t, nil)
	q := newQueue(t, conn, nil)
	to, dir := kernel(t), t.TempDir()
	receive := func(q *cluster.Queue, journal string, note func(string, error)) (*bridge.Bridge, func(*bridge.Bridge, context.Context) error) {
		return &bridge.Bridge{
			Local: opens(to), Remote: q, Journal: filepath.Join(dir, journal), Note: note,
		}, (*bridge.Bridge).Receive
	}
	first, how := receive(q, "first", nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- how(first, ctx) }()
	send(t, q, 7, "by the first")
	if m, err := to.Receive(soon(t), sysvipc.Any); err != nil || string(m.Data) != "by the first" {
		t.Fatalf("got %q, %v", m.Data, err)
	}
	line := clustertest.NewCable(t, server(t))
	behind, err := connectTo(t, line.URL(), &cluster.Options{Lease: time.Second}).OpenQueue(soon(t), t.Name())
	check(t, err)
	notes := make(chan string, 100)
	second, how := receive(behind, "second", func(what string, _ error) { notes <- what })
	runBridge(t, second, how)
	says := func(words string) {
		t.Helper()
		for {
			select {
			case what := <-notes:
				if strings.Contains(what, words) {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("it does not say %q", words)
			}
		}
	}
	says("waiting to take its place")
	eventually(t, "it stands in line", func() bool {
		set, err := conn.OpenSemaphores(soon(t), "bridge "+t.Name())
		check(t, err)
		n, _, err := set.At(0).Waiters(soon(t))
		check(t, err)
		check(t, set.Close(soon(t)))
		return n == 1
	})
	line.SetSlow(true)
	says("waiting again")
	line.SetSlow(false)
	cancel()
	check(t, <-ended)
	send(t, q, 7, "by the second")
	if m, err := to.Receive(soon(t), sysvipc.Any); err != nil || string(m.Data) != "by the second" {
		t.Errorf("got %q, %v", m.Data, err)
	}
}

// Two bridges that send from one kernel queue, each with a journal of its own, do not send
// messages twice: one waits for the other.
func TestBridgesOfOneLocalQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), nil)
	from, dir := kernel(t), t.TempDir()
	notes := make(chan string, 100)
	send := func(journal string) *bridge.Bridge {
		return &bridge.Bridge{
			Local: func() (*sysvipc.Queue, error) { return sysvipc.QueueByID(from.ID()), nil }, Remote: q,
			Journal: filepath.Join(dir, journal), Note: func(what string, _ error) { notes <- what },
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- send("first").Send(ctx) }()
	check(t, from.Send(t.Context(), 7, []byte("begun")))
	wantMessage(t, q, sysvipc.Any, "7:begun")
	runBridge(t, send("second"), (*bridge.Bridge).Send)
	if what := <-notes; !strings.Contains(what, "another bridge sends") {
		t.Errorf("noted is %q, want that another bridge sends", what)
	}
	for i := range 300 {
		check(t, from.Send(soon(t), 7, fmt.Append(nil, i)))
	}
	for i := range 300 {
		wantMessage(t, q, sysvipc.Any, fmt.Sprintf("7:%d", i))
	}
	cancel()
	check(t, <-ended)
	check(t, from.Send(t.Context(), 7, []byte("by the second")))
	wantMessage(t, q, sysvipc.Any, "7:by the second")
}

// What a bridge sends again, since it was not answered, after the servers forgot its number: as
// they do when they die, once it was received.
func TestBridgeKnowsWhatTheServersForgot(t *testing.T) {
	t.Parallel()
	conn := connect(t, nil)
	q := newQueue(t, conn, &cluster.QueueOptions{Duplicates: 100 * time.Millisecond})
	to := kernel(t)
	runBridge(t, &bridge.Bridge{Local: opens(to), Remote: q, Journal: filepath.Join(t.TempDir(), "receive")}, (*bridge.Bridge).Receive)
	js, err := jetstream.New(conn.NATS())
	check(t, err)
	const self = "1z141z3."
	check(t, q.SendOnce(t.Context(), self+"1", 7, []byte("same")))
	eventually(t, "the servers store it again", func() bool {
		check(t, q.SendOnce(t.Context(), self+"1", 7, []byte("same")))
		stream, err := js.Stream(t.Context(), "SYSVIPC_Q_"+t.Name())
		check(t, err)
		return stream.CachedInfo().State.LastSeq > 1
	})
	// Another number is another message, also 512 later, which has the same place in the journal.
	check(t, q.SendOnce(t.Context(), self+strconv.FormatInt(1+512, 36), 7, []byte("same")))
	check(t, q.SendOnce(t.Context(), self+"2", 8, []byte("last")))
	got := ""
	for !strings.HasSuffix(got, "last ") {
		m, err := to.Receive(soon(t), sysvipc.Any)
		check(t, err)
		got += fmt.Sprintf("%d:%s ", m.Type, m.Data)
	}
	if want := "7:same 7:same 8:last "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
