package embedded

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Nodes are the servers of one cluster, in this process, on a loopback address: for tests of what
// happens when one dies. Safe for concurrent use.
type Nodes struct {
	dir     string
	host    string
	ports   []int             // where each listens for the others
	cables  map[[2]int]*cable // from one to another
	mu      sync.Mutex
	servers []*Server // nil: stopped
	clients []string  // their addresses, which they keep when they start again
}

// StartNodes starts a cluster of n servers that keep their streams below dir, and waits
// until it has a leader.
func StartNodes(dir string, n int) (*Nodes, error) {
	c := &Nodes{dir: dir, host: ownHost(), servers: make([]*Server, n), clients: make([]string, n)}
	ports, err := freePorts(c.host, 2*n)
	if err != nil {
		return nil, err
	}
	c.ports, c.cables = ports[:n], map[[2]int]*cable{}
	for i := range n {
		for j := range n {
			if i != j {
				if c.cables[[2]int{i, j}], err = newCable(c.host, c.ports[j]); err != nil {
					return nil, fmt.Errorf("embedded: %w", err)
				}
			}
		}
		c.clients[i] = address(c.host, ports[n+i])
	}
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- c.Start(i) }()
	}
	for range n {
		err = errors.Join(err, <-errs)
	}
	if err == nil {
		err = c.waitLeader()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// ownHost returns an address of this machine at which nobody else takes the ports. On Linux
// all of 127.0.0.0/8 are loopback, and connections take their ports at 127.0.0.1.
func ownHost() string {
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	l, err := net.Listen("tcp", address(host, 0))
	if err != nil {
		return "127.0.0.1"
	}
	l.Close()
	return host
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// freePorts returns ports that nobody listens on.
func freePorts(host string, n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", address(host, 0))
		if err != nil {
			return nil, fmt.Errorf("embedded: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// URL returns the addresses of all servers.
func (c *Nodes) URL() string { return "nats://" + strings.Join(c.clients, ",nats://") }

// NodeURL returns the address of one server.
func (c *Nodes) NodeURL(i int) string { return "nats://" + c.clients[i] }

// Start starts a server that was stopped, with the directory that it had.
func (c *Nodes) Start(i int) error {
	m := &member{name: fmt.Sprintf("node%d", i), host: c.host, port: c.ports[i]}
	for j := range c.ports {
		if i != j {
			m.routes = append(m.routes, c.cables[[2]int{i, j}].l.Addr().String())
		}
	}
	s, err := Start(Options{
		Dir: filepath.Join(c.dir, fmt.Sprintf("node%d", i)), Listen: c.clients[i],
		cluster: m,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[i] = s
	return nil
}

// Stop stops a server: it leaves without a word, as one that is killed does, but for the
// connections, which are closed.
func (c *Nodes) Stop(i int) {
	c.mu.Lock()
	s := c.servers[i]
	c.servers[i] = nil
	c.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

// Cut cuts a server off from the others, and joins it again. Its clients do not notice.
func (c *Nodes) Cut(i int, cut bool) {
	for pair, cable := range c.cables {
		if pair[0] == i || pair[1] == i {
			cable.setCut(cut)
		}
	}
}

// Leader returns the server that leads a stream, or -1 if none does now.
func (c *Nodes) Leader(stream string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.servers {
		if s != nil && s.s.JetStreamIsStreamLeader("$G", stream) {
			return i
		}
	}
	return -1
}

func (c *Nodes) waitLeader() error {
	end := time.Now().Add(startTime)
	for time.Now().Before(end) {
		c.mu.Lock()
		for _, s := range c.servers {
			if s != nil && s.s.JetStreamIsLeader() && len(s.s.JetStreamClusterPeers()) == len(c.servers) {
				c.mu.Unlock()
				return nil
			}
		}
		c.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("embedded: the cluster in %s has no leader after %v", c.dir, startTime)
}

// Close stops all servers.
func (c *Nodes) Close() {
	var wg sync.WaitGroup
	for i := range c.servers {
		wg.Go(func() { c.Stop(i) })
	}
	wg.Wait()
	for _, cable := range c.cables {
		cable.close()
	}
}
