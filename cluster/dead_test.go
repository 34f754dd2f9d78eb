package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// leases returns the IDs of the sessions of a set that the servers know of, whether they have
// ended or not.
func leases(t *testing.T, c *cluster.Conn, set string) (ids []string) {
	t.Helper()
	js, err := jetstream.New(c.NATS())
	check(t, err)
	stream, err := js.Stream(soon(t), bucketStream)
	check(t, err)
	prefix := "$KV.sysvipc.lease." + set + "."
	info, err := stream.Info(soon(t), jetstream.WithSubjectFilter(prefix+"*"))
	check(t, err)
	for subject := range info.State.Subjects {
		ids = append(ids, strings.TrimPrefix(subject, prefix))
	}
	return ids
}

// Sessions that died are in nobody's way once what they held was given back: what they leave
// is not read by those who wait later.
func TestSemaphoreDeadSessionsLeaveNothing(t *testing.T) {
	t.Parallel()
	const n = 100
	c := connect(t, &cluster.Options{Lease: 2 * time.Minute}) // or its own session may die, too
	s := newSet(t, c, 0, n)
	dying := connect(t, &cluster.Options{Lease: time.Second})
	for range n {
		one, err := dying.OpenSemaphores(soon(t), t.Name())
		check(t, err)
		check(t, one.At(1).Undo().Acquire(soon(t), 1))
	}
	dying.NATS().Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.At(0).Acquire(ctx, 1)
	eventually(t, "all is given back", func() bool {
		v, err := s.At(1).Value(soon(t))
		check(t, err)
		return v == n
	})
	eventually(t, "the waiter's session is the only one", func() bool { return len(leases(t, c, t.Name())) == 1 })
}

// A server whose clock went back lets a lease last, for as long as its clock is behind. The
// waiters end it by their own clocks.
func TestSemaphoreServersClockGoesBack(t *testing.T) {
	t.Parallel()
	s := newSet(t, connect(t, nil), 1)
	c := connect(t, nil)
	dying := connect(t, &cluster.Options{Lease: time.Second})
	holder, err := dying.OpenSemaphores(soon(t), t.Name())
	check(t, err)
	_, err = holder.Take(soon(t), sysvipc.Add(0, -1))
	check(t, err)
	ids := leases(t, c, t.Name())
	dying.NATS().Close()
	// A lease that the server will not end.
	answer, err := c.NATS().RequestMsgWithContext(soon(t), &nats.Msg{Subject: "$KV.sysvipc.lease." + t.Name() + "." + ids[0], Data: []byte(`{"lease":1000000000}`)})
	if err != nil || strings.Contains(string(answer.Data), "error") {
		t.Fatalf("%s, %v", answer.Data, err)
	}
	g, err := s.Take(soon(t), sysvipc.Add(0, -1))
	check(t, err)
	check(t, g.Give(soon(t)))
}

// What a dead session held cannot be given back at first, since the servers refuse it: waiters
// try again.
func TestSemaphoreReapsAgain(t *testing.T) {
	t.Parallel()
	srv := clustertest.NewRestarted(t)
	c := connectTo(t, srv.URL(), nil)
	s, err := c.CreateSemaphores(soon(t), "set", 1)
	check(t, err)
	dying := connectTo(t, srv.URL(), &cluster.Options{Lease: time.Second})
	holder, err := dying.OpenSemaphores(soon(t), "set")
	check(t, err)
	_, err = holder.Take(soon(t), sysvipc.Add(0, -1))
	check(t, err)
	tries := &clustertest.Counts{}
	waiter, err := connectTo(t, srv.URL(), &cluster.Options{Metrics: tries}).OpenSemaphores(soon(t), "set")
	check(t, err)
	granted := make(chan error, 1)
	go func() {
		_, err := waiter.Take(soon(t), sysvipc.Add(0, -1))
		granted <- err
	}()
	eventually(t, "it waits", func() bool {
		n, _, err := s.At(0).Waiters(soon(t))
		check(t, err)
		return n == 1
	})
	js, err := jetstream.New(c.NATS())
	check(t, err)
	stream, err := js.Stream(soon(t), bucketStream)
	check(t, err)
	limit := func(size int32) {
		config := stream.CachedInfo().Config
		config.MaxMsgSize = size
		_, err := js.UpdateStream(soon(t), config)
		check(t, err)
	}
	limit(200) // an entry has more, a lease has less
	dying.NATS().Close()
	eventually(t, "it tried", func() bool { return tries.Get("reaped") > 0 })
	select {
	case err := <-granted:
		t.Fatal(fmt.Errorf("it was granted though nothing was given back: %w", err))
	default:
	}
	limit(-1)
	check(t, <-granted)
}
