package shared

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// The points between two steps of a publisher and of a gated subscriber, at each of which
// one is killed, and what others must then see of a topic to which 1 was published before,
// 2 is by the victim, and 3 after.
var topicKillPoints = []struct {
	name string
	stop func(c *structure.Topic, v *core.View)
	want []int64
}{
	{"publisher has the lock", func(c *structure.Topic, v *core.View) { lockNow(c.Region, v, &c.Head(v).Lock) }, []int64{1, 3}},
	{"publisher intends", func(c *structure.Topic, v *core.View) { lockNow(c.Region, v, &c.Head(v).Lock); c.Intend(v, 1) }, []int64{1, 3}},
	{"publisher has half filled", func(c *structure.Topic, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Lock)
		*(*int32)(c.Cell(v, c.Intend(v, 1))) = -1
	}, []int64{1, 3}},
	{"publisher has filled", func(c *structure.Topic, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Lock)
		m := int64(2)
		c.Fill(v, c.Intend(v, 1), unsafe.Pointer(&m), 1)
	}, []int64{1, 3}},
	{"publisher has committed", func(c *structure.Topic, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Lock)
		m := int64(2)
		p := c.Intend(v, 1)
		c.Fill(v, p, unsafe.Pointer(&m), 1)
		c.Commit(v, p+1)
	}, []int64{1, 2, 3}},
	{"publisher has unlocked and woken nobody", func(c *structure.Topic, v *core.View) {
		g := lockNow(c.Region, v, &c.Head(v).Lock)
		m := int64(2)
		p := c.Intend(v, 1)
		c.Fill(v, p, unsafe.Pointer(&m), 1)
		c.Commit(v, p+1)
		g.Unlock(&c.Head(v).Lock)
	}, []int64{1, 2, 3}},
	{"subscriber has taken a gate", func(c *structure.Topic, v *core.View) {
		atomic.StoreUint64(&c.Gate(v, 1).Owner, uint64(c.Region.ID))
	}, []int64{1, 3}},
	{"subscriber has joined", func(c *structure.Topic, v *core.View) {
		s := &structure.Subscription{Topic: c}
		_ = s.Join(v)
	}, []int64{1, 3}},
	{"subscriber has copied", func(c *structure.Topic, v *core.View) {
		s := &structure.Subscription{Topic: c}
		_ = s.Join(v)
		atomic.StoreUint64(&c.Gate(v, s.Gate).Cursor, s.Cursor-1) // it was there before 1
	}, []int64{1, 3}},
	{"subscriber has advanced and woken nobody", func(c *structure.Topic, v *core.View) {
		s := &structure.Subscription{Topic: c}
		_ = s.Join(v)
		atomic.StoreUint64(&c.Gate(v, s.Gate).Cursor, s.Cursor)
	}, []int64{1, 3}},
	{"subscriber has half left", func(c *structure.Topic, v *core.View) {
		s := &structure.Subscription{Topic: c}
		_ = s.Join(v)
		atomic.StoreUint64(&c.Gate(v, s.Gate).Joined, 0)
	}, []int64{1, 3}},
}

var topicVictim = ipctest.Register("topic victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	point, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	tp, err := TopicOf[int64](r, "t", 4)
	c.Check(err)
	topicKillPoints[point].stop(tp.topic, core.Of(r).View.Load())
	c.Say("there")
	c.Listen()
})

func TestTopicKillPoints(t *testing.T) {
	t.Parallel()
	for i, point := range topicKillPoints {
		for _, asleep := range []bool{false, true} {
			t.Run(point.name, func(t *testing.T) {
				t.Parallel()
				killTopicAt(t, i, point.want, asleep)
			})
		}
	}
}

// killTopicAt kills a process at a point, while a subscriber sleeps or not.
func killTopicAt(t *testing.T, point int, want []int64, asleep bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	key := ipctest.Key(t)
	r, tp := topicAt[int64](t, key, 4)
	s := subscribe(t, tp, Gated)
	mustNot(t, tp.Publish(ctx, 1))
	p := ipctest.Start(t, topicVictim, nil, strconv.Itoa(int(key)), strconv.Itoa(point))
	p.Expect("there")
	got := make(chan int64, 100)
	receive := func() {
		defer close(got)
		for m, err := range s.All(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			if got <- m; m == 100 {
				return
			}
		}
	}
	if asleep {
		go receive()
		if m := <-got; m != 1 {
			t.Fatalf("got %d", m)
		}
		want = want[1:]
	}
	p.Kill()
	if !asleep {
		go receive()
	}
	for m := int64(3); m <= 20; m++ { // several times round
		mustNot(t, tp.Publish(ctx, m))
		if m > 3 {
			want = append(want[:len(want):len(want)], m)
		}
	}
	mustNot(t, tp.Publish(ctx, 100))
	for _, m := range append(want, 100) {
		if g := <-got; g != m {
			t.Fatalf("got %d, want %d", g, m)
		}
	}
	if m, ok := <-got; ok && m != 100 {
		t.Errorf("got %d behind the end", m)
	}
	for i := range tp.topic.Count {
		if g := tp.topic.Gate(core.Of(r).View.Load(), i); i != s.subscriber.Gate && (g.Owner != 0 || g.Joined != 0) {
			if !core.Of(r).ReapDead(core.Of(r).View.Load()) || g.Owner != 0 || g.Joined != 0 {
				t.Errorf("gate %d is left", i)
			}
		}
	}
}

type tick struct{ From, Number, Check uint64 }

func tickOf(from, n uint64) tick { return tick{from, n, from*1000003 ^ n} }

var topicPublisher = ipctest.Register("topic publisher", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	from, err := strconv.ParseUint(c.Args[1], 10, 64)
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	tp, err := TopicOf[tick](r, "t", 32)
	c.Check(err)
	acked, err := CounterOf(r, c.Args[1])
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

var topicReader = ipctest.Register("topic reader", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
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

// killsOr returns how often a torture kills.
func killsOr(n int) int {
	return min(ipctest.Kills(n), 60) // there is room for so many publishers
}

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
		p := ipctest.Start(t, role, nil, strconv.Itoa(int(key)), strconv.Itoa(next-1))
		p.Expect("ready")
		return p
	}
	var all [3]*ipctest.Process
	for i := range all {
		all[i] = start(i)
	}
	for range killsOr(12) {
		until := total.Load() + rand.Uint64N(500)
		for limit := time.Now().Add(20 * time.Millisecond); total.Load() < until && time.Now().Before(limit); {
			time.Sleep(50 * time.Microsecond)
		}
		i := rand.IntN(len(all))
		all[i].Kill()
		all[i] = start(i)
	}
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
