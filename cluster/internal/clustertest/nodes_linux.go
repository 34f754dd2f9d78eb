package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "unsafe" // for go:linkname

	_ "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The times of the servers' elections, which their own tests shorten, too. With those that
// they come with a server is missed after 4 to 9 s.
var (
	//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
	minElectionTimeout time.Duration
	//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
	maxElectionTimeout time.Duration
	//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
	hbInterval time.Duration
	//go:linkname lostQuorumInterval github.com/nats-io/nats-server/v2/server.lostQuorumInterval
	lostQuorumInterval time.Duration
	//go:linkname lostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
	lostQuorumCheck time.Duration
)

// hurry makes elections shorter by this factor.
func hurry(by time.Duration) {
	for _, d := range []*time.Duration{&minElectionTimeout, &maxElectionTimeout, &hbInterval, &lostQuorumInterval, &lostQuorumCheck} {
		*d /= by
	}
}

// node is a server of three: its options as JSON, and how much shorter elections are. It
// says what keeps its disk from being slowed, if anything does, and sets how long each
// fsync is to take.
var node = ipctest.Register("node", func(c *ipctest.ChildEnv) {
	var opts embedded.Options
	c.Check(json.Unmarshal([]byte(c.Args[0]), &opts))
	by, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	hurry(time.Duration(by))
	delay, err := slowDisk()
	said := ""
	if err != nil {
		said = err.Error()
	}
	_, err = embedded.Start(opts)
	c.Check(err)
	c.Say("%s", said)
	for {
		d, err := time.ParseDuration(c.Listen())
		c.Check(err)
		delay.Store(int64(d))
		c.Say("%v", d)
	}
})

// Nodes are three servers, each a process, and the cables between them.
type Nodes struct {
	T         *testing.T // of the fault
	whole     *testing.T
	by        int
	opts      []embedded.Options
	cables    map[[2]int]*Cable // from one to another
	Processes []*ipctest.Process
	Slow      string // what keeps the disks from being slowed
}

// NewNodes prepares them, with elections that are shorter by this factor, and disks that
// are waited for or not. None is started.
func NewNodes(t *testing.T, n, by int, sync bool) *Nodes {
	c := &Nodes{T: t, whole: t, by: by, cables: map[[2]int]*Cable{}, Processes: make([]*ipctest.Process, n)}
	dir := t.TempDir()
	var own []net.Listener // held until all ports are chosen
	address := func() string {
		l, err := net.Listen("tcp", OwnAddress())
		Check(t, err)
		own = append(own, l)
		return l.Addr().String()
	}
	for i := range n {
		name := fmt.Sprintf("node%d", i)
		c.opts = append(c.opts, embedded.Options{
			Dir: filepath.Join(dir, name), Listen: address(), SyncAlways: sync,
			Member: &embedded.Member{Name: name, Listen: address()},
		})
	}
	for _, l := range own {
		l.Close()
	}
	for i := range n {
		for j := range n {
			if i == j {
				continue
			}
			to := NewCable(t, c.opts[j].Member.Listen)
			c.cables[[2]int{i, j}] = to
			c.opts[i].Member.Routes = append(c.opts[i].Member.Routes, strings.TrimPrefix(to.URL(), "nats://"))
		}
	}
	return c
}

// Start starts servers, also again, each with the directory that it had.
func (c *Nodes) Start(which ...int) {
	for _, i := range which {
		text, err := json.Marshal(c.opts[i])
		Check(c.T, err)
		c.Processes[i] = ipctest.Start(c.whole, node, nil, string(text), strconv.Itoa(c.by))
	}
	for _, i := range which {
		c.Slow = c.Processes[i].Line()
	}
}

// Kill is kill -9.
func (c *Nodes) Kill(i int) { c.Processes[i].Kill() }

// Disk has each fsync of a server take this long, one at a time.
func (c *Nodes) Disk(i int, d time.Duration) {
	c.Processes[i].Tell(d.String())
	c.Processes[i].Expect(d.String())
}

// Cut cuts a server off from the others, or joins it again. Its clients do not notice.
func (c *Nodes) Cut(i int, cut bool) {
	for pair, line := range c.cables {
		if pair[0] == i || pair[1] == i {
			line.SetCut(cut)
		}
	}
}

// URLs returns the addresses of all servers but these.
func (c *Nodes) URLs(but ...int) string {
	var all []string
	for i, o := range c.opts {
		if !slices.Contains(but, i) {
			all = append(all, "nats://"+o.Listen)
		}
	}
	return strings.Join(all, ",")
}

// URL returns the address of one server.
func (c *Nodes) URL(i int) string { return "nats://" + c.opts[i].Listen }

// Connect connects as soon as a majority of the servers serves.
func (c *Nodes) Connect(url string, opts *cluster.Options) *cluster.Conn {
	c.T.Helper()
	var conn *cluster.Conn
	Eventually(c.T, "servers serve", func() (ok bool) {
		ctx, cancel := context.WithTimeout(c.T.Context(), 10*time.Second)
		defer cancel()
		next, err := cluster.Connect(ctx, url, opts)
		conn = next
		return err == nil
	})
	c.T.Cleanup(func() { CloseSoon(conn) })
	return conn
}

// Leader waits until a server leads the stream, and returns which.
func (c *Nodes) Leader(conn *cluster.Conn, stream string) (leader int) {
	js, err := jetstream.New(conn.NATS())
	Check(c.T, err)
	Eventually(c.T, stream+" has a leader and all replicas", func() bool {
		ctx, cancel := context.WithTimeout(c.T.Context(), 10*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return false
		}
		in := s.CachedInfo().Cluster
		for _, r := range in.Replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
		_, err = fmt.Sscanf(in.Leader, "node%d", &leader)
		return err == nil && len(in.Replicas) == len(c.opts)-1
	})
	return leader
}
