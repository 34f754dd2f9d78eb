package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// What a process has begun, and the line to the servers delays beyond its lease, is not done
// any more: others hold what it gave back or would take. A lock of one stays a lock of one.
func TestSemaphoreLate(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(ctx context.Context, s *cluster.SemaphoreSet, g *cluster.Grant) error{
		"Give": func(ctx context.Context, _ *cluster.SemaphoreSet, g *cluster.Grant) error { return g.Give(ctx) },
		"Release": func(ctx context.Context, s *cluster.SemaphoreSet, _ *cluster.Grant) error {
			return s.At(0).Undo().Release(ctx, 1)
		},
		// It would be in the way of later waiters, until one of them arrives.
		"Acquire": func(ctx context.Context, s *cluster.SemaphoreSet, _ *cluster.Grant) error {
			_, err := s.At(1).Undo().TryAcquire(ctx, 1)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := connect(t, nil).CreateSemaphores(t.Context(), unique(), 1, 5)
			check(t, err)
			checkAll := everyRevision(t, connect(t, nil), s.Name())
			line := clustertest.NewCable(t, server(t))
			slow, err := connectTo(t, line.URL(), &cluster.Options{Lease: 3 * time.Second}).OpenSemaphores(t.Context(), s.Name())
			check(t, err)
			first, err := slow.Take(t.Context(), sysvipc.Add(0, -1))
			check(t, err)

			line.SetSlow(true)
			ended := make(chan error, 1)
			go func() { ended <- late(soon(t), slow, first) }()
			eventually(t, "it is on its way", func() bool { return line.Holds("PUB $KV.sysvipc.sem.") })
			second, err := s.Take(soon(t), sysvipc.Add(0, -1)) // which sees the first one's end
			check(t, err)
			third, err := connect(t, nil).OpenSemaphores(t.Context(), s.Name())
			check(t, err)
			next := make(chan *cluster.Grant, 1)
			go func() {
				g, err := third.Take(soon(t), sysvipc.Add(0, -1))
				if err != nil {
					t.Error(err)
				}
				next <- g
			}()
			eventually(t, "the third one waits", func() bool {
				n, _, err := s.At(0).Waiters(t.Context())
				check(t, err)
				return n == 1
			})
			line.SetSlow(false)
			if err := <-ended; !errors.Is(err, cluster.ErrLeaseLost) {
				t.Errorf("what came late says %v, want ErrLeaseLost", err)
			}
			<-first.Lost()
			if n, _, err := s.At(0).Waiters(t.Context()); n != 1 || err != nil {
				t.Errorf("%d wait, %v, while the second one holds the lock; want 1", n, err)
			}
			select {
			case <-second.Lost():
				t.Error("the second one has lost its lease")
			default:
			}
			check(t, second.Give(t.Context()))
			check(t, (<-next).Give(t.Context()))
			if values, err := s.Values(t.Context()); err != nil || values[0] != 1 || values[1] != 5 {
				t.Errorf("the values are %v, %v; want 1 and 5", values, err)
			}
			checkAll(1)
			if _, err := slow.Take(soon(t), sysvipc.Add(0, -1)); !errors.Is(err, cluster.ErrLeaseLost) {
				t.Errorf("who lost the lease takes again with %v, want ErrLeaseLost", err)
			}
		})
	}
}

// A call that did not come to its end keeps nothing that its caller does not know of: who gave
// up waiting while the servers were not heard leaves the line, or what was granted there.
func TestSemaphoreAbandoned(t *testing.T) {
	t.Parallel()
	s, err := connect(t, &cluster.Options{Lease: 2 * time.Minute}).CreateSemaphores(t.Context(), unique(), 1)
	check(t, err)
	checkAll := everyRevision(t, connect(t, nil), s.Name())
	line := clustertest.NewCable(t, server(t))
	slow, err := connectTo(t, line.URL(), &cluster.Options{Lease: 2 * time.Minute}).OpenSemaphores(t.Context(), s.Name())
	check(t, err)
	g, err := s.Take(t.Context(), sysvipc.Add(0, -1))
	check(t, err)
	if got, err := slow.TryTake(t.Context(), sysvipc.Add(0, -1)); got != nil || err != nil { // makes what it needs
		t.Fatalf("taken beside another: %v, %v", got, err)
	}
	line.SetSlow(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Take(ctx, sysvipc.Add(0, -1))
		ended <- err
	}()
	eventually(t, "it is on its way", func() bool { return line.Holds("PUB $KV.sysvipc.sem.") })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v, want that it was cancelled", err)
	}
	line.SetSlow(false)
	eventually(t, "it stands in line all the same", func() bool {
		n, _, err := s.At(0).Waiters(t.Context())
		check(t, err)
		return n == 1
	})
	check(t, g.Give(t.Context()))
	if err := slow.At(0).Undo().Acquire(soon(t), 1); err != nil { // and so nobody else has it
		t.Error(err)
	}
	check(t, slow.At(0).Undo().Release(t.Context(), 1))
	checkAll(1)
}
