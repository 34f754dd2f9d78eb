package bridge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func kernel(t testing.TB) *sysvipc.Queue {
	t.Helper()
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	check(t, err)
	t.Cleanup(func() { q.Remove() })
	return q
}

// opens returns what opens a queue that stays.
func opens(q *sysvipc.Queue) func() (*sysvipc.Queue, error) {
	return func() (*sysvipc.Queue, error) { return q, nil }
}

// runBridge runs one in this process until the test ends.
func runBridge(t testing.TB, b *bridge.Bridge, how func(*bridge.Bridge, context.Context) error) {
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
	carriesAll(t, newQueue(t, connect(t, nil), nil))
}

// Servers before NATS 2.14 refuse batches, as does a queue that was made there.
func TestBridgeCarriesAllOneByOne(t *testing.T) {
	t.Parallel()
	c := connect(t, nil)
	newQueue(t, c, nil)
	js, err := jetstream.New(c.NATS())
	check(t, err)
	for info := range js.ListStreams(t.Context()).Info() {
		if strings.HasSuffix(info.Config.Description, strconv.Quote(t.Name())) {
			if !info.Config.AllowBatchPublish {
				t.Error("the new queue takes no batches")
			}
			info.Config.AllowBatchPublish = false
			_, err = js.UpdateStream(t.Context(), info.Config)
			check(t, err)
		}
	}
	q, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
	check(t, err)
	carriesAll(t, q)
}

func carriesAll(t *testing.T, q *cluster.Queue) {
	t.Helper()
	from, to := kernel(t), kernel(t)
	dir := t.TempDir()
	runBridge(t, &bridge.Bridge{Local: opens(from), Remote: q, Journal: filepath.Join(dir, "send"), Select: sysvipc.Except(9)}, (*bridge.Bridge).Send)
	remote, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
	check(t, err)
	runBridge(t, &bridge.Bridge{Local: opens(to), Remote: remote, Journal: filepath.Join(dir, "receive")}, (*bridge.Bridge).Receive)
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

// The local queue is removed and made again, and the remote one is full.
func TestBridgeWaitsForTheLocalQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), &cluster.QueueOptions{MaxMessages: 10})
	key := sysvipc.KeyOf(t.Name())
	dir := t.TempDir()
	runBridge(t, &bridge.Bridge{Local: func() (*sysvipc.Queue, error) { return sysvipc.OpenQueue(key) }, Remote: q, Journal: filepath.Join(dir, "send")}, (*bridge.Bridge).Send)
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

// A bridge is killed while the servers have some of what is in flight, and take no more. The
// next one sends the rest, though the messages are the same byte for byte.
func TestBridgeGoesOnWhereItWasKilled(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), &cluster.QueueOptions{MaxMessages: 10})
	from, dir := kernel(t), t.TempDir()
	for range 40 {
		check(t, from.Send(soon(t), 1, []byte("same")))
	}
	for left := 30; left > 0; left -= 10 {
		p := ipctest.Start(t, bridger, nil, server(t), t.Name(), "send", strconv.Itoa(from.ID()), dir)
		eventually(t, "the queue is full", func() bool { return messagesOf(t, q) == 10 && kernelMessages(t, from) == left })
		p.Kill()
		for range 10 {
			wantMessage(t, q, sysvipc.Any, "1:same")
		}
	}
	ipctest.Start(t, bridger, nil, server(t), t.Name(), "send", strconv.Itoa(from.ID()), dir)
	for range 10 {
		wantMessage(t, q, sysvipc.Any, "1:same")
	}
	eventually(t, "all is taken off", func() bool { return kernelMessages(t, from) == 0 })
	if n := messagesOf(t, q); n != 0 {
		t.Errorf("%d duplicates", n)
	}
}

// Another program takes messages in flight: nothing is lost, and what is a duplicate is
// counted.
func TestBridgeBesideAnotherReceiver(t *testing.T) {
	t.Parallel()
	counts := &clustertest.Counts{}
	q := newQueue(t, connect(t, nil), &cluster.QueueOptions{MaxMessages: 10})
	from := kernel(t)
	for i := range 30 {
		check(t, from.Send(soon(t), 1, fmt.Append(nil, i)))
	}
	runBridge(t, &bridge.Bridge{Local: opens(from), Remote: q, Journal: filepath.Join(t.TempDir(), "send"), Metrics: counts}, (*bridge.Bridge).Send)
	eventually(t, "the queue is full", func() bool { return messagesOf(t, q) == 10 && kernelMessages(t, from) == 20 })
	for i := range 2 {
		if m, err := from.Receive(soon(t), sysvipc.Any); err != nil || string(m.Data) != fmt.Sprint(10+i) {
			t.Fatalf("%q, %v", m.Data, err)
		}
	}
	reader, err := connect(t, nil).OpenQueue(t.Context(), t.Name())
	check(t, err)
	for i := range 30 {
		wantMessage(t, reader, sysvipc.Any, fmt.Sprint("1:", i))
	}
	eventually(t, "all is taken off", func() bool { return kernelMessages(t, from) == 0 })
	if n := counts.Get("bridge_repeated"); n != 2 {
		t.Errorf("bridge_repeated is %d, want 2", n)
	}
}

// Others take what the bridge leaves, which moves its messages to other places on the
// queue: it misses none.
func TestBridgeKeepsTheOrderBesideOthers(t *testing.T) {
	t.Parallel()
	q := newQueue(t, connect(t, nil), nil)
	from, ctx := kernel(t), soon(t)
	runBridge(t, &bridge.Bridge{
		Local: opens(from), Remote: q, Journal: filepath.Join(t.TempDir(), "send"), Select: sysvipc.OfType(1),
	}, (*bridge.Bridge).Send)
	const n = 3000
	var wg sync.WaitGroup
	defer wg.Wait()
	var all atomic.Bool
	wg.Go(func() {
		defer all.Store(true)
		for i := range 2 * n {
			if err := from.Send(ctx, int64(i%2+1), fmt.Appendf(nil, "%100d", i/2)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		for i := range n {
			for i%30 == 0 && !all.Load() { // so that it takes many while the bridge looks
				if st, err := from.Stat(); err != nil || st.Messages > 60 {
					break
				}
			}
			if _, err := from.Receive(ctx, sysvipc.OfType(2)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range n {
		m, err := q.Receive(ctx, sysvipc.OfType(1))
		check(t, err)
		if string(m.Data) != fmt.Sprintf("%100d", i) {
			t.Fatalf("message %s came, want %d", m.Data, i)
		}
	}
}

// A file of another program is left alone.
func TestBridgeRefusesAnotherFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes")
	check(t, os.WriteFile(path, []byte("my notes, which matter"), 0o600))
	from := kernel(t)
	b := &bridge.Bridge{Local: opens(from), Remote: newQueue(t, connect(t, nil), nil), Journal: path}
	for _, err := range []error{b.Send(t.Context()), b.Receive(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), path+" is not the journal of a bridge in this direction (choose another file, or remove it)") {
			t.Errorf("the error is %v", err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "my notes, which matter" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

func messagesOf(t testing.TB, q *cluster.Queue) int64 {
	t.Helper()
	st, err := q.Stat(soon(t))
	check(t, err)
	return st.Messages
}

func kernelMessages(t testing.TB, q *sysvipc.Queue) int {
	t.Helper()
	st, err := q.Stat()
	check(t, err)
	return st.Messages
}
