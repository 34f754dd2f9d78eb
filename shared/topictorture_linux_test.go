package shared

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

type tick struct{ From, Number, Check uint64 }

func tickOf(from, n uint64) tick { return tick{from, n, from*1000003 ^ n} }

var topicPublisher = worker("topic publisher", func(c *ipctest.ChildEnv, r *Region) {
	from, err := strconv.ParseUint(c.Args[0], 10, 64)
	c.Check(err)
	tp, err := TopicOf[tick](r, "t", 32)
	c.Check(err)
	acked, err := CounterOf(r, c.Args[0])
	c.Check(err)
	c.Say("ready")
	for n := uint64(1); ; n++ {
		if n%3 == 0 {
			_, err = tp.PublishBatch(context.Background(), []tick{tickOf(from, n), tickOf(from, n+1)})
			n++
		} else {
			err = tp.Publish(context.Background(), tickOf(from, n))
		}
		c.Check(err)
		c.Check(acked.Store(int64(n)))
	}
})

var topicReader = worker("topic reader", func(c *ipctest.ChildEnv, r *Region) {
	tp, err := TopicOf[tick](r, "t", 32)
	c.Check(err)
	s, err := tp.Subscribe(Gated)
	c.Check(err)
	c.Say("ready")
	for m, err := range s.All(context.Background()) {
		c.Check(err)
		if m != tickOf(m.From, m.Number) {
			c.Fatalf("torn: %v", m)
		}
	}
})

// Publishers and gated subscribers are killed at random. A gated subscriber of this process
// gets all that was acknowledged, whole, once and in order; a lossy one's count is exact.
func TestTopicTorture(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key := ipctest.Key(t)
	r, tp := topicAt[tick](t, key, 32)
	gated, lossy := subscribe(t, tp, Gated), subscribe(t, tp, Lossy)
	var last [64]uint64
	total := atomic.Uint64{}
	end := tickOf(99, 99)
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for m, err := range gated.All(ctx) {
			if err != nil || m == end {
				mustBe(t, err == nil, "%v", err)
				return
			}
			if m != tickOf(m.From, m.Number) || m.Number != last[m.From]+1 {
				t.Errorf("got %v after number %d", m, last[m.From])
				return
			}
			last[m.From] = m.Number
			total.Add(1)
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		seen := uint64(0)
		for m, err := range lossy.All(ctx) {
			if seen++; err != nil || m == end {
				n, _ := tp.Published()
				mustBe(t, err == nil && seen+lossy.Lost() == n, "%d seen and %d lost of %d (%v)", seen, lossy.Lost(), n, err)
				return
			}
			if m != tickOf(m.From, m.Number) {
				t.Errorf("torn: %v", m)
				return
			}
		}
	}()
	next := 0
	start := func(i int) *ipctest.Process {
		role := topicReader
		if i < 2 {
			role = topicPublisher
			next++
		}
		return startWorker(t, role, key, strconv.Itoa(next-1))
	}
	var all [3]*ipctest.Process
	for i := range all {
		all[i] = start(i)
	}
	torture(all[:], []int{0, 1, 2}, killsOr(12), 500, total.Load, start)
	for _, p := range all {
		p.Kill()
	}
	mustNot(t, tp.Publish(ctx, end))
	<-done
	<-done
	for i := range next {
		acked, err := CounterOf(r, strconv.Itoa(i))
		mustNot(t, err)
		n, err := acked.Load()
		if err != nil || last[i] < uint64(n) || last[i] > uint64(n)+2 {
			t.Errorf("publisher %d: %d were acknowledged and %d came (%v)", i, n, last[i], err)
		}
	}
	t.Logf("%d messages of %d publishers, %d lost by who may lose", total.Load(), next, lossy.Lost())
}

func mustBe(t testing.TB, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Errorf(format, args...)
	}
}
