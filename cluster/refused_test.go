package cluster_test

import (
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// plainServer starts a server with these options, at an address and a directory of its own.
func plainServer(t *testing.T, opts natsserver.Options) (*natsserver.Server, *natsserver.Options) {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog, opts.JetStream, opts.StoreDir = "127.0.0.1", natsserver.RANDOM_PORT, true, true, true, t.TempDir()
	s, err := natsserver.NewServer(&opts)
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not serve")
	}
	return s, &opts
}

// Servers that refuse the password for a while, as when it is changed on both sides, do not
// end the connection: it goes on when they take it again, and says meanwhile what they say.
func TestPasswordIsWrongForAWhile(t *testing.T) {
	t.Parallel()
	user := func(password string) []*natsserver.User {
		return []*natsserver.User{{Username: "user", Password: password}}
	}
	s, opts := plainServer(t, natsserver.Options{Users: user("secret")})
	said := make(chan string, 100)
	note := func(what string, err error) {
		if err != nil {
			said <- what + ": " + err.Error()
		}
	}
	tries := make(chan struct{}, 100)
	conn, err := cluster.Connect(soon(t), s.ClientURL(), &cluster.Options{Note: note}, nats.UserInfoHandler(func() (string, string) {
		tries <- struct{}{}
		return "user", "secret"
	}))
	check(t, err)
	t.Cleanup(func() { clustertest.CloseSoon(conn) })
	q, err := conn.EnsureQueue(soon(t), "q", nil)
	check(t, err)
	for len(tries) > 0 {
		<-tries
	}
	changed := opts.Clone()
	changed.Users = user("another")
	check(t, s.ReloadOptions(changed))
	sent := make(chan error, 1)
	go func() { sent <- q.Send(soon(t), 7, []byte("meanwhile")) }()
	for range 4 { // the second one was the last
		select {
		case <-tries:
		case <-soon(t).Done():
			t.Fatal("it has given up")
		}
	}
	for line := ""; !strings.Contains(line, "refuse"); {
		select {
		case line = <-said:
		case <-soon(t).Done():
			t.Fatal("it does not say that it is refused")
		}
	}
	changed = changed.Clone()
	changed.Users = user("secret")
	check(t, s.ReloadOptions(changed))
	check(t, <-sent)
	wantMessage(t, q, sysvipc.Any, "7:meanwhile")
}
