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
	conn := connectTo(t, s.ClientURL(), nil)
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
	patiently(t, "a sender gets the deadline and the servers' words, which are noted", func(ctx context.Context) error {
		for err = nil; err == nil; {
			err = full.Send(ctx, 1, make([]byte, 64<<10))
		}
		return err
	}, func(err error) bool {
		return len(notes) > 0 && errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), words)
	})
	if t.Failed() {
		return
	}
	if note := <-notes; !strings.Contains(note, words) {
		t.Errorf("noted is %q, want the servers' words", note)
	}
	patiently(t, "who takes gets the servers' words", func(ctx context.Context) error { return set.At(0).Acquire(ctx, 1) },
		func(err error) bool { return strings.Contains(err.Error(), words) })
	for ok := true; ok; {
		_, ok, err = full.TryReceive(soon(t), sysvipc.Any)
		check(t, err)
	}
	check(t, set.At(0).Acquire(soon(t), 1))
}

// A change goes on until its context ends, however long the servers refuse it, and then says why it ended and what they said.
func TestChangesLastAsLongAsTheirContext(t *testing.T) {
	t.Parallel()
	s, _ := plainServer(t, natsserver.Options{JetStreamMaxStore: 1 << 20, JetStreamMaxMemory: 1 << 20})
	conn := connectTo(t, s.ClientURL(), &cluster.Options{Lease: time.Minute})
	set, err := conn.EnsureSemaphores(soon(t), "set", 2)
	check(t, err)
	v, err := cluster.VarOf[int](soon(t), conn, "var")
	check(t, err)
	full, err := conn.EnsureQueue(soon(t), "full", &cluster.QueueOptions{MaxBytes: -1})
	check(t, err)
	patiently(t, "the store is full", func(ctx context.Context) error {
		for err = nil; err == nil; {
			err = full.Send(ctx, 1, make([]byte, 64<<10))
		}
		return err
	}, func(err error) bool { return strings.Contains(err.Error(), "insufficient resources") })

	cancelled, cancel := context.WithCancel(t.Context())
	calls := map[string]func(context.Context) error{
		"Acquire": func(ctx context.Context) error { return set.At(0).Acquire(ctx, 1) },
		"Release": func(ctx context.Context) error { return set.At(0).Release(ctx, 1) },
		"Store":   func(ctx context.Context) error { return v.Store(ctx, 1) },
		"Update":  func(ctx context.Context) error { return v.Update(ctx, func(n *int) { *n++ }) },
	}
	type end struct {
		call string
		err  error
	}
	ends, cancels := make(chan end, len(calls)), make(chan end, len(calls))
	for name, call := range calls {
		go func() { ends <- end{name, call(t.Context())} }()
		go func() { cancels <- end{name, call(cancelled)} }()
	}
	longer := time.After(11 * time.Second) // than any time that the client sets itself
	for waiting := true; waiting; {
		select {
		case e := <-ends:
			t.Fatalf("%s ended with %v, though its context did not", e.call, e.err)
		case <-longer:
			waiting = false
		}
	}
	cancel()
	for range calls {
		e := <-cancels
		// Changes of a set take turns, and only the first asks the servers.
		words := e.call != "Store" && e.call != "Update" || strings.Contains(e.err.Error(), "insufficient resources")
		if !errors.Is(e.err, context.Canceled) || errors.Is(e.err, context.DeadlineExceeded) || !words {
			t.Errorf("%s: got %v, want that it was cancelled, and the servers' words", e.call, e.err)
		}
	}
	for ok := true; ok; {
		_, ok, err = full.TryReceive(soon(t), sysvipc.Any)
		check(t, err)
	}
	for range calls {
		if e := <-ends; e.err != nil {
			t.Errorf("%s ended with %v when there was room again", e.call, e.err)
		}
	}
}

// patiently makes a call that is to end with an error at its deadline, which is in the end so late that servers on a busy
// machine have answered before.
func patiently(t *testing.T, what string, call func(context.Context) error, want func(error) bool) {
	t.Helper()
	var err error
	for patience := time.Second; patience < time.Minute; patience *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err = call(ctx)
		cancel()
		if err == nil {
			break
		}
		if want(err) {
			return
		}
	}
	t.Errorf("got %v, want that %s", err, what)
}
