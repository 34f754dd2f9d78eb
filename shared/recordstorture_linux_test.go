package shared

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

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

var recordSender = worker("record sender", func(c *ipctest.ChildEnv, r *Region) {
	from, err := strconv.ParseUint(c.Args[0], 10, 64)
	c.Check(err)
	q, err := RecordsOf(r, "q", 2048)
	c.Check(err)
	acked, err := CounterOf(r, c.Args[0])
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
var recordHolder = worker("record holder", func(c *ipctest.ChildEnv, r *Region) {
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
		return startWorker(t, role, key, strconv.Itoa(next-1))
	}
	var all [3]*ipctest.Process
	for i := range all {
		all[i] = start(i)
	}
	torture(all[:], []int{0, 1, 2}, killsOr(15), 300, total.Load, start)
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
