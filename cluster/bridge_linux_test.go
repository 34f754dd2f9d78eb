package cluster_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// bridger is a bridge in a process of its own, which can be killed: the servers' URL, the
// name, the direction, the ID of the local queue, the journal.
var bridger = ipctest.Register("bridger", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	conn, err := cluster.Connect(ctx, c.Args[0], &cluster.Options{Lease: time.Second})
	c.Check(err)
	q, err := conn.OpenQueue(ctx, c.Args[1])
	c.Check(err)
	id, err := strconv.Atoi(c.Args[3])
	c.Check(err)
	b := &cluster.Bridge{
		Local:   func() (*sysvipc.Queue, error) { return sysvipc.QueueByID(id), nil },
		Remote:  q,
		Journal: c.Args[4],
		Note:    func(what string, err error) { fmt.Fprintln(os.Stderr, what, err) },
	}
	c.Say("up")
	if c.Args[2] == "send" {
		c.Check(b.Send(ctx))
	} else {
		c.Check(b.Receive(ctx))
	}
})

func kernel(t testing.TB) *sysvipc.Queue {
	t.Helper()
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	check(t, err)
	t.Cleanup(func() { q.Remove() })
	return q
}

// runBridge runs one in this process until the test ends.
func runBridge(t testing.TB, b *cluster.Bridge, how func(*cluster.Bridge, context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- how(b, ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	})
}

func TestBridgeCarriesAll(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), nil)
	from, to := kernel(t), kernel(t)
	dir := t.TempDir()
	runBridge(t, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return from, nil }, Remote: q, Journal: filepath.Join(dir, "send"), Select: sysvipc.Except(9)}, (*cluster.Bridge).Send)
	remote, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
	check(t, err)
	runBridge(t, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return to, nil }, Remote: remote, Journal: filepath.Join(dir, "receive")}, (*cluster.Bridge).Receive)
	ctx := soon(t)
	check(t, from.Send(ctx, 9, []byte("stays")))
	var want []sysvipc.Message
	for i, data := range []string{"", "\x00", "", "a\x00b", string(make([]byte, 8192)), "same", "same", "same"} {
		want = append(want, sysvipc.Message{Type: int64(i%3) + 1, Data: []byte(data)})
	}
	want = append(want, sysvipc.Message{Type: 1<<63 - 1, Data: []byte("last")})
	for range 30 {
		for _, m := range want {
			check(t, from.Send(ctx, m.Type, m.Data))
			got, err := to.Receive(ctx, sysvipc.Any)
			check(t, err)
			if got.Type != m.Type || string(got.Data) != string(m.Data) {
				t.Fatalf("got %d:%q, want %d:%q", got.Type, got.Data, m.Type, m.Data)
			}
		}
	}
	if m, err := from.Peek(0); err != nil || string(m.Data) != "stays" {
		t.Errorf("%q, %v is left; want what is not selected", m.Data, err)
	}
}

// torture sends n messages of types 1 to 4 through two bridges that are killed again and
// again, and the local queues being small.
func torture(t *testing.T, n, kills int) {
	q := newQueue(t, connect(t, nil), nil)
	from, to := kernel(t), kernel(t)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n/100+60)*time.Second)
	defer cancel()
	start := func(how string, local *sysvipc.Queue) *ipctest.Process {
		p := ipctest.Start(t, bridger, nil, server(t).URL(), q.Name(), how, strconv.Itoa(local.ID()), filepath.Join(dir, how))
		p.Expect("up")
		return p
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for i := range n {
			data := binary.BigEndian.AppendUint32(nil, uint32(i))
			if i%97 == 0 {
				data = append(data, make([]byte, 1000)...)
			}
			if err := from.Send(ctx, int64(i%4)+1, data); err != nil {
				t.Error(err)
				return
			}
		}
	})
	done := make(chan struct{})
	seen := make([]int, n)
	twice := 0
	wg.Go(func() {
		defer close(done)
		last := map[int64]int{}
		for left := n; left > 0; {
			m, err := to.Receive(ctx, sysvipc.Any)
			if err != nil {
				t.Error(err)
				return
			}
			i := int(binary.BigEndian.Uint32(m.Data))
			if seen[i]++; seen[i] > 1 {
				twice++
				continue
			}
			if old, ok := last[m.Type]; ok && i != old+4 || !ok && i != int(m.Type)-1 {
				t.Errorf("message %d of type %d came after %d", i, m.Type, old)
			}
			last[m.Type] = i
			left--
		}
	})
	sending, receiving := start("send", from), start("receive", to)
	killed := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Duration(rand.IntN(60)+5) * time.Millisecond):
			if killed >= kills {
				<-done
				running = false
				break
			}
			killed++
			if rand.IntN(2) == 0 {
				sending.Kill()
				sending = start("send", from)
			} else {
				receiving.Kill()
				receiving = start("receive", to)
			}
		}
	}
	sending.Kill()
	receiving.Kill()
	t.Logf("%d messages, %d kills, %d came twice", n, killed, twice)
	if twice > killed {
		t.Errorf("%d messages came twice after %d kills: each may cost one", twice, killed)
	}
}

// Killed at whatever point, the bridges lose nothing and keep the order of each type. The
// long form: SYSVIPC_BRIDGE_TORTURE=1000000.
func TestBridgeTorture(t *testing.T) {
	t.Parallel()
	n, kills := 6000, 10
	if long, err := strconv.Atoi(os.Getenv("SYSVIPC_BRIDGE_TORTURE")); err == nil {
		n, kills = long, max(200, long/5000)
	}
	torture(t, n, kills)
}

// The local queue is removed and made again, and the remote one is full.
func TestBridgeWaitsForTheLocalQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), &cluster.QueueOptions{MaxMessages: 10})
	key := sysvipc.KeyOf(t.Name())
	dir := t.TempDir()
	runBridge(t, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return sysvipc.OpenQueue(key) }, Remote: q, Journal: filepath.Join(dir, "send")}, (*cluster.Bridge).Send)
	ctx := soon(t)
	for round := range 2 {
		local, err := sysvipc.CreateQueue(key, 0o600)
		check(t, err)
		for i := range 30 {
			check(t, local.Send(ctx, 1, fmt.Append(nil, round*30+i)))
		}
		for i := range 30 {
			wantMessage(t, q, sysvipc.OfType(1), fmt.Sprintf("1:%d", round*30+i))
		}
		check(t, local.Remove())
	}
}
