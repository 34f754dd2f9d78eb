//go:build linux && (amd64 || arm64)

package bench

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is a page, or more, that two processes share.
type memory []byte

// word is a number in it. Numbers that different processes write lie in different lines of the cache.
func (m memory) word(line int) *atomic.Uint32 {
	// The memory is mapped until its end is closed, and begins at a page.
	return (*atomic.Uint32)(unsafe.Pointer(&m[64*line]))
}

// message is room for one.
func (m memory) message(i int) []byte { return m[1024+i*small:][:small] }

func (m memory) close() { unix.Munmap(m) }

// offerMemory makes memory without a name, whose descriptor the second process gets as well.
func offerMemory(l *link, size int) (memory, error) {
	fd, err := unix.MemfdCreate("sysvipc-bench", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	l.fds = append(l.fds, fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, os.NewSyscallError("ftruncate", err)
	}
	return mapped(fd, size)
}

// joinMemory maps the last of the descriptors, which it closes.
func joinMemory(l *link, size int) (memory, error) {
	fd := l.fds[len(l.fds)-1]
	defer unix.Close(fd)
	return mapped(fd, size)
}

func mapped(fd, size int) (memory, error) {
	m, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return m, os.NewSyscallError("mmap", err)
}

// gate wakes the other process, and waits to be woken by it.
type gate interface {
	post() error
	wait() error
	close()
}

// gated is an end that puts its message into memory and wakes the other by a gate.
type gated struct {
	memory
	mine, theirs int // the messages in memory
	gate
	free func() // gives the memory back, if that is not to unmap it
}

func (g *gated) send(p []byte) error {
	copy(g.message(g.mine), p)
	return g.post()
}

func (g *gated) receive(p []byte) (int, error) {
	if err := g.wait(); err != nil {
		return 0, err
	}
	return copy(p, g.message(g.theirs)), nil
}

func (g *gated) close() {
	g.gate.close()
	if g.free != nil {
		g.free()
	} else {
		g.memory.close()
	}
}

// gates opens ends with a message each way in a memfd, and gates. make gets the number of its side, 0 or 1.
func gates(offer, join func(l *link, m memory) (gate, error)) opener[end] {
	const size = 4096
	return opener[end]{
		offer: func(l *link) (end, error) {
			m, err := offerMemory(l, size)
			if err != nil {
				return nil, err
			}
			g, err := offer(l, m)
			return &gated{memory: m, mine: 0, theirs: 1, gate: g}, err
		},
		join: func(l *link) (end, error) {
			m, err := joinMemory(l, size)
			if err != nil {
				return nil, err
			}
			g, err := join(l, m)
			return &gated{memory: m, mine: 1, theirs: 0, gate: g}, err
		},
	}
}

func (g *gated) complete(l *link) error {
	if c, ok := g.gate.(completer); ok {
		return c.complete(l)
	}
	return nil
}
