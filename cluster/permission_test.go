package cluster_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// A subject that the account does not let a user use is named: at once where one message is
// stored, and at the deadline where servers are asked.
func TestRefusedPermission(t *testing.T) {
	t.Parallel()
	s, _ := plainServer(t, natsserver.Options{Users: []*natsserver.User{
		{Username: "all", Password: "p"},
		{Username: "some", Password: "p", Permissions: &natsserver.Permissions{
			Publish: &natsserver.SubjectPermission{Deny: []string{"sysvipc.q.>", "$KV.sysvipc.sem.>", "$JS.API.STREAM.DELETE.>"}},
		}},
	}})
	open := func(user string) *cluster.Conn {
		c, err := cluster.Connect(soon(t), s.ClientURL(), nil, nats.UserInfo(user, "p"))
		check(t, err)
		t.Cleanup(func() { clustertest.CloseSoon(c) })
		return c
	}
	_, err := open("all").CreateSemaphores(soon(t), "set", 1)
	check(t, err)
	_, err = open("all").CreateQueue(soon(t), "q", nil)
	check(t, err)
	conn := open("some")
	q, err := conn.OpenQueue(soon(t), "q")
	check(t, err)
	set, err := conn.OpenSemaphores(soon(t), "set")
	check(t, err)
	for subject, call := range map[string]func(context.Context) error{
		"sysvipc.q.q.7":       func(ctx context.Context) error { return q.Send(ctx, 7, nil) },
		"$KV.sysvipc.sem.set": func(ctx context.Context) error { return set.At(0).Acquire(ctx, 1) },
		"$JS.API.STREAM.DELETE.SYSVIPC_Q_q": func(ctx context.Context) error {
			return q.Remove(ctx)
		},
	} {
		patiently(t, "there is no permission on "+subject, call, func(err error) bool {
			return errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(), subject)
		})
	}
}
