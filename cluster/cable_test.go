package cluster_test

import (
	"io"
	"net"
	"sync"
)

// cable carries connections from one server to another, and can be cut.
type cable struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

func newCable(to string) (*cable, error) {
	l, err := net.Listen("tcp", ownAddress())
	if err != nil {
		return nil, err
	}
	c := &cable{l: l, to: to, conns: map[net.Conn]struct{}{}}
	go c.serve()
	return c, nil
}

func (c *cable) serve() {
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
		go c.carry(from, to)
		go c.carry(to, from)
	}
}

func (c *cable) carry(from, to net.Conn) {
	io.Copy(to, from)
	from.Close()
	to.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, from)
}

// plug notes a connection, unless the cable is cut.
func (c *cable) plug(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if !c.cut {
			c.conns[conn] = struct{}{}
		}
	}
	return !c.cut
}

func (c *cable) setCut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			conn.Close()
		}
	}
}

func (c *cable) close() {
	c.l.Close()
	c.setCut(true)
}
