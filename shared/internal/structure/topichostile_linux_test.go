package structure

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func useTopic(t *testing.T, tp *Topic, subs ...*Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
	defer cancel()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	var m [12]int64
	note(tp.Publish(ctx, core.ValueOf(&m), 1))
	note(tp.Publish(ctx, core.ValuesOf(make([][12]int64, tp.Batch())), tp.Batch()))
	_, err := tp.Latest(core.ValueOf(&m))
	note(err)
	for _, s := range subs {
		_, err = s.Next(ctx, core.ValueOf(&m))
		note(err)
	}
	s, err := tp.Subscribe(true)
	note(err)
	if err == nil {
		note(s.Close())
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
}

func TestTopicHostileBytes(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	c, err := DeclareTopic(r, "t", shapeOf[[12]int64](), 4)
	mustNot(t, err)
	v := r.View.Load()
	b := v.Bytes[c.Offset : c.Offset+c.Structure.Size]
	around := append([]byte(nil), v.Bytes[r.Plan.Heap:c.Offset]...)
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clear(b)
		lossy, err := c.Subscribe(false)
		mustNot(t, err)
		gated, err := c.Subscribe(true)
		mustNot(t, err)
		subs := []*Subscription{lossy, gated}
		for range 1 + rng.IntN(6) {
			i := rng.IntN(len(b) / 8)
			if rng.IntN(2) == 0 {
				i = []int{8, 9, 16, 24, 40, 40, 41, 42, 48}[rng.IntN(9)]
			}
			if i >= 5 { // not the lock: its holder might live
				*wordAt(b, i) = hostileWord(rng)
			}
		}
		useTopic(t, c, subs...)
		repairTopic(v, c.Structure, core.Owner(rng.Uint64()))
		useTopic(t, c, subs...)
		for _, s := range subs {
			_ = s.Close()
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if string(around) != string(v.Bytes[r.Plan.Heap:c.Offset]) {
		t.Error("a write beside the topic")
	}
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := c.Structure
		w.Params[rng.IntN(3)] = hostileWord(rng)
		if c, ok := TopicOf(w); ok && c.start+(c.mask+1)*c.stride > w.Offset+w.Size {
			t.Fatal("a topic lies outside")
		}
	}
}

func TestTopicHostileWriter(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	c, err := DeclareTopic(r, "t", shapeOf[[12]int64](), 4)
	mustNot(t, err)
	b := r.View.Load().Bytes[c.Offset : c.Offset+c.Structure.Size]
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for rng := rand.New(rand.NewPCG(1, 2)); !stop.Load(); {
			atomic.StoreUint64(wordAt(b, 5+rng.IntN(len(b)/8-5)), hostileWord(rng))
		}
	})
	for range 40 {
		s, err := c.Subscribe(false)
		mustNot(t, err)
		useTopic(t, c, s)
	}
	stop.Store(true)
	wg.Wait()
}
