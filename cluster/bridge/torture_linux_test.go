package bridge_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Two machines, each an IPC namespace with a kernel queue, a bridge and a program, and a
// server between them. The bridges and the server are processes, and are killed.

// natsd is a server that can be killed: its directory, its address.
var natsd = ipctest.Register("natsd", func(c *ipctest.ChildEnv) {
	srv, err := embedded.Start(embedded.Options{Dir: c.Args[0], Listen: c.Args[1]})
	c.Check(err)
	c.Say("%s", strings.TrimPrefix(srv.URL(), "nats://"))
	c.Listen()
})

// bridger is a bridge that can be killed: the server's URL, the queue's name, the direction,
// the ID of the local queue, the directory of its journal.
var bridger = ipctest.Register("bridger", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	id, err := strconv.Atoi(c.Args[3])
	c.Check(err)
	conn, err := cluster.Connect(ctx, c.Args[0], &cluster.Options{Lease: time.Second})
	for err != nil { // the server may be away just now
		conn, err = cluster.Connect(ctx, c.Args[0], &cluster.Options{Lease: time.Second})
	}
	q, err := conn.OpenQueue(ctx, c.Args[1])
	c.Check(err)
	b := &bridge.Bridge{
		Local:   func() (*sysvipc.Queue, error) { return sysvipc.QueueByID(id), nil },
		Remote:  q,
		Journal: filepath.Join(c.Args[4], c.Args[2]),
		Note:    func(what string, err error) { fmt.Fprintln(os.Stderr, what, err) },
	}
	if c.Args[2] == "send" {
		c.Check(b.Send(ctx))
	} else {
		c.Check(b.Receive(ctx))
	}
})

// machine is a namespace with its queue, its bridge and its program, which sends or
// receives: the direction, how many messages, and how often the receiver is to tell how far
// it is; then the bridge's arguments but for the queue. It kills its bridge on demand.
var machine = ipctest.Register("machine", func(c *ipctest.ChildEnv) {
	how := c.Args[0]
	n, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	every, err := strconv.Atoi(c.Args[2])
	c.Check(err)
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	c.Check(err)
	bridge := func() *exec.Cmd {
		return c.Start(bridger, c.Args[3], c.Args[4], how, strconv.Itoa(q.ID()), c.Args[5])
	}
	b := bridge()
	go func() {
		if how == "send" {
			produce(c, q, n)
		} else {
			consume(c, q, n, every)
		}
	}()
	for c.Listen() == "kill" {
		c.Check(b.Process.Kill())
		b.Wait()
		b = bridge()
	}
})

// content is what message i has in it: its number, and for some of them more, up to the
// kernel's limit, NULs among it.
func content(i int) []byte {
	data := binary.BigEndian.AppendUint32(nil, uint32(i))
	switch {
	case i%1009 == 0:
		data = append(data, make([]byte, 8188)...)
	case i%97 == 0:
		data = append(data, make([]byte, 1000)...)
	}
	return data
}

func produce(c *ipctest.ChildEnv, q *sysvipc.Queue, n int) {
	for i := range n {
		c.Check(q.Send(context.Background(), int64(i%4)+1, content(i)))
	}
}

// consume receives n different messages, and says at last how many came more than once.
func consume(c *ipctest.ChildEnv, q *sysvipc.Queue, n, every int) {
	seen, twice := make([]bool, n), 0
	next := map[int64]int{1: 0, 2: 1, 3: 2, 4: 3}
	for left := n; left > 0; {
		m, err := q.Receive(context.Background(), sysvipc.Any)
		c.Check(err)
		if len(m.Data) < 4 {
			c.Fatalf("a message of %d bytes came", len(m.Data))
		}
		i := int(binary.BigEndian.Uint32(m.Data))
		if i >= n || string(m.Data) != string(content(i)) {
			c.Fatalf("a message came that was not sent: %.8x, %d bytes", m.Data, len(m.Data))
		}
		if seen[i] {
			twice++
			continue
		}
		if i != next[m.Type] {
			c.Fatalf("message %d of type %d came, want %d", i, m.Type, next[m.Type])
		}
		seen[i] = true
		next[m.Type] += 4
		if left--; left%every == 0 {
			c.Say("on")
		}
	}
	c.Say("twice %d", twice)
}

// Killed at whatever point, bridges and server lose nothing, keep the order of each type,
// and deliver hardly anything twice. The long form, with at least 200 kills:
//
//	SYSVIPC_BRIDGE_TORTURE=1000000 go test -v -timeout 1h -run BridgeTorture ./cluster/bridge
func TestBridgeTorture(t *testing.T) {
	t.Parallel()
	n, each := 6000, 3
	if long, err := strconv.Atoi(os.Getenv("SYSVIPC_BRIDGE_TORTURE")); err == nil {
		n, each = long, max(80, long/10000)
	}
	dir := t.TempDir()
	srv := ipctest.Start(t, natsd, nil, dir, clustertest.OwnAddress())
	address := srv.Line()
	conn, err := cluster.Connect(t.Context(), "nats://"+address, nil)
	check(t, err)
	_, err = conn.CreateQueue(t.Context(), t.Name(), nil)
	check(t, err)
	check(t, conn.Close(t.Context()))
	var kills []string
	for _, role := range []string{"send", "receive", "server"} {
		for range each {
			kills = append(kills, role)
		}
	}
	rand.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	start := func(how string) *ipctest.Process {
		return ipctest.Start(t, machine, &ipctest.Options{Namespace: ipctest.Fresh}, how, strconv.Itoa(n), strconv.Itoa(n/(len(kills)+1)), "nats://"+address, t.Name(), dir)
	}
	machines := map[string]*ipctest.Process{"send": start("send"), "receive": start("receive")}
	began, twice := time.Now(), ""
	for twice == "" {
		line := machines["receive"].Line()
		if rest, ok := strings.CutPrefix(line, "twice "); ok {
			twice = rest
			break
		}
		if len(kills) == 0 {
			continue
		}
		role := kills[0]
		kills = kills[1:]
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond) // so that it is killed at any point
		if role == "server" {
			srv.Kill()
			srv = ipctest.Start(t, natsd, nil, dir, address)
			srv.Expect(address)
		} else {
			machines[role].Tell("kill")
		}
	}
	for _, m := range machines {
		m.Finish()
	}
	if len(kills) > 0 {
		t.Errorf("%d kills were not made", len(kills))
	}
	t.Logf("%d messages in %v, %d kills of each bridge and of the server, %s duplicates", n, time.Since(began).Round(time.Second), each, twice)
	if k, err := strconv.Atoi(twice); err != nil || k > 2*each {
		t.Errorf("%s duplicates after %d kills of bridges: each may cost one", twice, 2*each)
	}
}
