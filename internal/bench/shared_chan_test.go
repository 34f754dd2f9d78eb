//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// cell is a message that fills a cell of 64 bytes with the word before it. The last
// number of the last message of a turn is 1.
type cell [7]int64

const cells = 1024

// twoChans are a way there and one back.
func twoChans(r *shared.Region) (there, back *shared.Chan[cell]) {
	return must(shared.ChanOf[cell](r, "there", cells)), must(shared.ChanOf[cell](r, "back", cells))
}

// twinSegment is the memory of C twins, which their other sides, started here, have too.
func twinSegment(b *testing.B, others ...string) (main *twin, id int) {
	seg := must(sysvipc.CreateSegment(sysvipc.Private, 4<<20, 0o600))
	b.Cleanup(func() { check(seg.Remove()) })
	for _, other := range others {
		if t := startC(b, sharedSource); t != nil {
			t.tell(other, seg.ID())
		}
	}
	return startC(b, sharedSource), seg.ID()
}

func startOther(b *testing.B, role string, args ...any) {
	opts := &ipctest.Options{Env: []string{fmt.Sprint("GOMAXPROCS=", runtime.GOMAXPROCS(0))}}
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = fmt.Sprint(arg)
	}
	ipctest.Start(b, role, opts, words...).Expect("ready")
}

// A message there and one back, between two processes.
func BenchmarkSharedChanRoundTrip(b *testing.B) {
	ours := chanRoundTrip(b)
	c, id := twinSegment(b, "chanecho %d")
	compare(b, 2000, ours, c.floor("chanping %d %d", id)...)
	allocs(b, func() { ours.run(1) })
}

func chanRoundTrip(b *testing.B) *side {
	r, key := newRegion(b, nil)
	there, back := twoChans(r)
	startOther(b, chanEcho, key)
	ctx := context.Background()
	return &side{run: loop(func() {
		check(there.Send(ctx, cell{1}))
		must(back.Receive(ctx))
	})}
}

var chanEcho = ipctest.Register("chan echo", func(c *ipctest.ChildEnv) {
	there, back := twoChans(childRegion(c))
	c.Say("ready")
	for {
		m, err := there.Receive(context.Background())
		c.Check(err)
		c.Check(back.Send(context.Background(), m))
	}
})

// Messages one after the other from one process to another, until the last has arrived.
func BenchmarkSharedChanStream(b *testing.B) {
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprint("batch ", batch), func(b *testing.B) {
			c, id := twinSegment(b, fmt.Sprintf("chansink %%d %d", batch))
			compare(b, 64_000, chanStream(b, batch), c.floor("chansend %d %d %d", id, batch)...)
		})
	}
}

func chanStream(b *testing.B, batch int) *side {
	r, key := newRegion(b, nil)
	there, back := twoChans(r)
	startOther(b, chanSink, key, batch)
	ctx, buf := context.Background(), make([]cell, batch)
	return &side{run: func(n int) time.Duration {
		start := time.Now()
		for i := 0; i < n; i += batch {
			last := cell{}
			if i+batch >= n {
				last[6] = 1
			}
			if batch == 1 {
				check(there.Send(ctx, last))
				continue
			}
			for j := range buf {
				buf[j] = cell{int64(i + j)}
			}
			buf[batch-1][6] = last[6]
			must(there.SendBatch(ctx, buf))
		}
		must(back.Receive(ctx))
		return time.Since(start)
	}}
}

var chanSink = ipctest.Register("chan sink", func(c *ipctest.ChildEnv) {
	there, back := twoChans(childRegion(c))
	ctx, buf := context.Background(), make([]cell, number(c, 1))
	c.Say("ready")
	for sum := int64(0); ; {
		n, err := 1, error(nil)
		if len(buf) == 1 {
			buf[0], err = there.Receive(ctx)
		} else {
			n, err = there.ReceiveBatch(ctx, buf)
		}
		c.Check(err)
		for _, m := range buf[:n] {
			if sum += m[0]; m[6] == 1 {
				c.Check(back.Send(ctx, cell{sum}))
			}
		}
	}
})

// Two senders and two receivers, each a process, beside Vyukov's ring in C.
func BenchmarkSharedChanMany(b *testing.B) {
	r, key := newRegion(b, nil)
	there, _ := twoChans(r)
	wanted := must(shared.VarOf[int64](r, "wanted"))
	var received [2]*shared.Counter
	for i := range received {
		received[i] = must(shared.CounterOf(r, fmt.Sprint("received ", i)))
		startOther(b, manySink, key, i)
	}
	startOther(b, manySource, key)
	ctx, sent, total := context.Background(), int64(0), int64(0)
	c, id := twinSegment(b, "manysource %d", "manysink %d 0", "manysink %d 1")
	compare(b, 20_000, &side{run: func(n int) time.Duration {
		start := time.Now()
		total += int64(n)
		check(wanted.Store(ctx, total/2))
		for ; sent < (total+1)/2; sent++ {
			check(there.Send(ctx, cell{}))
		}
		for must(received[0].Load())+must(received[1].Load()) < total {
			runtime.Gosched()
		}
		return time.Since(start)
	}}, c.floor("many %d %d", id)...)
}

var manySource = ipctest.Register("many source", func(c *ipctest.ChildEnv) {
	r := childRegion(c)
	there, _ := twoChans(r)
	wanted, err := shared.VarOf[int64](r, "wanted")
	c.Check(err)
	c.Say("ready")
	sent := int64(0)
	for want, err := range wanted.Watch(context.Background()) {
		c.Check(err)
		for ; sent < want; sent++ {
			c.Check(there.Send(context.Background(), cell{}))
		}
	}
})

var manySink = ipctest.Register("many sink", func(c *ipctest.ChildEnv) {
	r := childRegion(c)
	there, _ := twoChans(r)
	received, err := shared.CounterOf(r, "received "+c.Args[1])
	c.Check(err)
	c.Say("ready")
	for {
		_, err := there.Receive(context.Background())
		c.Check(err)
		_, err = received.Add(1)
		c.Check(err)
	}
})
