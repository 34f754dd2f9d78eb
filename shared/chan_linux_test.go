package shared_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

var background = context.Background()

func chanOf[T any](t testing.TB, r *shared.Region, name string, capacity int) *shared.Chan[T] {
	t.Helper()
	c, err := shared.ChanOf[T](r, name, capacity)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// childChan is the channel "c" of the region with the key in the first argument.
func childChan[T any](c *ipctest.ChildEnv, capacity int) *shared.Chan[T] {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(background, key, nil)
	c.Check(err)
	ch, err := shared.ChanOf[T](r, "c", capacity)
	c.Check(err)
	return ch
}

func TestChanTry(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 2, 3, 64} {
		c := chanOf[int32](t, ensure(t, ipctest.Key(t)), "c", capacity)
		sent, got := int32(0), int32(0)
		for range 5 {
			for {
				ok, err := c.TrySend(sent)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				sent++
			}
			if n, err := c.Len(); err != nil || n != c.Cap() || n < capacity || int(sent-got) != n {
				t.Fatalf("a full channel for %d has %d of %d messages, %d were sent (%v)", capacity, n, c.Cap(), sent-got, err)
			}
			for n := range c.Cap() - int(sent)%2 {
				m, ok, err := c.TryReceive()
				if !ok || m != got || err != nil {
					t.Fatalf("message %d of a full channel: %d %v %v, want %d", n, m, ok, err, got)
				}
				got++
			}
		}
		for ; got < sent; got++ {
			if m, err := c.Receive(background); m != got || err != nil {
				t.Fatalf("got %d (%v), want %d", m, err, got)
			}
		}
		if m, ok, err := c.TryReceive(); ok || err != nil {
			t.Errorf("an empty channel has %d (%v)", m, err)
		}
		if n, err := c.Len(); n != 0 || err != nil {
			t.Errorf("an empty channel has %d messages (%v)", n, err)
		}
	}
}

func TestChanClose(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	for _, capacity := range []int{1, 4} {
		c := chanOf[[7]int64](t, r, "c"+strings.Repeat("x", capacity), capacity)
		for i := range c.Cap() {
			if err := c.Send(background, [7]int64{int64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		blocked := make(chan error)
		go func() { blocked <- c.Send(background, [7]int64{}) }()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-blocked; !errors.Is(err, shared.ErrChanClosed) {
			t.Errorf("a waiting sender got %v", err)
		}
		if ok, err := c.TrySend([7]int64{}); ok || !errors.Is(err, shared.ErrChanClosed) {
			t.Errorf("sent to a closed channel: %v %v", ok, err)
		}
		n := 0
		for m, err := range c.All(background) {
			if err != nil || m[0] != int64(n) {
				t.Fatalf("got %v (%v), want %d", m, err, n)
			}
			n++
		}
		if n != c.Cap() {
			t.Errorf("%d messages after Close, want %d", n, c.Cap())
		}
		if _, _, err := c.TryReceive(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
		if _, err := c.ReceiveBatch(background, make([][7]int64, 2)); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
		again := chanOf[[7]int64](t, r, "c"+strings.Repeat("x", capacity), capacity)
		if _, err := again.Receive(background); err != io.EOF {
			t.Errorf("opened again: %v", err)
		}
	}
}

// The end comes when the last message is handled, and not while it may yet come back.
func TestChanEndWaitsForHandlers(t *testing.T) {
	t.Parallel()
	c := chanOf[int64](t, ensure(t, ipctest.Key(t)), "c", 4)
	if n, err := c.SendBatch(background, []int64{1, 2}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	sorry := errors.New("sorry")
	var rest []int64
	collected := make(chan error)
	err := c.Handle(background, func(m int64) error {
		if m != 1 {
			t.Errorf("handling %d, want 1", m)
		}
		go func() {
			for m, err := range c.All(background) {
				if err != nil {
					t.Error(err)
				}
				rest = append(rest, m)
			}
			close(collected)
		}()
		for n := 2; n > 0; n, _ = c.Len() {
		}
		return sorry
	})
	if err != sorry {
		t.Errorf("got %v", err)
	}
	<-collected
	if len(rest) != 2 || rest[0] != 2 || rest[1] != 1 {
		t.Errorf("after a message was put back: %v, want 2 1", rest)
	}
}

func TestChanHandlePanics(t *testing.T) {
	t.Parallel()
	c := chanOf[int64](t, ensure(t, ipctest.Key(t)), "c", 1)
	if err := c.Send(background, 5); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = c.Handle(background, func(int64) error { panic("no") })
	}()
	if m, ok, err := c.TryReceive(); m != 5 || !ok || err != nil {
		t.Errorf("after a panic: %d %v %v", m, ok, err)
	}
	if err := c.Send(background, 6); err != nil {
		t.Fatal(err)
	}
	if err := c.Handle(background, func(m int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Len(); n != 0 || err != nil {
		t.Errorf("%d messages after they were handled (%v)", n, err)
	}
}

func TestChanContext(t *testing.T) {
	t.Parallel()
	c := chanOf[int64](t, ensure(t, ipctest.Key(t)), "c", 2)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	if _, err := c.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive: %v", err)
	}
	if n, err := c.SendBatch(ctx, []int64{1, 2, 3}); n != 2 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: %d, %v", n, err)
	}
	buf := make([]int64, 3)
	if n, err := c.ReceiveBatch(ctx, buf); n != 2 || err != nil || buf[1] != 2 {
		t.Errorf("receive: %d %v, %v", n, buf, err)
	}
	if n, err := c.ReceiveBatch(background, nil); n != 0 || err != nil {
		t.Errorf("receive nothing: %d, %v", n, err)
	}
}

func TestChanRegionCloses(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	stays := chanOf[int64](t, ensure(t, key), "c", 4)
	r := ensure(t, key)
	c := chanOf[int64](t, r, "c", 4)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for {
				var err error
				if i%2 == 0 {
					err = c.Send(background, 1)
				} else {
					_, err = c.Receive(background)
				}
				if err != nil {
					if !errors.Is(err, fs.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if _, err := c.Len(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	// The others go on: nothing stays claimed.
	for ok := true; ok; {
		var err error
		if _, ok, err = stays.TryReceive(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(9) {
		ctx, cancel := context.WithTimeout(background, time.Minute)
		if err := stays.Send(ctx, i); err != nil {
			t.Fatal(err)
		}
		if m, err := stays.Receive(ctx); m != i || err != nil {
			t.Fatalf("got %d (%v), want %d", m, err, i)
		}
		cancel()
	}
}

func TestChanRefuses(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	chanOf[int64](t, r, "c", 8)
	for _, capacity := range []int{-1, 0, math.MaxInt, 1 << 30, 16} {
		if _, err := shared.ChanOf[int64](r, "c", capacity); err == nil {
			t.Errorf("a capacity of %d", capacity)
		} else {
			t.Log(err)
		}
	}
	if _, err := shared.ChanOf[string](r, "s", 8); err == nil {
		t.Error("a channel of strings")
	}
	if _, err := shared.ChanOf[int32](r, "c", 8); err == nil {
		t.Error("a channel of another type")
	}
}

func TestChanAllocatesNothing(t *testing.T) {
	c := chanOf[[7]int64](t, ensure(t, ipctest.Key(t)), "c", 64)
	buf := make([][7]int64, 16)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	n := testing.AllocsPerRun(100, func() {
		_ = c.Send(ctx, buf[0])
		_, _ = c.Receive(ctx)
		_, _ = c.SendBatch(ctx, buf)
		_, _ = c.ReceiveBatch(ctx, buf)
		_, _ = c.TrySend(buf[0])
		_, _, _ = c.TryReceive()
		_ = c.Send(ctx, buf[0])
		_ = c.Handle(ctx, func([7]int64) error { return nil })
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
