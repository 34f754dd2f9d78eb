package shared

import (
	"context"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// The points between two steps of a sender and a receiver, at each of which one is killed,
// and what must then come out of a channel into which 1 was sent before, and 3 after.
var chanKillPoints = []struct {
	name string
	stop func(c *structure.Ring, v *core.View)
	want []int64
}{
	{"sender has claimed", func(c *structure.Ring, v *core.View) { c.ClaimSend(v, true) }, []int64{1, 3}},
	{"sender has written", func(c *structure.Ring, v *core.View) {
		at, _ := c.ClaimSend(v, true)
		*(*int64)(c.Message(v, at.Position)) = 2
	}, []int64{1, 3}},
	{"sender has published", func(c *structure.Ring, v *core.View) {
		m := int64(2)
		c.Put(v, unsafe.Pointer(&m))
	}, []int64{1, 2, 3}},
	{"two senders have claimed", func(c *structure.Ring, v *core.View) { c.ClaimSend(v, true); c.ClaimSend(v, true) }, []int64{1, 3}},
	{"receiver has claimed", func(c *structure.Ring, v *core.View) { c.ClaimReceive(v, true) }, []int64{1, 3}},
	{"receiver has released", func(c *structure.Ring, v *core.View) {
		var m int64
		c.Take(v, unsafe.Pointer(&m))
	}, []int64{3}},
	{"receiver has half put it back", func(c *structure.Ring, v *core.View) {
		at, _ := c.ClaimReceive(v, true)
		*c.Word(v, at.Position) = c.Mark(at.Position, structure.CellFull)
	}, []int64{1, 3}},
}

var chanVictim = ipctest.Register("chan victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	point, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	ch, err := ChanOf[int64](r, "c", 4)
	c.Check(err)
	chanKillPoints[point].stop(ch.ring, core.Of(r).View.Load())
	c.Say("there")
	c.Listen()
})

func TestChanKillPoints(t *testing.T) {
	t.Parallel()
	for i, point := range chanKillPoints {
		for _, asleep := range []bool{false, true} {
			t.Run(point.name, func(t *testing.T) {
				t.Parallel()
				killAt(t, i, point.want, asleep)
			})
		}
	}
}

var chanFarVictim = ipctest.Register("chan far victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	ch, err := ChanOf[int64](r, "c", 64)
	c.Check(err)
	ch.ring.ClaimSend(core.Of(r).View.Load(), true)
	c.Say("there")
	c.Listen()
})

// A sender that is killed in a nearly full channel has claimed a cell that is more than the
// channel's capacity behind head, which moves only now and then.
func TestChanKillFarBehindHead(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	key := ipctest.Key(t)
	r, err := EnsureKey(ctx, sysvipc.Key(key), nil)
	mustNot(t, err)
	t.Cleanup(func() { _ = r.Close() })
	c, err := ChanOf[int64](r, "c", 64)
	mustNot(t, err)
	for i := range int64(64) {
		mustNot(t, c.Send(ctx, i))
	}
	for range 8 {
		_, err := c.Receive(ctx)
		mustNot(t, err)
	}
	p := ipctest.Start(t, chanFarVictim, nil, strconv.Itoa(int(key)))
	p.Expect("there")
	p.Kill()
	core.Of(r).ReapDead(core.Of(r).View.Load()) // as a sleeper in the region would at once
	go func() {
		for i := range int64(100) {
			if err := c.Send(ctx, 64+i); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for want := int64(8); want < 164; want++ {
		if got, err := c.Receive(ctx); got != want || err != nil {
			t.Fatalf("got %d, %v, want %d", got, err, want)
		}
	}
}

// killAt kills a process at a point, while a process sleeps in the channel or not.
func killAt(t *testing.T, point int, want []int64, asleep bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	key := ipctest.Key(t)
	r, err := EnsureKey(ctx, sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c, err := ChanOf[int64](r, "c", 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(ctx, 1); err != nil {
		t.Fatal(err)
	}
	p := ipctest.Start(t, chanVictim, nil, strconv.Itoa(int(key)), strconv.Itoa(point))
	p.Expect("there")
	got, first := make(chan int64, 10), int64(0)
	receive := func() {
		defer close(got)
		for m, err := range c.All(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			got <- m
		}
	}
	send := func() {
		if err := c.Send(ctx, 3); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if asleep {
		go receive()
		send()
		first = <-got // what the victim has left is before the place where the others look
		p.Kill()
	} else {
		p.Kill()
		send()
		for { // as one who only tries
			m, ok, err := c.TryReceive()
			if err != nil {
				break
			}
			if ok {
				got <- m
			}
			if ctx.Err() != nil {
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
	for _, m := range want {
		if seen[m] != 1 {
			t.Errorf("message %d was received %d times", m, seen[m])
		}
		delete(seen, m)
	}
	if len(seen) > 0 {
		t.Errorf("also received: %v", seen)
	}
	v := core.Of(r).View.Load()
	for i := range uint64(4) {
		if state := *c.ring.Word(v, i) & structure.StateMask; state != structure.CellEmpty && state != structure.CellSealed {
			t.Errorf("cell %d is left in state %d", i, state)
		}
	}
}
