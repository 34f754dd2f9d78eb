package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Three servers, of which the one that leads the semaphores is killed, cut off, slowed or
// stopped; and a client that is stopped for longer than its lease. Semaphores stay
// linearizable, no token is granted twice, no acknowledged message is lost, and each type
// keeps its order.
//
// The short form kills, cuts off, and stops the client. The long form does all, with the
// servers' own times for elections:
//
//	SYSVIPC_CLUSTER_FAULTS=10 go test -v -timeout 30m -run ThreeNodes ./cluster
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	rounds, by := 1, 3
	long := false
	if n, err := strconv.Atoi(os.Getenv("SYSVIPC_CLUSTER_FAULTS")); err == nil {
		rounds, by, long = n, 1, true
	}
	if testing.Short() || clustertest.Race && !long {
		t.Skip("needs some seconds of three servers; the detector sees their clients in other tests")
	}
	c := clustertest.NewNodes(t, 3, by, long)
	c.Start(0, 1)
	conn := c.Connect(c.URLs(2), nil)
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := conn.EnsureSemaphores(brief, "first", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while there are two servers for three replicas it ends with %v, want that it waits", err)
	}
	c.Start(2)
	conn = c.Connect(c.URLs(), nil)
	_, err := conn.EnsureSemaphores(soon(t), "first", 0)
	check(t, err)
	for round := range rounds {
		for _, f := range []struct {
			name     string
			short    bool
			do, undo func(victim int)
		}{
			{"leader killed", true, c.Kill, func(i int) { c.Start(i) }},
			{"leader cut off", true, func(i int) { c.Cut(i, true) }, func(i int) { c.Cut(i, false) }},
			{"leader's disk slow", false, func(i int) { c.Disk(i, 10*time.Millisecond) }, func(i int) { c.Disk(i, 0) }},
			{"leader stopped", false, func(i int) { c.Processes[i].Stop() }, func(i int) { c.Processes[i].Continue() }},
		} {
			if !long && !f.short {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", f.name, round), func(t *testing.T) {
				c.T = t
				if c.Slow != "" && strings.Contains(f.name, "disk") {
					t.Skip("fsync cannot be slowed here:", c.Slow)
				}
				victim := c.Leader(conn, bucketStream)
				under(t, c, victim, !strings.Contains(f.name, "disk"), func() { f.do(victim) }, func() { f.undo(victim) })
			})
			c.T = t
		}
		t.Run(fmt.Sprintf("client stopped/%d", round), func(t *testing.T) {
			c.T = t
			stopClient(t, c)
		})
		c.T = t
	}
}

// under has clients use a semaphore and a queue before, under and after a fault of one
// server. One client and one sender know that server alone; if it is silent, they get
// nowhere, and the others go on.
func under(t *testing.T, c *clustertest.Nodes, victim int, silent bool, do, undo func()) {
	const majority, second, minority = 0, 1, 2
	var sets []*cluster.SemaphoreSet
	var queues []*cluster.Queue
	for _, url := range []string{c.URLs(victim), c.URLs(victim), c.URL(victim)} {
		conn := c.Connect(url, &cluster.Options{Lease: time.Minute})
		s, err := conn.EnsureSemaphores(soon(t), t.Name(), 2)
		check(t, err)
		q, err := conn.EnsureQueue(soon(t), t.Name(), &cluster.QueueOptions{Strict: true, AckWait: time.Second})
		check(t, err)
		sets, queues = append(sets, s), append(queues, q)
	}
	checkAll := everyRevision(t, c.Connect(c.URLs(victim), nil), t.Name())
	h := newHistory(t)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i, s := range sets {
		clients.Go(func() { h.use(i, s, stop) })
	}
	// The sender of one side has types 1 and 2, that of the other has 3 and 4.
	var sent [5]atomic.Int64
	for side, q := range map[int64]*cluster.Queue{0: queues[majority], 2: queues[minority]} {
		clients.Go(func() {
			for i := int64(0); ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				typ := side + 1 + i%2
				if err := q.Send(soon(t), typ, fmt.Append(nil, i/2)); err != nil {
					t.Errorf("message %d of type %d: %v", i/2, typ, err)
					return
				}
				sent[typ].Add(1)
			}
		})
	}
	var received [5]atomic.Int64
	missing := func() (n int64) {
		for typ := range sent {
			n += sent[typ].Load() - received[typ].Load()
		}
		return n
	}
	ctx, cancel := context.WithCancel(t.Context())
	var receiver sync.WaitGroup
	defer receiver.Wait()
	defer cancel()
	for _, sel := range []sysvipc.Selector{sysvipc.OfType(1), sysvipc.Except(1)} {
		receiver.Go(func() {
			for {
				m, err := queues[second].Receive(ctx, sel)
				if ctx.Err() != nil {
					return
				}
				i, _ := strconv.ParseInt(string(m.Data), 10, 64)
				switch want := received[m.Type].Load(); {
				case err != nil:
					t.Error(err)
					return
				case i == want:
					received[m.Type].Add(1)
				case i > want: // one that comes again is no surprise
					t.Errorf("message %d of type %d came, want %d", i, m.Type, want)
					return
				}
			}
		})
	}
	defer clients.Wait()
	stopped := sync.OnceFunc(func() { close(stop) })
	defer stopped()
	// On the majority's side so much is done, or on all sides.
	goOn := func(what string, minorityToo bool) {
		t.Helper()
		messages, mixed, operations, others := received[1].Load(), received[2].Load(), h.succeeded(majority, second), h.succeeded(minority)
		began := time.Now()
		eventually(t, "all go on "+what, func() bool {
			return received[1].Load() >= messages+5 && received[2].Load() >= mixed+5 && h.succeeded(majority, second) >= operations+10 && (!minorityToo || h.succeeded(minority) >= others+5)
		})
		t.Logf("%s: %v", what, time.Since(began).Round(time.Millisecond))
	}
	goOn("before", true)
	do()
	from, sentBefore := h.now(), sent[3].Load()+sent[4].Load()
	goOn("meanwhile", !silent)
	to, sentMeanwhile := h.now(), sent[3].Load()+sent[4].Load()-sentBefore
	undo()
	if silent {
		// What was on its way when the fault came may have been done.
		if n := h.between(minority, from, to); n > 0 {
			t.Errorf("%d operations began and succeeded on the minority's side", n)
		}
		if sentMeanwhile > 1 {
			t.Errorf("%d messages were acknowledged on the minority's side", sentMeanwhile)
		}
	}
	goOn("afterwards", true)
	stopped()
	clients.Wait()
	eventually(t, "all messages come", func() bool { return missing() <= 0 })
	h.check(2)
	checkAll(2)
}

// holder takes the lock, and writes to the store until it finds that its lease is lost: the
// servers' URL, the set's name. As one who has looked just before, it writes once more.
var holder = ipctest.Register("holder", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	conn, err := cluster.Connect(ctx, c.Args[0], &cluster.Options{Lease: time.Second})
	c.Check(err)
	s, err := conn.OpenSemaphores(ctx, c.Args[1])
	c.Check(err)
	g, err := s.Take(ctx, sysvipc.Add(0, -1))
	c.Check(err)
	for lost := false; !lost; {
		select {
		case <-g.Lost():
			lost = true
		case <-time.After(5 * time.Millisecond):
		}
		c.Say("%d", g.Token)
	}
	c.Say("%v", g.Give(ctx))
})

// stopClient stops the holder of a lock for longer than its lease.
func stopClient(t *testing.T, c *clustertest.Nodes) {
	conn := c.Connect(c.URLs(), nil)
	s, err := conn.CreateSemaphores(soon(t), t.Name(), 1)
	check(t, err)
	checkAll := everyRevision(t, conn, t.Name())
	h := newHistory(t)
	protected := &store{}
	write := func(p *ipctest.Process) (token uint64, err error) {
		token, err = strconv.ParseUint(p.Line(), 10, 64)
		check(t, err)
		return token, protected.write(token, "old")
	}
	p := ipctest.Start(t, holder, nil, c.URLs(), t.Name())
	token, err := write(p)
	check(t, err)
	h.note(0, 0, "take", semOutput{ok: true, token: token}, nil)
	p.Stop()
	h.all = append(h.all, op(0, "reap", h.now(), 1<<62, semOutput{}))
	var rivals sync.WaitGroup
	for i := range 2 {
		conn := c.Connect(c.URLs(), nil)
		s, err := conn.OpenSemaphores(soon(t), t.Name())
		check(t, err)
		rivals.Go(func() {
			for range 10 {
				g := h.take(soon(t), i+1, s, true)
				if g == nil {
					t.Error("nothing was granted")
					return
				}
				if err := protected.write(g.Token, "new"); err != nil {
					t.Errorf("the holder of token %d writes: %v", g.Token, err)
				}
				h.give(soon(t), i+1, g)
			}
		})
	}
	rivals.Wait()
	p.Continue()
	// What it said before it was stopped comes late, too.
	refused := 0
	for line := ""; ; refused++ {
		if line = p.Line(); line == strconv.FormatUint(token, 10) {
			if err := protected.write(token, "old"); err != errStale {
				t.Errorf("a token that others have passed writes: %v", err)
			}
			continue
		}
		if !strings.Contains(line, cluster.ErrLeaseLost.Error()) {
			t.Errorf("it gives back with %q, want that the lease is lost", line)
		}
		break
	}
	p.Finish()
	if refused == 0 || protected.value != "new" {
		t.Errorf("%d writes were refused, and %q is kept", refused, protected.value)
	}
	wantValue(t, s, 1)
	h.check(1)
	checkAll(1)
}
