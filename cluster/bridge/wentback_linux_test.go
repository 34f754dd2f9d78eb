package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// Servers that were restored from a copy have less than they had acknowledged. That is said;
// watches tell what there is now, sets go on with larger tokens, and a receiving bridge throws
// away nothing that was acknowledged afterwards.
func TestServersGoBack(t *testing.T) {
	t.Parallel()
	srv := clustertest.NewRestarted(t)
	notes := make(chan string, 1000)
	note := func(what string, _ error) { notes <- what }
	conn := connectTo(t, srv.URL(), &cluster.Options{Note: note})
	v, err := cluster.VarOf[int](soon(t), conn, "var")
	check(t, err)
	watched := make(chan int, 100)
	go func() {
		for x, err := range v.Watch(t.Context()) {
			if err == nil {
				watched <- x
			}
		}
	}()
	tells := func(want int) {
		t.Helper()
		for {
			select {
			case x := <-watched:
				if x == want {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("the watch does not tell of %d", want)
			}
		}
	}
	set, err := conn.CreateSemaphores(soon(t), "set", 1)
	check(t, err)
	q, err := conn.CreateQueue(soon(t), "bridged", nil)
	check(t, err)
	to := kernel(t)
	runBridge(t, &bridge.Bridge{
		Local: opens(to), Remote: q, Journal: filepath.Join(t.TempDir(), "receive"), Note: note,
	}, (*bridge.Bridge).Receive)
	carry := func(from, n int) {
		t.Helper()
		for i := range n {
			send(t, q, 1, fmt.Sprint(from+i))
		}
		for i := range n {
			if m, err := to.Receive(soon(t), sysvipc.Any); err != nil || string(m.Data) != fmt.Sprint(from+i) {
				t.Fatalf("got %q, %v; want %d", m.Data, err, from+i)
			}
		}
	}
	check(t, v.Store(soon(t), 1))
	tells(1)
	carry(0, 1)
	srv.Close()
	before := filepath.Join(t.TempDir(), "copy")
	check(t, os.CopyFS(before, os.DirFS(srv.Dir)))
	srv.Start()
	for i := range 10 {
		check(t, v.Store(soon(t), 2+i))
	}
	tells(11)
	carry(100, 50)
	var token uint64
	for range 10 {
		g, err := set.Take(soon(t), sysvipc.Add(0, -1))
		check(t, err)
		token = g.Token
		check(t, g.Give(soon(t)))
	}
	srv.Close()
	srv.Dir = before
	srv.Start()
	tells(1)
	check(t, v.Store(soon(t), 77))
	tells(77)
	carry(200, 30)
	again, err := connectTo(t, srv.URL(), nil).OpenSemaphores(soon(t), "set")
	check(t, err)
	g, err := again.Take(soon(t), sysvipc.Add(0, -1))
	check(t, err)
	if g.Token <= token {
		t.Errorf("token %d after %d", g.Token, token)
	}
	check(t, g.Give(soon(t)))
	if _, err := set.Values(soon(t)); err != nil { // it does not turn in circles
		t.Error(err)
	}
	said := map[string]bool{}
	for len(notes) > 0 {
		what := <-notes
		for _, word := range []string{"variable", "set", "message"} {
			if strings.HasPrefix(what, "the servers went back") && strings.Contains(what, word) {
				said[word] = true
			}
		}
	}
	if len(said) != 3 {
		t.Errorf("noted is only that these went back: %v", said)
	}
}
