package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// A queue that nobody drains is full before the servers' store is: locks and other queues go
// on, and it can be drained.
func TestFullQueueStopsNobodyElse(t *testing.T) {
	t.Parallel()
	s, _ := plainServer(t, natsserver.Options{JetStreamMaxStore: 16 << 20, JetStreamMaxMemory: 16 << 20})
	conn := connectTo(t, s.ClientURL(), &cluster.Options{Lease: time.Second})
	full, err := conn.EnsureQueue(soon(t), "full", nil)
	check(t, err)
	payload := make([]byte, 64<<10)
	for ok := true; ok; {
		ok, err = full.TrySend(soon(t), 1, payload)
		check(t, err)
	}
	set, err := conn.EnsureSemaphores(soon(t), "set", 1)
	check(t, err)
	other, err := conn.EnsureQueue(soon(t), "other", nil)
	check(t, err)
	for range 3 {
		g, err := set.Take(soon(t), sysvipc.Add(0, -1))
		check(t, err)
		check(t, g.Give(soon(t)))
		check(t, other.Send(soon(t), 1, payload))
	}
	_, err = full.Receive(soon(t), sysvipc.Any)
	check(t, err)
	check(t, full.Send(soon(t), 1, payload))
	if _, err := conn.CreateQueue(soon(t), "large", &cluster.QueueOptions{MaxBytes: 1 << 30}); err == nil || !strings.Contains(err.Error(), "max_file_store") {
		t.Errorf("a queue of more than the servers have gives %v, want a hint", err)
	}
}

// Servers whose store is full say so: soon to who watches, and at the deadline to who waits.
// What there is can be drained, which ends it.
func TestFullStoreIsNotSilent(t *testing.T) {
	t.Parallel()
	s, _ := plainServer(t, natsserver.Options{JetStreamMaxStore: 1 << 20, JetStreamMaxMemory: 1 << 20})
	notes := make(chan string, 100)
	conn := connectTo(t, s.ClientURL(), &cluster.Options{Lease: time.Minute, Note: func(what string, err error) {
		if err != nil {
			notes <- what + ": " + err.Error()
		}
	}})
	set, err := conn.EnsureSemaphores(soon(t), "set", 1)
	check(t, err)
	full, err := conn.EnsureQueue(soon(t), "full", &cluster.QueueOptions{MaxBytes: -1})
	check(t, err)
	const words = "insufficient resources"
	sent := 0
	for ; err == nil; sent++ {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		err = full.Send(ctx, 1, make([]byte, 64<<10))
		cancel()
	}
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), words) {
		t.Errorf("a sender gets %v, want the deadline and the servers' words", err)
	}
	if note := <-notes; !strings.Contains(note, words) {
		t.Errorf("noted is %q, want the servers' words", note)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := set.At(0).Acquire(ctx, 1); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("who takes gets %v, want the servers' words", err)
	}
	for range sent - 1 {
		_, err := full.Receive(soon(t), sysvipc.Any)
		check(t, err)
	}
	check(t, set.At(0).Acquire(soon(t), 1))
}
