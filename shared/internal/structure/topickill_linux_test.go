package structure

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func topicOf[T any](capacity int) func(r *core.Region) (*Topic, error) {
	return func(r *core.Region) (*Topic, error) { return DeclareTopic(r, "t", shapeOf[T](), capacity) }
}

// The points between two steps of a publisher and of a gated subscriber, and what others must then see of a topic to which 1
// was published before, 2 is by the victim, and 3 after.
var topicKillPoints = pointsOf("topic", topicOf[int64](4), []killPoint[*Topic, []int64]{
	{"publisher has the lock", func(c *Topic, v *core.View) { lockNow(c.Region, v, &c.head(v).lock) }, []int64{1, 3}},
	{"publisher intends", func(c *Topic, v *core.View) { lockNow(c.Region, v, &c.head(v).lock); c.intend(v, 1) }, []int64{1, 3}},
	{"publisher has half filled", func(c *Topic, v *core.View) {
		lockNow(c.Region, v, &c.head(v).lock)
		*(*int32)(c.cell(v, c.intend(v, 1))) = -1
	}, []int64{1, 3}},
	{"publisher has filled", func(c *Topic, v *core.View) {
		lockNow(c.Region, v, &c.head(v).lock)
		m := int64(2)
		c.fill(v, c.intend(v, 1), unsafe.Pointer(&m), 1)
	}, []int64{1, 3}},
	{"publisher has committed", func(c *Topic, v *core.View) {
		lockNow(c.Region, v, &c.head(v).lock)
		m := int64(2)
		p := c.intend(v, 1)
		c.fill(v, p, unsafe.Pointer(&m), 1)
		c.commit(v, p+1)
	}, []int64{1, 2, 3}},
	{"publisher has unlocked and woken nobody", func(c *Topic, v *core.View) {
		g := lockNow(c.Region, v, &c.head(v).lock)
		m := int64(2)
		p := c.intend(v, 1)
		c.fill(v, p, unsafe.Pointer(&m), 1)
		c.commit(v, p+1)
		g.Unlock(&c.head(v).lock)
	}, []int64{1, 2, 3}},
	{"subscriber has taken a gate", func(c *Topic, v *core.View) {
		atomic.StoreUint64(&c.gate(v, 1).owner, uint64(c.Region.ID))
	}, []int64{1, 3}},
	{"subscriber has joined", func(c *Topic, v *core.View) {
		s := &Subscription{topic: c}
		_ = s.join(v)
	}, []int64{1, 3}},
	{"subscriber has copied", func(c *Topic, v *core.View) {
		s := &Subscription{topic: c}
		_ = s.join(v)
		atomic.StoreUint64(&c.gate(v, s.gate).cursor, s.cursor-1) // it was there before 1
	}, []int64{1, 3}},
	{"subscriber has advanced and woken nobody", func(c *Topic, v *core.View) {
		s := &Subscription{topic: c}
		_ = s.join(v)
		atomic.StoreUint64(&c.gate(v, s.gate).cursor, s.cursor)
	}, []int64{1, 3}},
	{"subscriber has half left", func(c *Topic, v *core.View) {
		s := &Subscription{topic: c}
		_ = s.join(v)
		atomic.StoreUint64(&c.gate(v, s.gate).joined, 0)
	}, []int64{1, 3}},
})

func TestTopicKillPoints(t *testing.T) {
	t.Parallel()
	topicKillPoints.each(t, func(t *testing.T, k killCase[*Topic, []int64]) {
		s, err := k.it.Subscribe(true)
		mustNot(t, err)
		publish := func(m int64) { mustNot(t, k.it.Publish(k.ctx, core.ValueOf(&m), 1)) }
		publish(1)
		p := k.start()
		got := make(chan int64, 100)
		receive := func() {
			defer close(got)
			for m := int64(0); m != 100; {
				if _, err := s.Next(k.ctx, core.ValueOf(&m)); err != nil {
					t.Error(err)
					return
				}
				got <- m
			}
		}
		want := k.want
		if k.asleep {
			go receive()
			if m := <-got; m != 1 {
				t.Fatalf("got %d", m)
			}
			want = want[1:]
		}
		p.Kill()
		if !k.asleep {
			go receive()
		}
		for m := int64(3); m <= 20; m++ { // several times round
			publish(m)
			if m > 3 {
				want = append(want[:len(want):len(want)], m)
			}
		}
		publish(100)
		for _, m := range append(want, 100) {
			if g := <-got; g != m {
				t.Fatalf("got %d, want %d", g, m)
			}
		}
		if m, ok := <-got; ok {
			t.Errorf("got %d behind the end", m)
		}
		v := k.region.View.Load()
		for i := range k.it.count {
			if g := k.it.gate(v, i); i != s.gate && (g.owner != 0 || g.joined != 0) {
				if !k.region.ReapDead(v) || g.owner != 0 || g.joined != 0 {
					t.Errorf("gate %d is left", i)
				}
			}
		}
	})
}
