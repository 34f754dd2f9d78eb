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

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func TestRecordsHostileBytes(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	c, err := DeclareRecords(r, "q", 1024)
	mustNot(t, err)
	v := r.View.Load()
	b := v.Bytes[c.Offset : c.Offset+c.Size]
	around := append([]byte(nil), v.Bytes[r.Plan.Heap:c.Offset]...)
	use := func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 3 {
			_, err1 := c.Receive(ctx, nil)
			err2 := c.Send(ctx, make([]byte, 100))
			_, err3 := c.Len()
			for _, err := range []error{err1, err2, err3} {
				if err != nil && !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrChanClosed) && err != io.EOF {
					t.Error(err)
				}
			}
		}
	}
	hostile := func(rng *rand.Rand) uint64 {
		if rng.IntN(2) == 0 {
			return hostileWord(rng)
		}
		p := rng.Uint64N(32)
		return p<<recordPlace | rng.Uint64N(4)<<recordSlot | rng.Uint64N(6)
	}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clear(b)
		for range rng.IntN(6) {
			_ = c.Send(t.Context(), make([]byte, rng.IntN(150)))
			if rng.IntN(2) == 0 {
				_, _ = c.Receive(t.Context(), nil)
			}
		}
		for range 1 + rng.IntN(8) {
			i := rng.IntN(len(b) / 8)
			if rng.IntN(2) == 0 {
				i = []int{16, 17, 24, 32, 33, 40}[rng.IntN(6)]
			} else if rng.IntN(2) == 0 {
				i = int(c.start-c.Offset)/8 + 8*rng.IntN(16) + rng.IntN(2)
			}
			if i < 5 || i > 7 && i < 13 {
				continue // the locks: their holders might live
			}
			*wordAt(b, i) = hostile(rng)
		}
		use()
		repairRecords(v, c.Structure, core.Owner(rng.Uint64()))
		use()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if string(around) != string(v.Bytes[r.Plan.Heap:c.Offset]) {
		t.Error("a write beside the records")
	}
	// While it is used another goroutine writes into it all the time.
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for rng := rand.New(rand.NewPCG(1, 2)); !stop.Load(); {
			if i := rng.IntN(len(b) / 8); i >= 16 {
				atomic.StoreUint64(wordAt(b, i), hostile(rng))
			}
		}
	})
	for range 50 {
		use()
	}
	stop.Store(true)
	wg.Wait()
}
