package cluster_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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
