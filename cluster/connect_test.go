package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

func wantRefusal(t *testing.T, url string, want string, is error) {
	t.Helper()
	c, err := cluster.Connect(soon(t), url, nil)
	if err == nil {
		c.Close(t.Context())
		t.Fatalf("it connects to %s, want: %s", url, want)
	}
	if !strings.Contains(err.Error(), want) || !errors.Is(err, is) {
		t.Errorf("got %q, want: %s", err, want)
	}
}

// An error of Connect says what to do.
func TestConnectRefusals(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", clustertest.OwnAddress())
	check(t, err)
	nobody := "nats://" + l.Addr().String()
	l.Close()
	wantRefusal(t, nobody, "nobody listens there", nats.ErrNoServers)

	// A server without JetStream.
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true})
	check(t, err)
	s.Start()
	t.Cleanup(s.Shutdown)
	wantRefusal(t, s.ClientURL(), "start the server with -js", jetstream.ErrJetStreamNotEnabled)

	// One that says that it is old.
	old, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { old.Close() })
	go func() {
		c, err := old.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":\"2.10.29\",\"proto\":1,\"max_payload\":1048576}\r\n")
		for in := bufio.NewScanner(c); in.Scan(); {
			if in.Text() == "PING" {
				fmt.Fprintf(c, "PONG\r\n")
			}
		}
	}()
	wantRefusal(t, "nats://"+old.Addr().String(), "2.12 or later is needed", errors.ErrUnsupported)
}

// Servers of a JetStream domain are used under its name, by queues, sets and variables; another domain is not there.
func TestConnectToDomain(t *testing.T) {
	t.Parallel()
	s, _ := plainServer(t, natsserver.Options{JetStreamDomain: "hub"})
	c := connectTo(t, s.ClientURL(), &cluster.Options{Domain: "hub"})
	q := newQueue(t, c, nil)
	send(t, q, 7, "a")
	send(t, q, 8, "b")
	wantMessage(t, q, sysvipc.OfType(8), "8:b")
	wantMessage(t, q, sysvipc.Any, "7:a")
	set := newSet(t, c, 1)
	check(t, set.At(0).Undo().Acquire(soon(t), 1))
	v, err := cluster.VarOf[int](soon(t), c, "v")
	check(t, err)
	check(t, v.Store(soon(t), 3))
	_, prefix := c.JetStream()
	if prefix != "$JS.hub.API." {
		t.Errorf("the prefix is %s", prefix)
	}
	patiently(t, "there is no such domain", func(ctx context.Context) error {
		_, err := cluster.Connect(ctx, s.ClientURL(), &cluster.Options{Domain: "other"})
		return err
	}, func(err error) bool { return strings.Contains(err.Error(), `no JetStream of domain "other"`) })
}
