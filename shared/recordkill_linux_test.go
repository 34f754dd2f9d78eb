package shared

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// lockNow takes a lock, as the first step of a writer.
func lockNow(r *core.Region, v *core.View, n *core.Node) *core.RobustOwner {
	g, _, _ := r.Lock(context.Background(), v, n, nil)
	return g
}

// The points between two steps of a sender, a receiver and a closer, at each of which one
// is killed, and what must then come out of a channel of 4 lines into which "1" was sent
// before, "2" is by the victim, and "3" after.
var recordKillPoints = []struct {
	name string
	stop func(c *structure.Records, v *core.View)
	want string
}{
	{"sender has the lock", func(c *structure.Records, v *core.View) { lockNow(c.Region, v, &c.Head(v).Send) }, "1 3"},
	{"sender has written a head", func(c *structure.Records, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Send)
		tail := c.Head(v).Tail
		_, _ = c.Put(v, 1)
		c.Head(v).Tail = tail
	}, "1 3"},
	{"sender has a place and the lock", func(c *structure.Records, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Send)
		_, _ = c.Put(v, 1)
	}, "1 3"},
	{"sender has filled the rest of the room", func(c *structure.Records, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Send)
		h := c.Head(v)
		c.Write(v, h.Tail, 0, c.Room-h.Tail%c.Room, structure.RecordGone)
	}, "1 3"},
	{"sender has a place", func(c *structure.Records, v *core.View) { _, _ = c.ClaimRoom(context.Background(), v, 1) }, "1 3"},
	{"two senders have places", func(c *structure.Records, v *core.View) {
		_, _ = c.ClaimRoom(context.Background(), v, 1)
		_, _ = c.ClaimRoom(context.Background(), v, 1)
	}, "1 3"},
	{"sender has written", func(c *structure.Records, v *core.View) {
		p, _ := c.ClaimRoom(context.Background(), v, 1)
		c.Bytes(v, p, 1)[0] = '2'
		*c.At(v, p).Lengths() = structure.Pack([2]uint32{1, 1})
	}, "1 3"},
	{"sender has sent and woken nobody", func(c *structure.Records, v *core.View) {
		p, _ := c.ClaimRoom(context.Background(), v, 1)
		c.Bytes(v, p, 1)[0] = '2'
		_ = c.Commit(v, p, 1, 1)
	}, "1 2 3"},
	{"sender has abandoned and woken nobody", func(c *structure.Records, v *core.View) {
		p, _ := c.ClaimRoom(context.Background(), v, 1)
		c.At(v, p).State = c.Mark(p, structure.RecordGone)
	}, "1 3"},
	{"receiver has the lock", func(c *structure.Records, v *core.View) { lockNow(c.Region, v, &c.Head(v).Receive) }, "1 3"},
	{"receiver has marked", func(c *structure.Records, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Receive)
		p, word, _, _, _ := c.Find(v, c.Head(v).Head)
		if !atomic.CompareAndSwapUint64(&c.At(v, p).State, word, c.Mark(p, structure.RecordReading|c.Me)) {
			panic("not marked")
		}
	}, "1 3"},
	{"receiver has taken", func(c *structure.Records, v *core.View) { _, _, _ = c.ClaimRecord(context.Background(), v) }, "1 3"},
	{"receiver has half put it back", func(c *structure.Records, v *core.View) {
		p, _, _ := c.ClaimRecord(context.Background(), v)
		c.At(v, p).State = c.Mark(p, structure.RecordFull)
	}, "1 3"},
	{"receiver has released", func(c *structure.Records, v *core.View) {
		p, _, _ := c.ClaimRecord(context.Background(), v)
		c.At(v, p).State = c.Mark(p, structure.RecordGone)
	}, "3"},
	{"receiver has advanced and woken nobody", func(c *structure.Records, v *core.View) {
		p, _, _ := c.ClaimRecord(context.Background(), v)
		c.At(v, p).State = c.Mark(p, structure.RecordGone)
		c.Advance(v)
	}, "3"},
	{"closer has the lock", func(c *structure.Records, v *core.View) { lockNow(c.Region, v, &c.Head(v).Send) }, "1 3"},
	{"closer has closed and woken nobody", func(c *structure.Records, v *core.View) {
		lockNow(c.Region, v, &c.Head(v).Send)
		c.Head(v).Closed = 1
	}, "1"},
}

var recordVictim = ipctest.Register("record victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	point, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	q, err := RecordsOf(r, "q", 4*core.Line)
	c.Check(err)
	recordKillPoints[point].stop(q.ring, core.Of(r).View.Load())
	c.Say("there")
	c.Listen()
})

func TestRecordKillPoints(t *testing.T) {
	t.Parallel()
	for i, point := range recordKillPoints {
		for _, asleep := range []bool{false, true} {
			t.Run(point.name, func(t *testing.T) {
				t.Parallel()
				killRecordAt(t, i, point.want, asleep)
			})
		}
	}
}

// killRecordAt kills a process at a point, while a process sleeps in the region or not.
func killRecordAt(t *testing.T, point int, want string, asleep bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	key := ipctest.Key(t)
	r, q := recordsAt(t, key, 4*core.Line)
	mustNot(t, q.Send(ctx, []byte("1")))
	p := ipctest.Start(t, recordVictim, nil, strconv.Itoa(int(key)), strconv.Itoa(point))
	p.Expect("there")
	if asleep { // a process leads and learns of the death
		x, err := VarOf[int64](r, "x")
		mustNot(t, err)
		first := make(chan struct{})
		var once sync.Once
		go func() {
			for range x.Watch(ctx) {
				once.Do(func() { close(first) })
			}
		}()
		<-first
	}
	p.Kill()
	sent := make(chan error, 1)
	go func() { sent <- q.Send(ctx, []byte("3")) }()
	var got []string
	for len(got) < len(strings.Fields(want)) {
		b, err := q.Receive(ctx, nil)
		mustNot(t, err)
		got = append(got, string(b))
	}
	if err := <-sent; err != nil && !errors.Is(err, ErrChanClosed) {
		t.Error(err)
	}
	slices.Sort(got) // what a receiver has left may come later
	if g := strings.Join(got, " "); g != want {
		t.Errorf("got %q, want %q", g, want)
	}
	if want != "1" { // it is not closed: all of the room is there again
		for range 10 {
			mustNot(t, q.Send(ctx, make([]byte, q.MaxLen())))
			b, err := q.Receive(ctx, nil)
			mustBe(t, len(b) == q.MaxLen() && err == nil, "got %d bytes (%v)", len(b), err)
		}
		mustNot(t, q.Close(ctx))
	}
	if b, err := q.Receive(ctx, nil); err != io.EOF {
		t.Errorf("got %q (%v) at the end", b, err)
	}
}

// tornRecord makes a record of some length that shows whether it is whole.
func tornRecord(from, n uint64) []byte {
	b := make([]byte, 16+(from*31+n*17)%400)
	binary.NativeEndian.PutUint64(b, from)
	binary.NativeEndian.PutUint64(b[8:], n)
	for i := 16; i < len(b); i++ {
		b[i] = byte(from + n + uint64(i))
	}
	return b
}

var recordSender = ipctest.Register("record sender", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	from, err := strconv.ParseUint(c.Args[1], 10, 64)
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	q, err := RecordsOf(r, "q", 2048)
	c.Check(err)
	acked, err := CounterOf(r, c.Args[1])
	c.Check(err)
	c.Say("ready")
	for n := uint64(1); ; n++ {
		b := tornRecord(from, n)
		if n%2 == 0 {
			err = q.Send(context.Background(), b)
		} else {
			err = q.Fill(context.Background(), 500, func(to []byte) (int, error) { return copy(to, b), nil })
		}
		c.Check(err)
		c.Check(acked.Store(int64(n)))
	}
})

// A receiver that handles nothing: it only holds records when it is killed.
var recordHolder = ipctest.Register("record holder", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	q, err := RecordsOf(r, "q", 2048)
	c.Check(err)
	c.Say("ready")
	no := errors.New("no")
	for {
		if err := q.Handle(context.Background(), func([]byte) error { return no }); err != no {
			c.Check(err)
		}
	}
})

// Senders, and receivers who put back what they have taken, are killed at random. What was
// acknowledged comes to this process, whole and once.
func TestRecordTorture(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key := ipctest.Key(t)
	r, q := recordsAt(t, key, 2048)
	var mu sync.Mutex
	seen := map[string]bool{}
	var last [64]uint64
	var total atomic.Uint64
	var receivers sync.WaitGroup
	for range 2 {
		receivers.Go(func() {
			for b, err := range q.All(ctx) {
				if err != nil {
					t.Error(err)
					return
				}
				from, n := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
				mu.Lock()
				if string(b) != string(tornRecord(from, n)) || seen[fmt.Sprint(from, n)] {
					t.Errorf("torn or twice: %d of %d", n, from)
				}
				seen[fmt.Sprint(from, n)] = true
				last[from] = max(last[from], n)
				mu.Unlock()
				total.Add(1)
			}
		})
	}
	next := 0
	start := func(i int) *ipctest.Process {
		role := recordHolder
		if i < 2 {
			role = recordSender
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
	for range killsOr(15) {
		until := total.Load() + rand.Uint64N(300)
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
	mustNot(t, q.Close(ctx))
	receivers.Wait()
	for i := range next {
		acked, err := CounterOf(r, strconv.Itoa(i))
		mustNot(t, err)
		n, err := acked.Load()
		mustNot(t, err)
		if last[i] > uint64(n)+1 {
			t.Errorf("sender %d: %d were acknowledged, and %d came", i, n, last[i])
		}
		for k := range uint64(n) {
			mustBe(t, seen[fmt.Sprint(uint64(i), k+1)], "record %d of %d is lost", k+1, i)
		}
	}
	t.Logf("%d records of %d senders", total.Load(), next)
}

func TestRecordHostileBytes(t *testing.T) {
	t.Parallel()
	r, q := recordsAt(t, ipctest.Key(t), 1024)
	c := q.ring
	v := core.Of(r).View.Load()
	b := v.Bytes[c.Offset : c.Offset+c.Size]
	around := append([]byte(nil), v.Bytes[core.Of(r).Plan.Heap:c.Offset]...)
	use := func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 3 {
			_, err1 := q.Receive(ctx, nil)
			err2 := q.Send(ctx, make([]byte, 100))
			_, err3 := q.Len()
			for _, err := range []error{err1, err2, err3} {
				if err != nil && !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrChanClosed) && err != io.EOF {
					t.Error(err)
				}
			}
		}
	}
	hostile := func(rng *rand.Rand) uint64 {
		if rng.IntN(2) == 0 {
			return hostileWord(rng)
		}
		p := rng.Uint64N(32)
		return p<<structure.RecordPlace | rng.Uint64N(4)<<structure.RecordSlot | rng.Uint64N(6)
	}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clear(b)
		for range rng.IntN(6) {
			_ = q.Send(t.Context(), make([]byte, rng.IntN(150)))
			if rng.IntN(2) == 0 {
				_, _ = q.Receive(t.Context(), nil)
			}
		}
		for range 1 + rng.IntN(8) {
			i := rng.IntN(len(b) / 8)
			if rng.IntN(2) == 0 {
				i = []int{16, 17, 24, 32, 33, 40}[rng.IntN(6)]
			} else if rng.IntN(2) == 0 {
				i = int(c.Start-c.Offset)/8 + 8*rng.IntN(16) + rng.IntN(2)
			}
			if i < 5 || i > 7 && i < 13 {
				continue // the locks: their holders might live
			}
			*wordAt(b, i) = hostile(rng)
		}
		use()
		structure.RepairRecords(v, c.Structure, core.Owner(rng.Uint64()))
		use()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if string(around) != string(v.Bytes[core.Of(r).Plan.Heap:c.Offset]) {
		t.Error("a write beside the records")
	}
	// While it is used another goroutine writes into it all the time.
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for rng := rand.New(rand.NewPCG(1, 2)); !stop.Load(); {
			if i := rng.IntN(len(b) / 8); i >= 16 {
				atomic.StoreUint64(wordAt(b, i), hostile(rng))
			}
		}
	})
	for range 50 {
		use()
	}
	stop.Store(true)
	wg.Wait()
}
