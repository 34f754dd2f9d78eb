package shared

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

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// hostileWord returns what may stand where a word is expected.
func hostileWord(rng *rand.Rand) uint64 {
	switch rng.IntN(6) {
	case 0:
		return rng.Uint64()
	case 1:
		return ^uint64(0)
	case 2:
		return rng.Uint64N(8) | rng.Uint64N(4)<<structure.SlotShift | rng.Uint64N(4)<<structure.LapShift
	case 3:
		return rng.Uint64N(16)
	case 4:
		return 1 << rng.IntN(64)
	}
	return 0
}

// useAll calls everything; what comes back must be an answer or an error in words.
func useAll(t *testing.T, c *Chan[[12]int64]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	buf := make([][12]int64, 3)
	_, _, err1 := c.TryReceive()
	_, err2 := c.TrySend(buf[0])
	_, err3 := c.SendBatch(ctx, buf)
	_, err4 := c.ReceiveBatch(ctx, buf)
	err5 := c.Handle(ctx, func([12]int64) error { return nil })
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

func hostileChan(t *testing.T) (*Region, *Chan[[12]int64], []byte) {
	t.Helper()
	r, err := EnsureKey(context.Background(), sysvipc.Key(ipctest.Key(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c, err := ChanOf[[12]int64](r, "c", 4)
	if err != nil {
		t.Fatal(err)
	}
	return r, c, core.Of(r).View.Load().Bytes[c.ring.Offset : c.ring.Offset+c.ring.Structure.Size]
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
	around := append([]byte(nil), core.Of(r).View.Load().Bytes[core.Of(r).Plan.Heap:c.ring.Offset]...)
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clear(b)
		atomic.StoreUint64(&c.ring.Sends, 0)
		atomic.StoreUint64(&c.ring.Takes, 0)
		for range rng.IntN(10) {
			_, _ = c.TrySend([12]int64{1})
			if rng.IntN(2) == 0 {
				_, _, _ = c.TryReceive()
			}
		}
		scribble(rng, b)
		useAll(t, c)
		structure.RepairChan(core.Of(r).View.Load(), c.ring.Structure, core.Owner(rng.Uint64()))
		useAll(t, c)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for i, old := range around {
		if core.Of(r).View.Load().Bytes[core.Of(r).Plan.Heap+uint64(i)] != old {
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
		w := c.ring.Structure
		w.Params[rng.IntN(2)] = hostileWord(rng)
		if rng.IntN(3) == 0 {
			w.Params[1] = 1 << rng.IntN(64)
		}
		if ring, ok := structure.RingOf(w); ok && (ring.Start < w.Offset || ring.Start+(ring.Mask+1)*ring.Stride > w.Offset+w.Size) {
			t.Fatalf("a ring of %d messages of %d bytes lies outside", ring.Mask+1, ring.Size)
		}
		structure.RepairChan(core.Of(r).View.Load(), w, core.Of(r).ID)
	}
}

func wordAt(b []byte, i int) *uint64 { return (*uint64)(unsafe.Pointer(&b[8*i])) }
