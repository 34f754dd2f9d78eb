package clustertest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
)

// Cable carries connections to a server, and can be cut, or be slow: then it holds what comes.
type Cable struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
	slow  chan struct{} // closed when it is not slow any more
	held  []byte        // what it held towards the server since it is slow
}

// NewCable lays one to the address of a URL, or to an address, until the test ends.
func NewCable(t testing.TB, to string) *Cable {
	t.Helper()
	l, err := net.Listen("tcp", OwnAddress())
	Check(t, err)
	c := &Cable{l: l, to: strings.TrimPrefix(to, "nats://"), conns: map[net.Conn]struct{}{}, slow: make(chan struct{})}
	close(c.slow)
	t.Cleanup(c.Close)
	go c.serve()
	return c
}

// URL returns where it begins.
func (c *Cable) URL() string { return "nats://" + c.l.Addr().String() }

func (c *Cable) serve() {
	for {
		from, err := c.l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", c.to)
		if err != nil || !c.plug(from, to) {
			from.Close()
			if err == nil {
				to.Close()
			}
			continue
		}
		go c.carry(from, to, true)
		go c.carry(to, from, false)
	}
}

func (c *Cable) carry(from, to net.Conn, up bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			break
		}
		c.mu.Lock()
		if slow := c.slow; up {
			c.held = append(c.held, b[:n]...)
			c.mu.Unlock()
			<-slow
		} else {
			c.mu.Unlock()
		}
		if _, err := to.Write(b[:n]); err != nil {
			break
		}
	}
	from.Close()
	to.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, from)
}

// plug notes a connection, unless the cable is cut.
func (c *Cable) plug(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if !c.cut {
			c.conns[conn] = struct{}{}
		}
	}
	return !c.cut
}

// SetCut cuts it, or mends it.
func (c *Cable) SetCut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			conn.Close()
		}
	}
}

// SetSlow has it hold all that comes towards the server, or carry on with that.
func (c *Cable) SetSlow(slow bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = nil
	if slow {
		c.slow = make(chan struct{})
	} else {
		close(c.slow)
	}
}

// Holds reports whether it was given this since it is slow.
func (c *Cable) Holds(words string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.held, []byte(words))
}

// Close ends it.
func (c *Cable) Close() {
	c.l.Close()
	c.SetCut(true)
}
