//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventfds are a gate of two eventfds.
type eventfds struct{ in, out int }

func (g *eventfds) post() error {
	one := [8]byte{}
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(g.out), uintptr(unsafe.Pointer(&one)), 8)
	return failed("write", e)
}

func (g *eventfds) wait() error {
	var n [8]byte
	for {
		_, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(g.in), uintptr(unsafe.Pointer(&n)), 8)
		if e != unix.EINTR && e != unix.EAGAIN {
			return failed("read", e)
		}
	}
}

func (g *eventfds) close() {
	unix.Close(g.in)
	unix.Close(g.out)
}

// failed is the error of a bare call, nil for 0.
func failed(call string, e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return os.NewSyscallError(call, e)
}

func offerEventfds(l *link, _ memory) (gate, error) {
	there, err := unix.Eventfd(0, unix.EFD_CLOEXEC|l.nonblock())
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	mem := l.fds[0]
	back, err := unix.Eventfd(0, unix.EFD_CLOEXEC|l.nonblock())
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	if l.fds, err = copies(there, back); err != nil {
		return nil, err
	}
	l.fds = append(l.fds, mem)
	return &eventfds{in: back, out: there}, nil
}

func joinEventfds(l *link, _ memory) (gate, error) {
	return &eventfds{in: l.fds[0], out: l.fds[1]}, nil
}

// futexes are a gate of two words: 1 says that there is a message.
type futexes struct {
	in, out *atomic.Uint32
	spin    bool
}

const (
	futexWait = 0 // FUTEX_WAIT, among processes
	futexWake = 1
)

// sleep waits while a word has a value.
func sleep(word *atomic.Uint32, value uint32) error {
	_, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(value), 0, 0, 0)
	if e == unix.EAGAIN || e == unix.EINTR {
		return nil
	}
	return failed("futex", e)
}

// wake wakes one that waits for a word to change.
func wake(word *atomic.Uint32) error {
	_, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1, 0, 0, 0)
	return failed("futex", e)
}

func (g *futexes) post() error {
	g.out.Store(1)
	if g.spin {
		return nil
	}
	return wake(g.out)
}

func (g *futexes) wait() error {
	for !g.in.CompareAndSwap(1, 0) {
		if g.spin {
			continue
		}
		if err := sleep(g.in, 0); err != nil {
			return err
		}
	}
	return nil
}

func (g *futexes) close() {}

func offerFutexes(l *link, m memory) (gate, error) {
	return &futexes{m.word(0), m.word(1), l.Spin}, nil
}

func joinFutexes(l *link, m memory) (gate, error) { return &futexes{m.word(1), m.word(0), l.Spin}, nil }

// signals are a gate of real-time signals with a value, which threads send one another. Signals of a process could be
// taken by another of its threads; the kernel's way is the same.
type signals struct{ pid, tid int }

// realTime is the signal: glibc and Go use lower ones.
const realTime = unix.Signal(40)

func (g *signals) post() error {
	const siQueue = -1 // SI_QUEUE
	var info [128]byte // siginfo_t
	binary.NativeEndian.PutUint32(info[0:], uint32(realTime))
	code := int32(siQueue)
	binary.NativeEndian.PutUint32(info[8:], uint32(code))
	binary.NativeEndian.PutUint64(info[24:], 1) // si_value
	_, _, e := unix.RawSyscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(g.pid), uintptr(g.tid), uintptr(realTime), uintptr(unsafe.Pointer(&info)), 0, 0)
	return failed("rt_tgsigqueueinfo", e)
}

func (g *signals) wait() error {
	set := uint64(1) << (realTime - 1)
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, 0, 8, 0, 0)
		if e != unix.EINTR {
			return failed("rt_sigtimedwait", e)
		}
	}
}

func (g *signals) close() {}

// complete learns which thread the second process has.
func (g *signals) complete(l *link) error {
	g.pid, g.tid = l.Reply[0], l.Reply[1]
	return nil
}

// block keeps the signal pending in this thread, which stays that of the goroutine, until it is waited for.
func block() error {
	var set unix.Sigset_t
	set.Val[0] = 1 << (realTime - 1)
	return os.NewSyscallError("rt_sigprocmask", unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil))
}

func offerSignals(l *link, _ memory) (gate, error) {
	l.Args = []int{unix.Getpid(), unix.Gettid()}
	return &signals{}, block()
}

func joinSignals(l *link, _ memory) (gate, error) {
	l.Reply = []int{unix.Getpid(), unix.Gettid()}
	return &signals{l.Args[0], l.Args[1]}, block()
}
