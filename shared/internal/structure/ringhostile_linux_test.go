package structure

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// hostileWord returns what may stand where a word is expected.
func hostileWord(rng *rand.Rand) uint64 {
	switch rng.IntN(6) {
	case 0:
		return rng.Uint64()
	case 1:
		return ^uint64(0)
	case 2:
		return rng.Uint64N(8) | rng.Uint64N(4)<<slotShift | rng.Uint64N(4)<<lapShift
	case 3:
		return rng.Uint64N(16)
	case 4:
		return 1 << rng.IntN(64)
	}
	return 0
}

// useAll calls everything; what comes back must be an answer or an error in words.
func useAll(t *testing.T, c *Ring) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	buf := make([][12]int64, 3)
	_, err1 := TryReceive(c, &buf[0])
	_, err2 := TrySend(c, &buf[0])
	_, err3 := SendBatch(ctx, c, buf)
	_, err4 := ReceiveBatch(ctx, c, buf)
	err5 := Handle(ctx, c, func([12]int64) error { return nil })
	n, err6 := c.Len()
	if n < 0 || n > c.Cap() {
		t.Errorf("%d messages", n)
	}
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil && !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrChanClosed) && !errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
	}
}

func hostileChan(t *testing.T) (*core.Region, *Ring, []byte) {
	t.Helper()
	r := regionAt(t, ipctest.Key(t))
	c, err := DeclareChan(r, "c", shapeOf[[12]int64](), 4)
	mustNot(t, err)
	return r, c, r.View.Load().Bytes[c.Offset : c.Offset+c.Structure.Size]
}

func scribble(rng *rand.Rand, b []byte) {
	for range 1 + rng.IntN(12) {
		i := rng.IntN(len(b) / 8)
		if rng.IntN(2) == 0 { // a word of the head, or of a cell
			i = []int{0, 8, 16, 17, 24, 32, 40, 56, 72, 88}[rng.IntN(10)]
		}
		*wordAt(b, i) = hostileWord(rng)
	}
}

func TestChanHostileBytes(t *testing.T) {
	t.Parallel()
	r, c, b := hostileChan(t)
	around := append([]byte(nil), r.View.Load().Bytes[r.Plan.Heap:c.Offset]...)
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clear(b)
		atomic.StoreUint64(&c.sends, 0)
		atomic.StoreUint64(&c.takes, 0)
		for range rng.IntN(10) {
			m := [12]int64{1}
			_, _ = TrySend(c, &m)
			if rng.IntN(2) == 0 {
				_, _ = TryReceive(c, &m)
			}
		}
		scribble(rng, b)
		useAll(t, c)
		repairChan(r.View.Load(), c.Structure, core.Owner(rng.Uint64()))
		useAll(t, c)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for i, old := range around {
		if r.View.Load().Bytes[r.Plan.Heap+uint64(i)] != old {
			t.Fatal("a write beside the channel")
		}
	}
}

// While the channel is used another goroutine writes into it all the time.
func TestChanHostileWriter(t *testing.T) {
	t.Parallel()
	_, c, b := hostileChan(t)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for rng := rand.New(rand.NewPCG(1, 2)); !stop.Load(); {
			i := rng.IntN(len(b) / 8)
			atomic.StoreUint64(wordAt(b, i), hostileWord(rng))
		}
	})
	for range 40 {
		useAll(t, c)
	}
	stop.Store(true)
	wg.Wait()
}

// What the directory says of a channel is not believed.
func TestChanHostileEntry(t *testing.T) {
	t.Parallel()
	r, c, _ := hostileChan(t)
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := c.Structure
		w.Params[rng.IntN(2)] = hostileWord(rng)
		if rng.IntN(3) == 0 {
			w.Params[1] = 1 << rng.IntN(64)
		}
		if ring, ok := RingOf(w); ok && (ring.start < w.Offset || ring.start+(ring.mask+1)*ring.stride > w.Offset+w.Size) {
			t.Fatalf("a ring of %d messages of %d bytes lies outside", ring.mask+1, ring.size)
		}
		repairChan(r.View.Load(), w, r.ID)
	}
}

func wordAt(b []byte, i int) *uint64 { return (*uint64)(unsafe.Pointer(&b[8*i])) }
