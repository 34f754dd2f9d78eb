//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// ring carries messages of any length from one process to one other. Its reader sleeps when it is empty, and its writer
// when it is full, unless they poll.
type ring struct {
	head, tail     *counter       // bytes that were read and written, ever
	reader, writer *atomic.Uint32 // 1: it sleeps, or is about to
	data           []byte
	spin           bool
}

type counter = atomic.Uint64

const (
	ringData  = 256 << 10
	ringSize  = 4096 + ringData
	ringsSize = 2 * ringSize
)

func ringIn(m memory, spin bool) *ring {
	// The memory is mapped until the end is closed, and a line of the cache is aligned.
	at := func(line int) *counter { return (*counter)(unsafe.Pointer(&m[64*line])) }
	return &ring{head: at(0), tail: at(2), reader: m.word(4), writer: m.word(6), data: m[4096:ringSize], spin: spin}
}

// rings are an end that is a ring each way.
type rings struct {
	in, out *ring
	free    func()
}

// ringsIn returns the rings of a side, 0 or 1.
func ringsIn(m memory, side int, spin bool, free func()) *rings {
	if len(m) < ringsSize {
		return nil
	}
	there, back := ringIn(m[:ringSize], spin), ringIn(m[ringSize:], spin)
	if side == 0 {
		return &rings{back, there, free}
	}
	return &rings{there, back, free}
}

func (r *rings) send(p []byte) error           { return r.out.send(p) }
func (r *rings) receive(p []byte) (int, error) { return r.in.receive(p) }
func (r *rings) close()                        { r.free() }

// room is what a message takes: its length, itself, and what makes the next one aligned.
func room(n int) uint64 { return uint64(8 + (n+7)&^7) }

func (r *ring) send(p []byte) error {
	tail := r.tail.Load()
	at := tail % ringData
	skip := uint64(0)
	if ringData-at < room(len(p)) {
		skip = ringData - at // a message lies in one piece
	}
	for tail+skip+room(len(p))-r.head.Load() > ringData {
		if err := r.sleep(r.writer, func() bool { return tail+skip+room(len(p))-r.head.Load() > ringData }); err != nil {
			return err
		}
	}
	if skip > 0 {
		binary.NativeEndian.PutUint64(r.data[at:], 0)
		at = 0
	}
	binary.NativeEndian.PutUint64(r.data[at:], uint64(len(p)))
	copy(r.data[at+8:], p)
	r.tail.Store(tail + skip + room(len(p)))
	return r.awake(r.reader)
}

func (r *ring) receive(p []byte) (int, error) {
	head := r.head.Load()
	for r.tail.Load() == head {
		if err := r.sleep(r.reader, func() bool { return r.tail.Load() == head }); err != nil {
			return 0, err
		}
	}
	at := head % ringData
	n := int(binary.NativeEndian.Uint64(r.data[at:]))
	if n == 0 {
		head += ringData - at
		at = 0
		n = int(binary.NativeEndian.Uint64(r.data))
	}
	copy(p, r.data[at+8:at+8+uint64(n)])
	r.head.Store(head + room(n))
	return n, r.awake(r.writer)
}

// sleep waits until the other side wakes this one, if there is still a reason for it.
func (r *ring) sleep(flag *atomic.Uint32, still func() bool) error {
	if r.spin {
		return nil
	}
	flag.Store(1)
	if !still() {
		flag.Store(0)
		return nil
	}
	return sleep(flag, 1)
}

// awake wakes the other side if it sleeps.
func (r *ring) awake(flag *atomic.Uint32) error {
	if r.spin || flag.Load() == 0 || !flag.CompareAndSwap(1, 0) {
		return nil
	}
	return wake(flag)
}

var memfdRings = opener[end]{
	offer: func(l *link) (end, error) {
		m, err := offerMemory(l, ringsSize)
		return ringsIn(m, 0, l.Spin, m.close), err
	},
	join: func(l *link) (end, error) {
		m, err := joinMemory(l, ringsSize)
		return ringsIn(m, 1, l.Spin, m.close), err
	},
}
