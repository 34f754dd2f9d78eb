package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
	"github.com/sysvipc/sysvipc/cluster/internal/permission"
)

// prepare makes, by one who may do all, what a role's work begins with: a queue with four messages, of which one is in
// flight to another receiver, a set and a variable of this name.
func prepare(t *testing.T, c *cluster.Conn, role, name string) {
	t.Helper()
	q, err := c.CreateQueue(soon(t), name, nil)
	check(t, err)
	for _, typ := range []int64{7, 8, 9, 9} {
		send(t, q, typ, "")
	}
	if role == "receive" {
		_, err = q.Take(soon(t), sysvipc.OfType(7))
		check(t, err)
	}
	for _, set := range []string{name, "bridge " + name} {
		_, err = c.CreateSemaphores(soon(t), set, 1)
		check(t, err)
	}
	v, err := cluster.VarOf[int](soon(t), c, name)
	check(t, err)
	check(t, v.Store(soon(t), 1))
}

// does does the work of a role.
func does(ctx context.Context, role string, c *cluster.Conn, name, dir string, local *sysvipc.Queue, note func(string, error)) error {
	queue := func(work func(q *cluster.Queue) error) error {
		q, err := c.OpenQueue(ctx, name)
		if err == nil {
			err = work(q)
		}
		return err
	}
	carry := func(how func(*bridge.Bridge, context.Context) error, done func() error) error {
		return queue(func(q *cluster.Queue) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			ended := make(chan error, 1)
			b := &bridge.Bridge{Local: opens(local), Remote: q, Journal: filepath.Join(dir, name), Note: note}
			go func() { ended <- how(b, ctx) }()
			err := done()
			cancel()
			return errors.Join(err, <-ended)
		})
	}
	switch role {
	case "send":
		return queue(func(q *cluster.Queue) error { return q.Send(ctx, 7, nil) })
	case "receive":
		return queue(func(q *cluster.Queue) error {
			if _, ok, err := q.TryReceive(ctx, sysvipc.OfType(7)); ok || err != nil {
				return fmt.Errorf("got a message that another has in flight (%v), or: %w", ok, err)
			}
			if _, err := q.Receive(ctx, sysvipc.Any); err != nil {
				return err
			}
			d, err := q.Take(ctx, sysvipc.OfType(9))
			if err != nil {
				return err
			}
			return d.Ack(ctx)
		})
	case "make queues":
		q, err := c.CreateQueue(ctx, "made-"+name, nil)
		if err == nil {
			err = q.SetCapacity(ctx, 5, 0)
		}
		if err == nil {
			err = q.Remove(ctx)
		}
		return err
	case "lock":
		s, err := c.OpenSemaphores(ctx, name)
		if err != nil {
			return err
		}
		g, err := s.Take(ctx, sysvipc.Add(0, -1))
		if err != nil {
			return err
		}
		brief, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = s.Take(brief, sysvipc.Add(0, -1)) // it waits
		if errors.Is(err, fs.ErrPermission) || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return g.Give(ctx)
	case "use variables":
		v, err := cluster.VarOf[int](ctx, c, name)
		if err == nil {
			err = v.Store(ctx, 2)
		}
		if err == nil {
			for _, err := range v.Watch(ctx) {
				return err
			}
			return ctx.Err()
		}
		return err
	case "bridge out":
		return carry((*bridge.Bridge).Send, func() error {
			if err := local.Send(ctx, 3, nil); err != nil {
				return err
			}
			for {
				if st, err := local.Stat(); err != nil || st.Messages == 0 {
					return err
				}
				select {
				case <-time.After(5 * time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	case "bridge in":
		return carry((*bridge.Bridge).Receive, func() error {
			_, err := local.Receive(ctx, sysvipc.OfType(8))
			return err
		})
	}
	return fmt.Errorf("no test of role %q", role)
}

// An account with just the subjects of a role can do its work, also without those that are a convenience. One without
// any other fails and says which subject it is; a bridge says so and goes on.
func TestPermissions(t *testing.T) {
	t.Parallel()
	type client struct {
		role    string
		missing *permission.Need
		name    string
	}
	opts := natsserver.Options{Users: []*natsserver.User{{Username: "all", Password: "p"}}}
	var clients []client
	add := func(role string, missing *permission.Need, needs []permission.Need) {
		name := fmt.Sprint("n", len(clients))
		none := []string{"nothing"} // an empty list would allow all
		allowed := &natsserver.Permissions{Publish: &natsserver.SubjectPermission{Allow: none}, Subscribe: &natsserver.SubjectPermission{Allow: none}}
		for _, n := range needs {
			to := allowed.Publish
			if n.Subscribe {
				to = allowed.Subscribe
			}
			to.Allow = append(to.Allow, n.In("$JS.API.", name))
			if role == "make queues" {
				to.Allow = append(to.Allow, n.In("$JS.API.", "made-"+name))
			}
		}
		opts.Users = append(opts.Users, &natsserver.User{Username: name, Password: "p", Permissions: allowed})
		clients = append(clients, client{role, missing, name})
	}
	for _, r := range permission.Roles {
		all := slices.Concat(permission.Connect, r.Needs)
		add(r.Name, nil, all)
		add(r.Name, nil, slices.DeleteFunc(slices.Clone(all), func(n permission.Need) bool { return n.Without != "" }))
		for i, n := range all {
			if n.Without == "" {
				add(r.Name, &n, slices.Delete(slices.Clone(all), i, i+1))
			}
		}
	}
	s, err := natsserver.NewServer(serves(t, &opts))
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not serve")
	}
	admin, err := cluster.Connect(soon(t), s.ClientURL(), nil, nats.UserInfo("all", "p"))
	check(t, err)
	t.Cleanup(func() { clustertest.CloseSoon(admin) })
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range clients {
		prepare(t, admin, c.role, c.name)
		dir, local := t.TempDir(), kernel(t)
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			bridges := strings.HasPrefix(c.role, "bridge") // which go on: they say it in their log
			var mu sync.Mutex
			var said error
			note := func(what string, err error) {
				mu.Lock()
				defer mu.Unlock()
				said = errors.Join(said, err)
				if c.missing != nil && (strings.Contains(what, "refuse") || bridges && errors.Is(err, nats.ErrPermissionViolation)) {
					cancel() // it has said what is to be said, and asks again
				}
			}
			conn, err := cluster.Connect(ctx, s.ClientURL(), &cluster.Options{Note: note}, nats.UserInfo(c.name, "p"))
			if err == nil {
				defer clustertest.CloseSoon(conn)
				err = does(ctx, c.role, conn, c.name, dir, local, note)
			}
			if c.missing == nil {
				if err != nil {
					t.Errorf("%s, with all that it needs: %v", c.role, err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			subject, _, _ := strings.Cut(c.missing.In("$JS.API.", c.name), "*")
			subject, _, _ = strings.Cut(subject, ">")
			denied := errors.Is(err, fs.ErrPermission)
			if bridges {
				denied, err = denied || errors.Is(said, nats.ErrPermissionViolation), errors.Join(err, said)
			}
			if c.role == "make queues" { // whose queue has another name
				subject = strings.TrimSuffix(subject, c.name)
			}
			if !denied || !strings.Contains(err.Error(), subject) {
				t.Errorf("%s without %s: %v; noted: %v", c.role, c.missing.Subject, err, said)
			}
		})
	}
}

// serves are the options of a server at an address and a directory of its own.
func serves(t *testing.T, opts *natsserver.Options) *natsserver.Options {
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog, opts.JetStream, opts.StoreDir = "127.0.0.1", natsserver.RANDOM_PORT, true, true, true, t.TempDir()
	return opts
}
