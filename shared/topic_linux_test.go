package shared

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func topicAt[T any](t testing.TB, key int32, capacity int) (*Region, *Topic[T]) {
	t.Helper()
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	tp, err := TopicOf[T](r, "t", capacity)
	if err != nil {
		t.Fatal(err)
	}
	return r, tp
}

func subscribe[T any](t testing.TB, tp *Topic[T], how Policy) *Subscription[T] {
	t.Helper()
	s, err := tp.Subscribe(how)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustNot(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTopicLossyLearnsWhatItLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, tp := topicAt[int64](t, ipctest.Key(t), 8)
	mustNot(t, tp.Publish(ctx, 99)) // before the subscription
	s := subscribe(t, tp, Lossy)
	if m, ok, err := tp.Latest(); m != 99 || !ok || err != nil {
		t.Errorf("the latest is %d, %v (%v)", m, ok, err)
	}
	want := func(message int64, lost uint64) {
		t.Helper()
		m, l, err := s.Next(ctx)
		if m != message || l != lost || err != nil {
			t.Fatalf("got %d after %d lost (%v), want %d after %d", m, l, err, message, lost)
		}
	}
	for i := range int64(8) {
		mustNot(t, tp.Publish(ctx, i))
	}
	for i := range int64(8) {
		want(i, 0)
	}
	n, err := tp.PublishBatch(ctx, []int64{8, 9, 10, 11, 12, 13, 14, 15, 16})
	if n != 9 || err != nil {
		t.Fatalf("%d (%v)", n, err)
	}
	want(13, 5) // halfway
	want(14, 0)
	want(15, 0)
	want(16, 0)
	if s.Lost() != 5 {
		t.Errorf("%d lost in all", s.Lost())
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, _, err := s.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n, err := tp.Published(); n != 18 || err != nil {
		t.Errorf("%d published (%v)", n, err)
	}
}

func TestTopicGatedLosesNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, tp := topicAt[int64](t, ipctest.Key(t), 4)
	gated, second, lossy := subscribe(t, tp, Gated), subscribe(t, tp, Gated), subscribe(t, tp, Lossy)
	for i := range int64(4) {
		mustNot(t, tp.Publish(ctx, i))
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Millisecond)
	defer cancel()
	if err := tp.Publish(short, 4); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("published what is in the way of a gate: %v", err)
	}
	const all = 2000
	var wg sync.WaitGroup
	for _, s := range []*Subscription[int64]{gated, second} {
		wg.Go(func() {
			for i := range int64(all) {
				if m, lost, err := s.Next(ctx); m != i || lost != 0 || err != nil {
					t.Errorf("got %d after %d lost (%v), want %d", m, lost, err, i)
					return
				}
			}
		})
	}
	wg.Go(func() {
		sum := uint64(0)
		for m, err := range lossy.All(ctx) {
			if sum++; err != nil || uint64(m) != sum+lossy.Lost()-1 {
				t.Errorf("got %d as number %d after %d lost (%v)", m, sum, lossy.Lost(), err)
				return
			}
			if m == all-1 {
				return
			}
		}
	})
	for i := int64(4); i < all; i++ {
		mustNot(t, tp.Publish(ctx, i))
	}
	wg.Wait()
	// A subscription that is closed is no longer waited for.
	mustNot(t, gated.Close())
	got := make(chan error)
	go func() {
		_, err := tp.PublishBatch(ctx, make([]int64, 20))
		got <- err
	}()
	mustNot(t, second.Close(), <-got)
	if _, _, err := second.Next(ctx); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := second.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Close wakes who waits in Next, whether it sleeps in the kernel or behind another.
func TestTopicCloseWakes(t *testing.T) {
	t.Parallel()
	r, tp := topicAt[int64](t, ipctest.Key(t), 4)
	var all []*Subscription[int64]
	got := make(chan error)
	for i := range 6 {
		s := subscribe(t, tp, Policy(i%2))
		all = append(all, s)
		go func() {
			_, _, err := s.Next(context.Background())
			got <- err
		}()
	}
	for _, s := range all[:3] {
		mustNot(t, s.Close())
	}
	for range 3 {
		if err := <-got; !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	mustNot(t, r.Close())
	for range 3 {
		if err := <-got; !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	mustNot(t, all[4].Close())
	if err := tp.Publish(t.Context(), 1); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	_, err1 := tp.Subscribe(Lossy)
	_, _, err2 := tp.Latest()
	if !errors.Is(err1, fs.ErrClosed) || !errors.Is(err2, fs.ErrClosed) {
		t.Errorf("got %v, %v", err1, err2)
	}
}

func TestTopicRefuses(t *testing.T) {
	t.Parallel()
	r, _ := topicAt[int64](t, ipctest.Key(t), 8)
	for _, capacity := range []int{-1, 0, 1 << 30, 16} {
		if _, err := TopicOf[int64](r, "t", capacity); err == nil {
			t.Errorf("a capacity of %d", capacity)
		}
	}
	if _, err := TopicOf[[]int64](r, "s", 8); err == nil {
		t.Error("a topic of slices")
	}
	if _, err := ChanOf[int64](r, "t", 8); err == nil {
		t.Error("a topic as a channel")
	}
}

func TestTopicGatesAreLimited(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), &Options{Participants: 2})
	mustNot(t, err)
	defer r.Close()
	tp, err := TopicOf[int64](r, "t", 4)
	mustNot(t, err)
	a := subscribe(t, tp, Gated)
	subscribe(t, tp, Gated)
	if _, err := tp.Subscribe(Gated); err == nil {
		t.Error("a third gate of two")
	}
	mustNot(t, a.Close())
	subscribe(t, tp, Gated)
}

var topicChild = ipctest.Register("topic subscriber", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	tp, err := TopicOf[int64](r, "t", 4)
	c.Check(err)
	_, err = tp.Subscribe(Gated)
	c.Check(err)
	c.Say("subscribed")
	c.Listen()
})

// A publisher waits for a gated subscriber of another process, and goes on when it is killed.
func TestTopicKilledSubscriber(t *testing.T) {
	t.Parallel()
	for _, asleep := range []bool{true, false} {
		key := ipctest.Key(t)
		_, tp := topicAt[int64](t, key, 4)
		p := ipctest.Start(t, topicChild, nil, strconv.Itoa(int(key)))
		p.Expect("subscribed")
		var n atomic.Int64
		done := make(chan error)
		publish := func() {
			for range 10 {
				if err := tp.Publish(context.Background(), 1); err != nil {
					done <- err
				}
				n.Add(1)
			}
			done <- nil
		}
		if asleep {
			go publish()
			for n.Load() < 4 {
				time.Sleep(time.Millisecond)
			}
		}
		p.Kill()
		if !asleep {
			go publish()
		}
		mustNot(t, <-done)
	}
}

func TestTopicAllocatesNothing(t *testing.T) {
	_, tp := topicAt[[8]int64](t, ipctest.Key(t), 16)
	s := subscribe(t, tp, Gated)
	ctx := t.Context()
	batch := make([][8]int64, 4)
	n := testing.AllocsPerRun(100, func() {
		_ = tp.Publish(ctx, batch[0])
		_, _ = tp.PublishBatch(ctx, batch)
		for range 5 {
			_, _, _ = s.Next(ctx)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTopic(b *testing.B) {
	_, tp := topicAt[[8]int64](b, ipctest.Key(b), 1024)
	s := subscribe(b, tp, Lossy)
	ctx := b.Context()
	b.Run("publish", func(b *testing.B) {
		for b.Loop() {
			_ = tp.Publish(ctx, [8]int64{})
		}
	})
	b.Run("both", func(b *testing.B) {
		for b.Loop() {
			_ = tp.Publish(ctx, [8]int64{})
			_, _, _ = s.Next(ctx)
		}
	})
}
