package shared

import (
	"context"
	"io"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Senders and receivers in processes of their own that are killed at random. What they did
// stands in a ledger in the region, so that it can be counted afterwards. A longer run:
//
//	SYSVIPC_KILLS=62 go test -run TestChanTorture ./shared
type ledger struct {
	stop     uint64               // senders shall come to an end
	disorder uint64               // messages that came after a later one of the same sender
	total    uint64               // of messages received
	acked    [senders]uint64      // the last number that each sender's Send has returned for
	last     [senders]uint64      // the last number that it may have sent
	seen     [senders][most]int32 // how often each message was received
}

const (
	senders = 64      // at most, one after the other
	most    = 1 << 17 // messages of each
	batches = 8
)

type tortured struct {
	Sender, Number uint64
	Check          [5]uint64
}

func (m tortured) whole() bool {
	for i, c := range m.Check {
		if c != m.Sender*1000003+m.Number+uint64(i) {
			return false
		}
	}
	return true
}

func chanAndLedger(r *Region, capacity int) (*Chan[tortured], *ledger, error) {
	c, err := ChanOf[tortured](r, "c", capacity)
	if err != nil {
		return nil, nil, err
	}
	t, err := core.Of(r).Declare(context.Background(), core.Declaration{Kind: structure.KindCounter, Name: "ledger", Size: ledgerSize})
	if err != nil {
		return nil, nil, err
	}
	v, err := core.Of(r).Use()
	if err != nil {
		return nil, nil, err
	}
	return c, (*ledger)(v.At(t.Offset)), nil
}

func tortureChild(c *ipctest.ChildEnv, r *Region) (*Chan[tortured], *ledger) {
	capacity, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	ch, l, err := chanAndLedger(r, capacity)
	c.Check(err)
	return ch, l
}

var tortureSender = worker("torture sender", func(c *ipctest.ChildEnv, r *Region) {
	ch, l := tortureChild(c, r)
	id, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	ctx := context.Background()
	message := func(n uint64) tortured {
		m := tortured{Sender: uint64(id), Number: n}
		for i := range m.Check {
			m.Check[i] = m.Sender*1000003 + n + uint64(i)
		}
		return m
	}
	c.Say("ready")
	for n := uint64(1); n+batches < most && atomic.LoadUint64(&l.stop) == 0; n++ {
		if n%5 == 0 {
			var all []tortured
			for range batches {
				all = append(all, message(n))
				n++
			}
			n--
			atomic.StoreUint64(&l.last[id], n)
			_, err = ch.SendBatch(ctx, all)
		} else {
			atomic.StoreUint64(&l.last[id], n)
			err = ch.Send(ctx, message(n))
		}
		c.Check(err)
		atomic.StoreUint64(&l.acked[id], n)
	}
	c.Say("done")
})

var tortureReceiver = worker("torture receiver", func(c *ipctest.ChildEnv, r *Region) {
	ch, l := tortureChild(c, r)
	var newest [senders]uint64
	ctx := context.Background()
	note := func(m tortured) error {
		if !m.whole() || m.Sender >= senders || m.Number >= most {
			c.Fatalf("torn: %v", m)
		}
		if m.Number < newest[m.Sender] {
			atomic.AddUint64(&l.disorder, 1)
		}
		newest[m.Sender] = max(newest[m.Sender], m.Number)
		atomic.AddInt32(&l.seen[m.Sender][m.Number], 1)
		atomic.AddUint64(&l.total, 1)
		return nil
	}
	buf := make([]tortured, batches)
	c.Say("ready")
	for {
		var err error
		switch c.Args[1] {
		case "handle":
			err = ch.Handle(ctx, note)
		case "receive":
			var m tortured
			if m, err = ch.Receive(ctx); err == nil {
				err = note(m)
			}
		case "some":
			var n int
			n, err = ch.ReceiveBatch(ctx, buf)
			for _, m := range buf[:n] {
				_ = note(m)
			}
		}
		if err == io.EOF {
			c.Say("done")
			return
		}
		c.Check(err)
	}
})

func TestChanTorture(t *testing.T) {
	t.Parallel()
	kills := min(ipctest.Kills(6), senders-2)
	for name, c := range map[string]struct {
		capacity  int
		receivers []string
		victims   []int // 0 and 1 are senders, 2 and 3 receivers
	}{
		"senders":   {8, []string{"receive", "some"}, []int{0, 1}},
		"handlers":  {16, []string{"handle", "handle"}, []int{2, 3}},
		"receivers": {4, []string{"receive", "some"}, []int{2, 3}},
		"everybody": {64, []string{"handle", "receive"}, []int{0, 1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tortureChan(t, kills, c.capacity, c.receivers, c.victims)
		})
	}
}

func tortureChan(t *testing.T, kills, capacity int, receivers []string, victims []int) {
	key := ipctest.Key(t)
	r, err := EnsureKey(t.Context(), sysvipc.Key(key), nil)
	mustNot(t, err)
	t.Cleanup(func() { _ = r.Close() })
	c, l, err := chanAndLedger(r, capacity)
	mustNot(t, err)
	next, lost, twice := 0, 0, 0 // at most
	start := func(i int) *ipctest.Process {
		role, last := tortureSender, strconv.Itoa(next)
		if i >= 2 {
			role, last = tortureReceiver, receivers[i-2]
		} else {
			next++
		}
		return startWorker(t, role, key, strconv.Itoa(capacity), last)
	}
	var all [4]*ipctest.Process
	for i := range all {
		all[i] = start(i)
	}
	torture(all[:], victims, kills, 500, func() uint64 { return atomic.LoadUint64(&l.total) }, func(i int) *ipctest.Process {
		if i >= 2 {
			twice++
			switch receivers[i-2] {
			case "receive":
				lost++
			case "some":
				lost += batches
			}
		}
		return start(i)
	})
	atomic.StoreUint64(&l.stop, 1)
	all[0].Expect("done")
	all[1].Expect("done")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	all[2].Expect("done")
	all[3].Expect("done")
	var missing, double, phantom int
	for s := range next {
		for n := uint64(1); n < most && n < l.last[s]+2*batches; n++ {
			switch seen := int(l.seen[s][n]); {
			case seen == 0 && n <= l.acked[s]:
				missing++
			case seen > 0 && n > l.last[s]:
				phantom++
			case seen > 1:
				double += seen - 1
			}
		}
	}
	t.Logf("%d messages, %d kills: %d missing (at most %d), %d twice (at most %d), %d late", l.total, kills, missing, lost, double, twice, l.disorder)
	if missing > lost || double > twice || phantom > 0 || l.disorder > uint64(twice) {
		t.Errorf("%d phantoms; or more than the kills explain", phantom)
	}
	if n, err := c.Len(); n != 0 || err != nil {
		t.Errorf("%d messages after the end (%v)", n, err)
	}
}

const ledgerSize = 8*(3+2*senders) + 4*senders*most
