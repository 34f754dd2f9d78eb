//go:build linux && (amd64 || arm64)

package bench

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// semaphore is a sem_t as the C library of 64-bit Linux lays it out: the value in the low half, the number of waiters in
// the high one.
type semaphore struct{ data *atomic.Uint64 }

func semaphoreIn(m memory, line int) semaphore {
	// The memory is mapped until the end is closed, and a line of the cache is aligned.
	return semaphore{(*atomic.Uint64)(unsafe.Pointer(&m[64*line]))}
}

// value is the half that sleepers look at.
func (s semaphore) value() *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(s.data)) }

func (s semaphore) post() error {
	if before := s.data.Add(1) - 1; before>>32 == 0 {
		return nil
	}
	return wake(s.value())
}

// try takes one if there is one.
func (s semaphore) try(waiter uint64) bool {
	for d := s.data.Load(); uint32(d) > 0; d = s.data.Load() {
		if s.data.CompareAndSwap(d, d-1-waiter) {
			return true
		}
	}
	return false
}

func (s semaphore) wait(spin bool) error {
	if s.try(0) {
		return nil
	}
	if spin {
		for !s.try(0) {
		}
		return nil
	}
	const waiter = 1 << 32
	s.data.Add(waiter)
	for !s.try(waiter) {
		if err := sleep(s.value(), 0); err != nil {
			return err
		}
	}
	return nil
}

// semaphorePair is a gate of two semaphores.
type semaphorePair struct {
	in, out semaphore
	spin    bool
}

func (g *semaphorePair) post() error { return g.out.post() }
func (g *semaphorePair) wait() error { return g.in.wait(g.spin) }
func (g *semaphorePair) close()      {}

func offerSemaphores(l *link, m memory) (gate, error) {
	return &semaphorePair{semaphoreIn(m, 0), semaphoreIn(m, 1), l.Spin}, nil
}

func joinSemaphores(l *link, m memory) (gate, error) {
	return &semaphorePair{semaphoreIn(m, 1), semaphoreIn(m, 0), l.Spin}, nil
}

// semaphoreLock is a semaphore of value 1.
type semaphoreLock struct {
	memory
	semaphore
}

func (s *semaphoreLock) lock() error   { return s.wait(false) }
func (s *semaphoreLock) unlock() error { return s.post() }

var semaphoreLocks = opener[locker]{
	offer: func(l *link) (locker, error) {
		m, err := offerMemory(l, 4096)
		if err != nil {
			return nil, err
		}
		s := &semaphoreLock{m, semaphoreIn(m, 0)}
		return s, s.post()
	},
	join: func(l *link) (locker, error) {
		m, err := joinMemory(l, 4096)
		if err != nil {
			return nil, err
		}
		return &semaphoreLock{m, semaphoreIn(m, 0)}, nil
	},
}

// queues are an end that reads from one POSIX message queue and writes to another.
type queues struct {
	in, out int
	buf     []byte // as long as the longest message, as the call wants
}

const mqMessage = 8192 // bytes: what the kernel allows everybody by default

func (q *queues) send(p []byte) error {
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_MQ_TIMEDSEND, uintptr(q.out), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
		if e != unix.EINTR && e != unix.EAGAIN {
			return failed("mq_send", e)
		}
	}
}

func (q *queues) receive(p []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(q.in), uintptr(unsafe.Pointer(&q.buf[0])), uintptr(len(q.buf)), 0, 0, 0)
		if e != unix.EINTR && e != unix.EAGAIN {
			return copy(p, q.buf[:n]), failed("mq_receive", e)
		}
	}
}

func (q *queues) close() {
	unix.Close(q.in)
	unix.Close(q.out)
}

// mqAttr is struct mq_attr.
type mqAttr struct {
	flags, maxmsg, msgsize, curmsgs int64
	_                               [4]int64
}

// makeQueue makes a queue whose name is removed at once.
func makeQueue(l *link, side int) (int, error) {
	name, err := unix.BytePtrFromString(fmt.Sprint("sysvipc-bench-", l.Key, "-", side))
	if err != nil {
		return -1, err
	}
	attr := mqAttr{maxmsg: 10, msgsize: mqMessage}
	fd, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), uintptr(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|l.nonblock()), 0o600, uintptr(unsafe.Pointer(&attr)), 0, 0)
	if e != 0 {
		return -1, os.NewSyscallError("mq_open", e)
	}
	_, _, e = unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0)
	return int(fd), failed("mq_unlink", e)
}

var posixQueues = opener[end]{
	offer: func(l *link) (end, error) {
		there, err := makeQueue(l, 0)
		if err != nil {
			return nil, err
		}
		back, err := makeQueue(l, 1)
		if err != nil {
			return nil, err
		}
		l.fds, err = copies(there, back)
		return &queues{back, there, make([]byte, mqMessage)}, err
	},
	join: func(l *link) (end, error) { return &queues{l.fds[0], l.fds[1], make([]byte, mqMessage)}, nil },
}
