//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls are made bare here, beside those of the other mechanisms; package sysvipc adds contexts and errors, and costs
// hardly more (see BENCHMARKS.md).

const (
	ipcCreate = 0o1000 // IPC_CREAT
	ipcExcl   = 0o2000 // IPC_EXCL
	ipcRemove = 0      // IPC_RMID
	ipcNoWait = 0o4000 // IPC_NOWAIT
)

// get makes an object under a key that nothing else has.
func get(call string, number uintptr, args ...uintptr) (int, error) {
	args = append(args, 0, 0)
	id, _, e := unix.Syscall(number, args[0], args[1], args[2])
	return int(id), failed(call, e)
}

// segment is memory that is a System V segment. It is removed when both processes have attached it.
func offerSegment(l *link, size int) (memory, error) {
	id, err := get("shmget", unix.SYS_SHMGET, uintptr(l.Key), uintptr(size), ipcCreate|ipcExcl|0o600)
	if err != nil {
		return nil, err
	}
	l.Args = append(l.Args, id)
	return attach(id)
}

func attach(id int) (memory, error) {
	m, err := unix.SysvShmAttach(id, 0, 0)
	return m, os.NewSyscallError("shmat", err)
}

func detach(m memory) func() { return func() { unix.SysvShmDetach(m) } }

func removeSegment(id int) error {
	_, err := unix.SysvShmCtl(id, ipcRemove, nil)
	return os.NewSyscallError("shmctl", err)
}

// set is a gate of two semaphores: the first process waits for the second one's.
type set struct {
	id, segment int
	in, out     uint16
	first, spin bool
}

// sembuf is struct sembuf.
type sembuf struct {
	num   uint16
	op    int16
	flags int16
}

// operate makes one operation, and again when a signal interrupts it.
func operate(id int, op sembuf) error {
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_SEMTIMEDOP, uintptr(id), uintptr(unsafe.Pointer(&op)), 1, 0, 0, 0)
		if e != unix.EINTR && e != unix.EAGAIN {
			return failed("semop", e)
		}
	}
}

func (s *set) post() error { return operate(s.id, sembuf{s.out, +1, 0}) }

func (s *set) wait() error {
	op := sembuf{s.in, -1, 0}
	if s.spin {
		op.flags = ipcNoWait
	}
	return operate(s.id, op)
}

func (s *set) close() {
	if s.first {
		removeSet(s.id)
	}
}

// complete removes the segment's name, now that both have it.
func (s *set) complete(*link) error { return removeSegment(s.segment) }

func removeSet(id int) {
	unix.Syscall(unix.SYS_SEMCTL, uintptr(id), 0, ipcRemove)
}

func makeSet(l *link, n int) (int, error) {
	id, err := get("semget", unix.SYS_SEMGET, uintptr(l.Key), uintptr(n), ipcCreate|ipcExcl|0o600)
	l.Args = append(l.Args, id)
	return id, err
}

var semaphoreSets = opener[end]{
	offer: func(l *link) (end, error) {
		m, err := offerSegment(l, 4096)
		if err != nil {
			return nil, err
		}
		id, err := makeSet(l, 2)
		return &gated{m, 0, 1, &set{id, l.arg(0), 0, 1, true, l.Spin}, detach(m)}, err
	},
	join: func(l *link) (end, error) {
		m, err := attach(l.arg(0))
		return &gated{m, 1, 0, &set{id: l.arg(1), in: 1, out: 0, spin: l.Spin}, detach(m)}, err
	},
}

// setLock is a lock that the kernel gives back when its holder dies.
type setLock struct {
	id    int
	first bool
}

const semUndo = 0x1000 // SEM_UNDO

func (s *setLock) lock() error   { return operate(s.id, sembuf{0, -1, semUndo}) }
func (s *setLock) unlock() error { return operate(s.id, sembuf{0, +1, semUndo}) }

func (s *setLock) close() {
	if s.first {
		removeSet(s.id)
	}
}

var setLocks = opener[locker]{
	offer: func(l *link) (locker, error) {
		id, err := makeSet(l, 1)
		if err != nil {
			return nil, err
		}
		return &setLock{id, true}, operate(id, sembuf{0, +1, 0})
	},
	join: func(l *link) (locker, error) { return &setLock{l.arg(0), false}, nil },
}

// kernelQueues are an end that reads from one System V queue and writes to another.
type kernelQueues struct {
	in, out int
	flags   uintptr
	first   bool
	buf     []byte // the type, 8 bytes, and the message
}

const msgMost = 8192 // bytes of a message: the kernel's default

func (q *kernelQueues) send(p []byte) error {
	binary.NativeEndian.PutUint64(q.buf, 1)
	copy(q.buf[8:], p)
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_MSGSND, uintptr(q.out), uintptr(unsafe.Pointer(&q.buf[0])), uintptr(len(p)), q.flags, 0, 0)
		if e != unix.EINTR && e != unix.EAGAIN {
			return failed("msgsnd", e)
		}
	}
}

func (q *kernelQueues) receive(p []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_MSGRCV, uintptr(q.in), uintptr(unsafe.Pointer(&q.buf[0])), uintptr(len(q.buf)-8), 0, q.flags, 0)
		if e != unix.EINTR && e != unix.ENOMSG {
			return copy(p, q.buf[8:8+n]), failed("msgrcv", e)
		}
	}
}

func (q *kernelQueues) close() {
	if q.first {
		for _, id := range []int{q.in, q.out} {
			unix.Syscall(unix.SYS_MSGCTL, uintptr(id), ipcRemove, 0)
		}
	}
}

func endOfQueues(in, out int, l *link, first bool) *kernelQueues {
	q := &kernelQueues{in: in, out: out, first: first, buf: make([]byte, 8+msgMost)}
	if l.Spin {
		q.flags = ipcNoWait
	}
	return q
}

var systemVQueues = opener[end]{
	offer: func(l *link) (end, error) {
		for i := range 2 {
			id, err := get("msgget", unix.SYS_MSGGET, uintptr(l.Key+int32(i)), ipcCreate|ipcExcl|0o600)
			if err != nil {
				return nil, err
			}
			l.Args = append(l.Args, id)
		}
		return endOfQueues(l.arg(1), l.arg(0), l, true), nil
	},
	join: func(l *link) (end, error) { return endOfQueues(l.arg(0), l.arg(1), l, false), nil },
}

// segmentRings are rings in a System V segment, which has no way to wait.
var segmentRings = opener[end]{
	offer: func(l *link) (end, error) {
		m, err := offerSegment(l, ringsSize)
		if err != nil {
			return nil, err
		}
		return &segmentEnd{ringsIn(m, 0, l.Spin, detach(m)), l.arg(0)}, nil
	},
	join: func(l *link) (end, error) {
		m, err := attach(l.arg(0))
		return ringsIn(m, 1, l.Spin, detach(m)), err
	},
}

// segmentEnd removes the segment's name when both have it.
type segmentEnd struct {
	*rings
	id int
}

func (s *segmentEnd) complete(*link) error { return removeSegment(s.id) }

// lockedSegment is a value in a segment, under a semaphore.
type lockedSegment struct {
	memory
	setLock
	segment int
}

func (s *lockedSegment) store(p []byte) error {
	if err := s.lock(); err != nil {
		return err
	}
	copy(s.message(0), p)
	return s.unlock()
}

func (s *lockedSegment) load(p []byte) error {
	if err := s.lock(); err != nil {
		return err
	}
	copy(p, s.message(0))
	return s.unlock()
}

func (s *lockedSegment) close() {
	detach(s.memory)()
	s.setLock.close()
}

func (s *lockedSegment) complete(*link) error { return removeSegment(s.segment) }

var lockedSegments = opener[state]{
	offer: func(l *link) (state, error) {
		m, err := offerSegment(l, 4096)
		if err != nil {
			return nil, err
		}
		id, err := makeSet(l, 1)
		if err != nil {
			return nil, err
		}
		return &lockedSegment{m, setLock{id, true}, l.arg(0)}, operate(id, sembuf{0, +1, 0})
	},
	join: func(l *link) (state, error) {
		m, err := attach(l.arg(0))
		return &lockedSegment{m, setLock{l.arg(1), false}, 0}, err
	},
}
