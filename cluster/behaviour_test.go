package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// What the kernel's objects and the cluster's have in common. The tests of this file are
// written for these, and run with both.
type (
	anyQueue interface {
		Send(ctx context.Context, typ int64, data []byte) error
		TrySend(ctx context.Context, typ int64, data []byte) (bool, error)
		Receive(ctx context.Context, sel sysvipc.Selector) (sysvipc.Message, error)
		TryReceive(ctx context.Context, sel sysvipc.Selector) (sysvipc.Message, bool, error)
		Peek(ctx context.Context, index int) (sysvipc.Message, error)
		Remove(ctx context.Context) error
	}
	anySet interface {
		Do(ctx context.Context, ops ...sysvipc.Op) error
		TryDo(ctx context.Context, ops ...sysvipc.Op) (bool, error)
		Values(ctx context.Context) ([]int, error)
		SetValues(ctx context.Context, values ...int) error
		Waiters(ctx context.Context, index int) (acquire, zero int, err error)
		Remove(ctx context.Context) error
	}
)

type kernelQueue struct{ *sysvipc.Queue }

func (q kernelQueue) TrySend(_ context.Context, typ int64, data []byte) (bool, error) {
	return q.Queue.TrySend(typ, data)
}

func (q kernelQueue) TryReceive(_ context.Context, sel sysvipc.Selector) (sysvipc.Message, bool, error) {
	return q.Queue.TryReceive(sel)
}

func (q kernelQueue) Peek(_ context.Context, i int) (sysvipc.Message, error) { return q.Queue.Peek(i) }

func (q kernelQueue) Remove(context.Context) error { return q.Queue.Remove() }

type kernelSet struct{ *sysvipc.SemaphoreSet }

func (s kernelSet) TryDo(_ context.Context, ops ...sysvipc.Op) (bool, error) {
	return s.SemaphoreSet.TryDo(ops...)
}
func (s kernelSet) Values(context.Context) ([]int, error) { return s.SemaphoreSet.Values() }
func (s kernelSet) SetValues(_ context.Context, v ...int) error {
	return s.SemaphoreSet.SetValues(v...)
}
func (s kernelSet) Remove(context.Context) error { return s.SemaphoreSet.Remove() }
func (s kernelSet) Waiters(_ context.Context, i int) (int, int, error) {
	return s.At(i).Waiters()
}

type clusterSet struct{ *cluster.SemaphoreSet }

func (s clusterSet) Waiters(ctx context.Context, i int) (int, int, error) {
	return s.At(i).Waiters(ctx)
}

// world makes objects of one of the two kinds.
type world struct {
	queue func(t *testing.T) (make anyQueue, again anyQueue) // the same one, twice
	set   func(t *testing.T, values ...int) (make anySet, again anySet)
}

func everywhere(t *testing.T, f func(t *testing.T, w world)) {
	t.Parallel()
	t.Run("kernel", func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS != "linux" {
			t.Skip("System V IPC is Linux's here")
		}
		f(t, world{
			queue: func(t *testing.T) (anyQueue, anyQueue) {
				q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
				check(t, err)
				t.Cleanup(func() { q.Remove() })
				return kernelQueue{q}, kernelQueue{sysvipc.QueueByID(q.ID())}
			},
			set: func(t *testing.T, values ...int) (anySet, anySet) {
				s, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, values...)
				check(t, err)
				t.Cleanup(func() { s.Remove() })
				return kernelSet{s}, kernelSet{sysvipc.SemaphoresByID(s.ID())}
			},
		})
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		f(t, world{
			queue: func(t *testing.T) (anyQueue, anyQueue) {
				q := newQueue(t, connect(t, nil), nil)
				again, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
				check(t, err)
				return q, again
			},
			set: func(t *testing.T, values ...int) (anySet, anySet) {
				s := newSet(t, connect(t, nil), values...)
				again, err := connect(t, nil).OpenSemaphores(t.Context(), t.Name())
				check(t, err)
				return clusterSet{s}, clusterSet{again}
			},
		})
	})
}

func newSet(t testing.TB, c *cluster.Conn, values ...int) *cluster.SemaphoreSet {
	t.Helper()
	s, err := c.CreateSemaphores(t.Context(), t.Name(), values...)
	check(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s.Remove(ctx)
	})
	return s
}

func TestBehaviourOfQueues(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		q, again := w.queue(t)
		ctx := soon(t)
		receive := func(q anyQueue, sel sysvipc.Selector, want string) {
			t.Helper()
			m, err := q.Receive(ctx, sel)
			check(t, err)
			if got := fmt.Sprintf("%d:%s", m.Type, m.Data); got != want {
				t.Fatalf("received %q of %v, want %q", got, sel, want)
			}
		}
		for i, typ := range []int64{4, 3, 2, 1, 1, 1<<31 - 1, 3} {
			check(t, q.Send(ctx, typ, fmt.Append(nil, i)))
		}
		m, err := again.Peek(ctx, 5)
		check(t, err)
		if m.Type != 1<<31-1 || string(m.Data) != "5" {
			t.Errorf("message 5 is %d:%s", m.Type, m.Data)
		}
		receive(again, sysvipc.UpTo(2), "1:3")
		receive(q, sysvipc.Except(4), "3:1")
		receive(again, sysvipc.OfType(3), "3:6")
		receive(q, sysvipc.Any, "4:0")
		receive(again, sysvipc.UpTo(9), "1:4")
		receive(q, sysvipc.Any, "2:2")
		receive(q, sysvipc.Any, fmt.Sprintf("%d:5", 1<<31-1))
		for _, data := range []string{"", "\x00", "a\x00b\x00", string(make([]byte, 8192))} {
			check(t, q.Send(ctx, 1, []byte(data)))
			receive(again, sysvipc.OfType(1), "1:"+data)
		}
		if m, ok, err := q.TryReceive(ctx, sysvipc.Any); ok || err != nil {
			t.Errorf("an empty queue gives %v, %v", m, err)
		}
		if _, err := q.Peek(ctx, 0); !errors.Is(err, sysvipc.ErrWouldBlock) {
			t.Errorf("peeking at an empty queue gives %v, want ErrWouldBlock", err)
		}
		for _, typ := range []int64{0, -1} {
			if err := q.Send(ctx, typ, nil); err == nil {
				t.Errorf("type %d is sent", typ)
			}
			if _, err := q.Receive(ctx, sysvipc.OfType(typ)); err == nil {
				t.Errorf("type %d is received", typ)
			}
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := q.Receive(ended, sysvipc.Any); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled receiver gets %v", err)
		}
		if err := q.Send(ended, 1, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled sender gets %v", err)
		}
		gone := make(chan error, 1)
		go func() {
			_, err := again.Receive(ctx, sysvipc.OfType(7))
			gone <- err
		}()
		check(t, q.Remove(ctx))
		for _, err := range []error{<-gone, q.Send(ctx, 1, nil)} {
			if !errors.Is(err, sysvipc.ErrRemoved) || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a removed queue gives %v, want ErrRemoved", err)
			}
		}
	})
}

func TestBehaviourOfSemaphores(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		s, again := w.set(t, 1, 0, 5)
		ctx := soon(t)
		values := func(want ...int) {
			t.Helper()
			got, err := s.Values(ctx)
			check(t, err)
			if !slices.Equal(got, want) {
				t.Fatalf("values are %v, want %v", got, want)
			}
		}
		// All or none.
		ok, err := again.TryDo(ctx, sysvipc.Add(0, -1), sysvipc.Add(1, -1))
		check(t, err)
		if ok {
			t.Fatal("it took what was not there")
		}
		values(1, 0, 5)
		check(t, again.Do(ctx, sysvipc.Add(0, -1), sysvipc.WaitZero(1), sysvipc.WaitZero(0), sysvipc.Add(1, 2), sysvipc.Add(1, -1)))
		values(0, 1, 5)
		if err := s.Do(ctx, sysvipc.Add(2, 32767)); !errors.Is(err, sysvipc.ErrTooBig) {
			t.Errorf("a value beyond the limit gives %v, want ErrTooBig", err)
		}
		if err := s.Do(ctx, sysvipc.Add(3, 1)); !errors.Is(err, sysvipc.ErrTooBig) {
			t.Errorf("an index that is not there gives %v, want ErrTooBig", err)
		}
		if err := s.Do(ctx); err == nil {
			t.Error("no operation is an operation")
		}
		if err := s.Do(ctx, sysvipc.Add(-1, 1)); err == nil || errors.Is(err, sysvipc.ErrTooBig) {
			t.Errorf("index -1 gives %v, want an error that is not ErrTooBig", err)
		}
		// Waits.
		wait := func(ops ...sysvipc.Op) chan error {
			got := make(chan error, 1)
			go func() { got <- again.Do(ctx, ops...) }()
			return got
		}
		waiters := func(i, acquire, zero int) {
			t.Helper()
			eventually(t, fmt.Sprintf("%d and %d wait for %d", acquire, zero, i), func() bool {
				a, z, err := s.Waiters(ctx, i)
				check(t, err)
				return a == acquire && z == zero
			})
		}
		zero := wait(sysvipc.WaitZero(2))
		waiters(2, 0, 1)
		two := wait(sysvipc.Add(0, -2))
		waiters(0, 1, 0)
		check(t, s.Do(ctx, sysvipc.Add(0, 1)))
		waiters(0, 1, 0)
		one := wait(sysvipc.Add(0, -1), sysvipc.WaitZero(1))
		waiters(1, 0, 1)
		check(t, s.Do(ctx, sysvipc.Add(1, -1)))
		check(t, <-one)
		values(0, 0, 5)
		check(t, s.Do(ctx, sysvipc.Add(0, 3), sysvipc.Add(2, -5)))
		check(t, <-two)
		check(t, <-zero)
		values(1, 0, 0)
		waiters(0, 0, 0)
		// A wait that ends leaves all as it was.
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := again.Do(short, sysvipc.Add(0, -1), sysvipc.Add(1, -1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		values(1, 0, 0)
		waiters(1, 0, 0)
		set := wait(sysvipc.Add(2, -7))
		waiters(2, 1, 0)
		check(t, s.SetValues(ctx, 0, 0, 9))
		check(t, <-set)
		values(0, 0, 2)
		gone := wait(sysvipc.Add(0, -1))
		waiters(0, 1, 0)
		check(t, s.Remove(ctx))
		for _, err := range []error{<-gone, s.Do(ctx, sysvipc.Add(0, 1))} {
			if !errors.Is(err, sysvipc.ErrRemoved) {
				t.Errorf("a removed set gives %v, want ErrRemoved", err)
			}
		}
	})
}
