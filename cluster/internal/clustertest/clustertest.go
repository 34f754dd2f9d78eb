// Package clustertest serves the tests of package cluster and of those that build on it: a
// server that they share, servers that restart, are killed or cut off, and what tests say.
package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Main runs a package's tests, and stops the server that they share.
func Main(m *testing.M) { ipctest.Main(withServer{m}) }

// withServer runs the tests, and then stops the server that they share.
type withServer struct{ m *testing.M }

func (w withServer) Run() int {
	code := w.m.Run()
	if shared.dir != "" {
		shared.Close()
		os.RemoveAll(shared.dir)
	}
	return code
}

var shared struct {
	sync.Once
	*embedded.Server
	dir string
	err error
}

// Server returns the URL of the server for all tests that do not stop it.
func Server(t testing.TB) string {
	t.Helper()
	url, err := URL()
	Check(t, err)
	return url
}

// URL is Server for examples, which have no test.
func URL() (string, error) {
	shared.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "sysvipc-cluster"); shared.err == nil {
			shared.Server, shared.err = embedded.Start(embedded.Options{Dir: shared.dir, Listen: "127.0.0.1:0"})
		}
	})
	if shared.err != nil {
		return "", shared.err
	}
	return shared.URL(), nil
}

// Connect returns a connection of its own to the server for all.
func Connect(t testing.TB, opts *cluster.Options) *cluster.Conn {
	t.Helper()
	return ConnectTo(t, Server(t), opts)
}

// ConnectTo connects to the servers at url, until the test ends.
func ConnectTo(t testing.TB, url string, opts *cluster.Options) *cluster.Conn {
	t.Helper()
	c, err := cluster.Connect(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { CloseSoon(c) })
	return c
}

// OwnAddress is for a server that starts again where it was: on Linux nobody else takes ports
// there, which connections do at 127.0.0.1.
func OwnAddress() string {
	return fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

// CloseSoon closes a connection, and gives up after half a minute.
func CloseSoon(c *cluster.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c.Close(ctx)
}

// Check ends the test if there is an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// NewQueue makes a queue with the name of the test, until that ends.
func NewQueue(t testing.TB, c *cluster.Conn, opts *cluster.QueueOptions) *cluster.Queue {
	t.Helper()
	q, err := c.CreateQueue(t.Context(), t.Name(), opts)
	Check(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		q.Remove(ctx)
	})
	return q
}

// Send sends a message.
func Send(t testing.TB, q *cluster.Queue, typ int64, data string) {
	t.Helper()
	Check(t, q.Send(t.Context(), typ, []byte(data)))
}

// Soon is a context for what has to happen, but not at once.
func Soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Want receives a message, which has to be this one: TYPE:DATA.
func Want(t testing.TB, q *cluster.Queue, sel sysvipc.Selector, want string) {
	t.Helper()
	m, err := q.Receive(Soon(t), sel)
	Check(t, err)
	if got := fmt.Sprintf("%d:%s", m.Type, m.Data); got != want {
		t.Fatalf("received %s of %v, want %s", got, sel, want)
	}
}

// Counts are the Metrics that a test looks at.
type Counts struct {
	mu sync.Mutex
	of map[string]int
}

// Count adds to a counter.
func (c *Counts) Count(name, _ string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[name] += n
}

// Get returns a counter.
func (c *Counts) Get(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[name]
}

// Gauge does nothing.
func (c *Counts) Gauge(string, string, float64) {}

// Eventually waits for what others do, in their own time.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for !f() {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Restarted is a server of one test, which stops and starts again where it was.
type Restarted struct {
	*embedded.Server
	Dir string // of its streams: another one, if that is set before it starts again

	t      testing.TB
	listen string
}

// NewRestarted starts one.
func NewRestarted(t testing.TB) *Restarted {
	t.Helper()
	r := &Restarted{Dir: t.TempDir(), t: t, listen: OwnAddress()}
	r.Start()
	t.Cleanup(func() { r.Close() })
	u, err := url.Parse(r.URL())
	Check(t, err)
	r.listen = u.Host
	return r
}

// Start starts it again after its Close.
func (r *Restarted) Start() {
	r.t.Helper()
	srv, err := embedded.Start(embedded.Options{Dir: r.Dir, Listen: r.listen})
	Check(r.t, err)
	r.Server = srv
}
