package shared

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
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

func useTopic(t *testing.T, tp *Topic[[12]int64], subs ...*Subscription[[12]int64]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
	defer cancel()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	note(tp.Publish(ctx, [12]int64{}))
	_, err := tp.PublishBatch(ctx, make([][12]int64, 3))
	note(err)
	_, _, err = tp.Latest()
	note(err)
	for _, s := range subs {
		_, _, err = s.Next(ctx)
		note(err)
	}
	s, err := tp.Subscribe(Gated)
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
	r, tp := topicAt[[12]int64](t, ipctest.Key(t), 4)
	c := tp.topic
	v := core.Of(r).View.Load()
	b := v.Bytes[c.Offset : c.Offset+c.Structure.Size]
	around := append([]byte(nil), v.Bytes[core.Of(r).Plan.Heap:c.Offset]...)
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clear(b)
		subs := []*Subscription[[12]int64]{subscribe(t, tp, Lossy), subscribe(t, tp, Gated)}
		for range 1 + rng.IntN(6) {
			i := rng.IntN(len(b) / 8)
			if rng.IntN(2) == 0 {
				i = []int{8, 9, 16, 24, 40, 40, 41, 42, 48}[rng.IntN(9)]
			}
			if i >= 5 { // not the lock: its holder might live
				*wordAt(b, i) = hostileWord(rng)
			}
		}
		useTopic(t, tp, subs...)
		structure.RepairTopic(v, c.Structure, core.Owner(rng.Uint64()))
		useTopic(t, tp, subs...)
		for _, s := range subs {
			_ = s.Close()
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if string(around) != string(v.Bytes[core.Of(r).Plan.Heap:c.Offset]) {
		t.Error("a write beside the topic")
	}
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := c.Structure
		w.Params[rng.IntN(3)] = hostileWord(rng)
		if c, ok := structure.TopicOf(w); ok && c.Start+(c.Mask+1)*c.Stride > w.Offset+w.Size {
			t.Fatal("a topic lies outside")
		}
	}
}

func TestTopicHostileWriter(t *testing.T) {
	t.Parallel()
	r, tp := topicAt[[12]int64](t, ipctest.Key(t), 4)
	c := tp.topic
	b := core.Of(r).View.Load().Bytes[c.Offset : c.Offset+c.Structure.Size]
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for rng := rand.New(rand.NewPCG(1, 2)); !stop.Load(); {
			atomic.StoreUint64(wordAt(b, 5+rng.IntN(len(b)/8-5)), hostileWord(rng))
		}
	})
	for range 40 {
		s, err := tp.Subscribe(Lossy)
		mustNot(t, err)
		useTopic(t, tp, s)
	}
	stop.Store(true)
	wg.Wait()
}
