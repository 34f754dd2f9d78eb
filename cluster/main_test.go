package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(withServer{m}) }

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

// server returns the server for all tests that do not stop it.
func server(t testing.TB) *embedded.Server {
	t.Helper()
	check(t, start())
	return shared.Server
}

func start() error {
	shared.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "sysvipc-cluster"); shared.err == nil {
			shared.Server, shared.err = embedded.Start(embedded.Options{Dir: shared.dir, Listen: "127.0.0.1:0"})
		}
	})
	return shared.err
}

// exampleServer is the same for examples.
var exampleServer = exampled{}

type exampled struct{}

func (exampled) URL() string {
	start()
	return shared.URL()
}

// connect returns a connection of its own to the server for all.
func connect(t testing.TB, opts *cluster.Options) *cluster.Conn {
	t.Helper()
	return connectTo(t, server(t).URL(), opts)
}

func connectTo(t testing.TB, url string, opts *cluster.Options) *cluster.Conn {
	t.Helper()
	c, err := cluster.Connect(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSoon(c) })
	return c
}

// ownAddress is for a server that starts again where it was: on Linux nobody else takes ports
// there, which connections do at 127.0.0.1.
func ownAddress() string {
	return fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

func closeSoon(c *cluster.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c.Close(ctx)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
