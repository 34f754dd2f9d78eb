package structure

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func recordsOf(size int) func(r *core.Region) (*Records, error) {
	return func(r *core.Region) (*Records, error) { return DeclareRecords(r, "q", size) }
}

// The points between two steps of a sender, a receiver and a closer, and what must then come out of a channel of 4 lines into
// which "1" was sent before, "2" is by the victim, and "3" after.
var recordsKillPoints = pointsOf("records", recordsOf(4*core.Line), []killPoint[*Records, string]{
	{"sender has the lock", func(c *Records, v *core.View) { lockNow(c.Region, v, &c.head(v).send) }, "1 3"},
	{"sender has written a head", func(c *Records, v *core.View) {
		lockNow(c.Region, v, &c.head(v).send)
		tail := c.head(v).tail
		_, _ = c.put(v, 1)
		c.head(v).tail = tail
	}, "1 3"},
	{"sender has a place and the lock", func(c *Records, v *core.View) {
		lockNow(c.Region, v, &c.head(v).send)
		_, _ = c.put(v, 1)
	}, "1 3"},
	{"sender has filled the rest of the room", func(c *Records, v *core.View) {
		lockNow(c.Region, v, &c.head(v).send)
		h := c.head(v)
		c.Write(v, h.tail, 0, c.room-h.tail%c.room, recordGone)
	}, "1 3"},
	{"sender has a place", func(c *Records, v *core.View) { _, _ = c.claimRoom(context.Background(), v, 1) }, "1 3"},
	{"two senders have places", func(c *Records, v *core.View) {
		_, _ = c.claimRoom(context.Background(), v, 1)
		_, _ = c.claimRoom(context.Background(), v, 1)
	}, "1 3"},
	{"sender has written", func(c *Records, v *core.View) {
		p, _ := c.claimRoom(context.Background(), v, 1)
		c.bytes(v, p, 1)[0] = '2'
		*c.at(v, p).lengths() = pack([2]uint32{1, 1})
	}, "1 3"},
	{"sender has sent and woken nobody", func(c *Records, v *core.View) {
		p, _ := c.claimRoom(context.Background(), v, 1)
		c.bytes(v, p, 1)[0] = '2'
		_ = c.commit(v, p, 1, 1)
	}, "1 2 3"},
	{"sender has abandoned and woken nobody", func(c *Records, v *core.View) {
		p, _ := c.claimRoom(context.Background(), v, 1)
		c.at(v, p).state = c.mark(p, recordGone)
	}, "1 3"},
	{"receiver has the lock", func(c *Records, v *core.View) { lockNow(c.Region, v, &c.head(v).receive) }, "1 3"},
	{"receiver has marked", func(c *Records, v *core.View) {
		lockNow(c.Region, v, &c.head(v).receive)
		p, word, _, _, _ := c.find(v, c.head(v).head)
		if !atomic.CompareAndSwapUint64(&c.at(v, p).state, word, c.mark(p, recordReading|c.me)) {
			panic("not marked")
		}
	}, "1 3"},
	{"receiver has taken", func(c *Records, v *core.View) { _, _, _ = c.claimRecord(context.Background(), v) }, "1 3"},
	{"receiver has half put it back", func(c *Records, v *core.View) {
		p, _, _ := c.claimRecord(context.Background(), v)
		c.at(v, p).state = c.mark(p, recordFull)
	}, "1 3"},
	{"receiver has released", func(c *Records, v *core.View) {
		p, _, _ := c.claimRecord(context.Background(), v)
		c.at(v, p).state = c.mark(p, recordGone)
	}, "3"},
	{"receiver has advanced and woken nobody", func(c *Records, v *core.View) {
		p, _, _ := c.claimRecord(context.Background(), v)
		c.at(v, p).state = c.mark(p, recordGone)
		c.advance(v)
	}, "3"},
	{"closer has the lock", func(c *Records, v *core.View) { lockNow(c.Region, v, &c.head(v).send) }, "1 3"},
	{"closer has closed and woken nobody", func(c *Records, v *core.View) {
		lockNow(c.Region, v, &c.head(v).send)
		c.head(v).closed = 1
	}, "1"},
})

func TestRecordsKillPoints(t *testing.T) {
	t.Parallel()
	recordsKillPoints.each(t, func(t *testing.T, k killCase[*Records, string]) {
		q, ctx := k.it, k.ctx
		mustNot(t, q.Send(ctx, []byte("1")))
		p := k.start()
		if k.asleep { // a process leads and learns of the death
			x, err := DeclareVar(k.region, "x", shapeOf[int64]())
			mustNot(t, err)
			asleep := make(chan struct{})
			var once sync.Once
			go func() {
				var value int64
				for seen, first := uint64(0), true; ; first = false {
					if seen, err = Next(ctx, x, seen, first, &value); err != nil {
						return
					}
					once.Do(func() { close(asleep) })
				}
			}()
			<-asleep
		}
		p.Kill()
		sent := make(chan error, 1)
		go func() { sent <- q.Send(ctx, []byte("3")) }()
		var got []string
		for len(got) < len(strings.Fields(k.want)) {
			b, err := q.Receive(ctx, nil)
			mustNot(t, err)
			got = append(got, string(b))
		}
		if err := <-sent; err != nil && !errors.Is(err, ErrChanClosed) {
			t.Error(err)
		}
		slices.Sort(got) // what a receiver has left may come later
		if g := strings.Join(got, " "); g != k.want {
			t.Errorf("got %q, want %q", g, k.want)
		}
		if k.want != "1" { // it is not closed: all of the room is there again
			for range 10 {
				mustNot(t, q.Send(ctx, make([]byte, q.MaxLen())))
				if b, err := q.Receive(ctx, nil); len(b) != q.MaxLen() || err != nil {
					t.Errorf("got %d bytes (%v)", len(b), err)
				}
			}
			mustNot(t, q.Close(ctx))
		}
		if b, err := q.Receive(ctx, nil); err != io.EOF {
			t.Errorf("got %q (%v) at the end", b, err)
		}
	})
}
