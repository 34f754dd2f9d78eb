package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	c := connectTo(t, clustertest.NewRestarted(t).URL(), nil)
	if all, err := c.Objects(soon(t)); err != nil || len(all) != 0 {
		t.Errorf("of a new server: %v, %v", all, err)
	}
	q, err := c.CreateQueue(soon(t), "b ü/=", nil)
	check(t, err)
	send(t, q, 1, "one")
	_, err = c.CreateQueue(soon(t), "a", nil)
	check(t, err)
	s, err := c.CreateSemaphores(soon(t), "lock", 1, 2)
	check(t, err)
	_, err = s.Take(soon(t), sysvipc.Add(0, -1))
	check(t, err)
	removed, err := c.CreateSemaphores(soon(t), "removed", 1)
	check(t, err)
	check(t, removed.Remove(soon(t)))
	v, err := cluster.VarOf[int](soon(t), c, "limit")
	check(t, err)
	check(t, v.Store(soon(t), 7))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiter, err := connectTo(t, c.NATS().ConnectedUrl(), nil).OpenSemaphores(soon(t), "lock")
	check(t, err)
	go waiter.Take(ctx, sysvipc.Add(0, -1))
	var uses []cluster.Use
	eventually(t, "it waits", func() bool {
		uses, err = c.Uses(soon(t), "lock")
		check(t, err)
		return len(uses) == 2
	})
	host, err := os.Hostname()
	check(t, err)
	for i, u := range uses {
		if u.Set != "lock" || u.Waits != (i == 1) || u.Host != host || u.PID != os.Getpid() || time.Since(u.Since) > time.Hour || fmt.Sprint(u.Ops) != "[0-1]" {
			t.Errorf("%+v", u)
		}
	}
	if _, err := c.Uses(soon(t), "removed"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a removed set: %v", err)
	}
	want := []cluster.Summary{
		{Kind: "queue", Name: "a"},
		{Kind: "queue", Name: "b ü/=", Messages: 1},
		{Kind: "semaphore set", Name: "lock", Semaphores: 2, Holders: 1, Waiters: 1},
		{Kind: "variable", Name: "limit"},
	}
	all, err := c.Objects(soon(t))
	check(t, err)
	if diff := cmp.Diff(want, all, cmpopts.IgnoreFields(cluster.Summary{}, "Bytes", "Created")); diff != "" {
		t.Error(diff)
	}
	for _, o := range all {
		if o.Created.IsZero() != (o.Kind == "variable") || (o.Bytes > 0) != (o.Messages > 0) {
			t.Errorf("%+v", o)
		}
	}
}
