package cluster_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

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
