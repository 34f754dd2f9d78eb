package structure

import (
	"io"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func chanOf[T any](capacity int) func(r *core.Region) (*Ring, error) {
	return func(r *core.Region) (*Ring, error) { return DeclareChan(r, "c", shapeOf[T](), capacity) }
}

// The points between two steps of a sender and a receiver, and what must then come out of a channel into which 1 was sent
// before, and 3 after.
var chanKillPoints = pointsOf("chan", chanOf[int64](4), []killPoint[*Ring, []int64]{
	{"sender has claimed", func(c *Ring, v *core.View) { c.ClaimSend(v, true) }, []int64{1, 3}},
	{"sender has written", func(c *Ring, v *core.View) {
		at, _ := c.ClaimSend(v, true)
		*(*int64)(c.message(v, at.position)) = 2
	}, []int64{1, 3}},
	{"sender has published", func(c *Ring, v *core.View) {
		m := int64(2)
		c.put(v, unsafe.Pointer(&m))
	}, []int64{1, 2, 3}},
	{"two senders have claimed", func(c *Ring, v *core.View) { c.ClaimSend(v, true); c.ClaimSend(v, true) }, []int64{1, 3}},
	{"receiver has claimed", func(c *Ring, v *core.View) { c.claimReceive(v, true) }, []int64{1, 3}},
	{"receiver has released", func(c *Ring, v *core.View) {
		var m int64
		c.take(v, unsafe.Pointer(&m))
	}, []int64{3}},
	{"receiver has half put it back", func(c *Ring, v *core.View) {
		at, _ := c.claimReceive(v, true)
		*c.word(v, at.position) = c.mark(at.position, cellFull)
	}, []int64{1, 3}},
})

func TestChanKillPoints(t *testing.T) {
	t.Parallel()
	chanKillPoints.each(t, func(t *testing.T, k killCase[*Ring, []int64]) {
		c := k.it
		send := func(m int64) {
			if err := Send(k.ctx, c, &m); err != nil {
				t.Error(err)
			}
		}
		send(1)
		p := k.start()
		got, first := make(chan int64, 10), int64(0)
		receive := func() {
			defer close(got)
			for {
				var m int64
				if err := Receive(k.ctx, c, &m); err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					return
				}
				got <- m
			}
		}
		if k.asleep {
			go receive()
			send(3)
			mustNot(t, c.Close())
			first = <-got // what the victim has left is before the place where the others look
			p.Kill()
		} else {
			p.Kill()
			send(3)
			mustNot(t, c.Close())
			for { // as one who only tries
				var m int64
				ok, err := TryReceive(c, &m)
				if err != nil {
					break
				}
				if ok {
					got <- m
				}
				if k.ctx.Err() != nil {
					t.Fatal("stuck")
				}
			}
			close(got)
		}
		seen := map[int64]int{}
		if first != 0 {
			seen[first]++
		}
		for m := range got {
			seen[m]++
		}
		for _, m := range k.want {
			if seen[m] != 1 {
				t.Errorf("message %d was received %d times", m, seen[m])
			}
			delete(seen, m)
		}
		if len(seen) > 0 {
			t.Errorf("also received: %v", seen)
		}
		for i := range uint64(4) {
			if state := *c.word(k.region.View.Load(), i) & stateMask; state != cellEmpty && state != cellSealed {
				t.Errorf("cell %d is left in state %d", i, state)
			}
		}
	})
}

var farKillPoints = pointsOf("far chan", chanOf[int64](64), []killPoint[*Ring, int64]{
	{"sender has claimed", func(c *Ring, v *core.View) { c.ClaimSend(v, true) }, 164},
})

// A sender that is killed in a nearly full channel has claimed a cell that is more than the
// channel's capacity behind head, which moves only now and then.
func TestChanKillFarBehindHead(t *testing.T) {
	t.Parallel()
	farKillPoints.each(t, func(t *testing.T, k killCase[*Ring, int64]) {
		c, m := k.it, int64(0)
		for i := range int64(64) {
			mustNot(t, Send(k.ctx, c, &i))
		}
		for range 8 {
			mustNot(t, Receive(k.ctx, c, &m))
		}
		k.start().Kill()
		k.region.ReapDead(k.region.View.Load()) // as a sleeper in the region would at once
		go func() {
			for i := int64(64); i < k.want; i++ {
				if err := Send(k.ctx, c, &i); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		for want := int64(8); want < k.want; want++ {
			if err := Receive(k.ctx, c, &m); m != want || err != nil {
				t.Fatalf("got %d, %v, want %d", m, err, want)
			}
		}
	})
}
