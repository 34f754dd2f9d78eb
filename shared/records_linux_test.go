package shared

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func recordsAt(t testing.TB, key int32, size int) (*Region, *Records) {
	t.Helper()
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	q, err := RecordsOf(r, "q", size)
	if err != nil {
		t.Fatal(err)
	}
	return r, q
}

// Records of all lengths, which wrap at all places, come as they went.
func TestRecords(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, q := recordsAt(t, ipctest.Key(t), 1000)
	if q.MaxLen() != 1024-16 {
		t.Errorf("the longest has %d bytes", q.MaxLen())
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var sent [][]byte
	var buf []byte
	for i := range 5000 {
		if rng.IntN(2) == 0 {
			b := bytes.Repeat([]byte{byte(i)}, rng.IntN(1<<rng.IntN(10)))
			if i%500 == 0 {
				b = make([]byte, q.MaxLen())
			}
			short, cancel := context.WithCancel(ctx)
			cancel()
			err := q.Send(short, b) // only if there is room now
			if err == nil {
				sent = append(sent, b)
			} else if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		} else if len(sent) > 0 {
			var err error
			if buf, err = q.Receive(ctx, buf); err != nil || !bytes.Equal(buf, sent[0]) {
				t.Fatalf("record %d: got % x (%v), want % x", i, buf, err, sent[0])
			}
			sent = sent[1:]
		}
		if n, err := q.Len(); n != len(sent) || err != nil {
			t.Fatalf("%d records (%v), want %d", n, err, len(sent))
		}
	}
	if err := q.Send(ctx, make([]byte, q.MaxLen()+1)); !errors.Is(err, sysvipc.ErrTooBig) {
		t.Errorf("got %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Millisecond)
	defer cancel()
	for range 20 {
		if err := q.Send(short, make([]byte, 100)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	mustNot(t, q.Close(ctx), q.Close(ctx))
	if err := q.Send(ctx, nil); !errors.Is(err, ErrChanClosed) {
		t.Errorf("got %v", err)
	}
	for _, err := range q.All(ctx) {
		mustNot(t, err)
	}
	if _, err := q.Receive(ctx, nil); err != io.EOF {
		t.Errorf("got %v at the end", err)
	}
}

func TestRecordsLoans(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, q := recordsAt(t, ipctest.Key(t), 4096)
	mustNot(t, q.Fill(ctx, 100, strings.NewReader("read").Read))
	stop := errors.New("stop")
	if err := q.Fill(ctx, 100, func(b []byte) (int, error) { return 5, stop }); err != stop {
		t.Errorf("got %v", err)
	}
	if err := q.Fill(ctx, 10, func(b []byte) (int, error) { return 11, nil }); err == nil {
		t.Error("more than there was room for")
	}
	panics := func(f func()) {
		defer func() { _ = recover() }()
		f()
	}
	panics(func() { _ = q.Fill(ctx, 10, func([]byte) (int, error) { panic("no") }) })
	mustNot(t, q.Fill(ctx, 10, func(b []byte) (int, error) {
		if cap(b) != 10 {
			t.Errorf("room for %d bytes", cap(b))
		}
		return copy(b, "second"), nil
	}))
	if err := q.Handle(ctx, func([]byte) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
	panics(func() { _ = q.Handle(ctx, func([]byte) error { panic("no") }) })
	for _, want := range []string{"read", "second"} {
		mustNot(t, q.Handle(ctx, func(b []byte) error {
			if string(b) != want {
				t.Errorf("got %q, want %q", b, want)
			}
			return nil
		}))
	}
	// A record that is being handled does not hold up others; one that is being filled does.
	mustNot(t, q.Send(ctx, []byte("a")), q.Send(ctx, []byte("b")))
	mustNot(t, q.Handle(ctx, func([]byte) error {
		b, err := q.Receive(ctx, nil)
		if string(b) != "b" {
			t.Errorf("got %q", b)
		}
		return err
	}))
	mustNot(t, q.Fill(ctx, 1, func(b []byte) (int, error) {
		mustNot(t, q.Send(ctx, []byte("later")))
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if b, err := q.Receive(short, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %q (%v)", b, err)
		}
		return 1, nil
	}))
}

func TestRecordsManyUsers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	key := ipctest.Key(t)
	const users, each = 4, 500
	var senders, receivers sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	_, q := recordsAt(t, key, 1024)
	for u := range users {
		_, mine := recordsAt(t, key, 1024)
		senders.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d-%d-%s", u, i, strings.Repeat("x", i%200))
				mustBe(t, mine.Send(ctx, []byte(text)) == nil, "cannot send")
			}
		})
		receivers.Go(func() {
			for b, err := range mine.All(ctx) {
				mustBe(t, err == nil, "%v", err)
				mu.Lock()
				seen[string(b)]++
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	mustNot(t, q.Close(ctx))
	receivers.Wait()
	if len(seen) != users*each {
		t.Errorf("%d records, want %d", len(seen), users*each)
	}
	for text, n := range seen {
		mustBe(t, n == 1, "%q came %d times", text, n)
	}
}

func TestRecordsCloseOfRegion(t *testing.T) {
	t.Parallel()
	r, q := recordsAt(t, ipctest.Key(t), 256)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			_, err := q.Receive(context.Background(), nil)
			mustBe(t, errors.Is(err, fs.ErrClosed), "got %v", err)
		})
	}
	mustNot(t, r.Close())
	wg.Wait()
	if err := q.Send(t.Context(), nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := q.Close(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRecordsRefuses(t *testing.T) {
	t.Parallel()
	r, _ := recordsAt(t, ipctest.Key(t), 256)
	for _, size := range []int{-1, 0, 127, 512} {
		if _, err := RecordsOf(r, "q", size); err == nil {
			t.Errorf("room of %d bytes", size)
		}
	}
}

// A loan costs the same whatever its size, and nothing is allocated.
func BenchmarkRecords(b *testing.B) {
	_, q := recordsAt(b, ipctest.Key(b), 8<<20)
	ctx := b.Context()
	for _, size := range []int{64, 1 << 20} {
		b.Run(fmt.Sprintf("loan of %d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = q.Fill(ctx, size, func(b []byte) (int, error) { b[0] = 1; return size, nil })
				_ = q.Handle(ctx, func(b []byte) error { return nil })
			}
		})
	}
	b.Run("copy of 64", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 64)
		for b.Loop() {
			_ = q.Send(ctx, buf)
			buf, _ = q.Receive(ctx, buf)
		}
	})
}
