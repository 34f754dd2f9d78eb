//go:build linux && (amd64 || arm64)

package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// descriptors is an end that reads from one descriptor and writes to another. It makes bare system calls, as a C program
// does: the Go scheduler learns nothing of them.
type descriptors struct {
	in, out int
	spin    bool // they are non-blocking
}

func (d *descriptors) send(p []byte) error {
	for len(p) > 0 {
		n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(d.out), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch e {
		case 0:
			p = p[n:]
		case unix.EINTR, unix.EAGAIN:
		default:
			return os.NewSyscallError("write", e)
		}
	}
	return nil
}

func (d *descriptors) receive(p []byte) (int, error) {
	for got := 0; ; {
		n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(d.in), uintptr(unsafe.Pointer(&p[got])), uintptr(len(p)-got))
		switch e {
		case 0:
			if got += int(n); got == len(p) {
				return got, nil
			}
			if n == 0 {
				return got, io.ErrUnexpectedEOF
			}
		case unix.EINTR, unix.EAGAIN:
		default:
			return got, os.NewSyscallError("read", e)
		}
	}
}

func (d *descriptors) close() {
	unix.Close(d.in)
	if d.out != d.in {
		unix.Close(d.out)
	}
}

// blocking is the flag of descriptors that poll.
func (l *link) nonblock() int {
	if l.Spin {
		return unix.O_NONBLOCK
	}
	return 0
}

// joined is the end of a second process that got its descriptors: to read from, and to write to if that is another one.
func joined(l *link) (end, error) {
	return &descriptors{in: l.fds[0], out: l.fds[len(l.fds)-1], spin: l.Spin}, nil
}

func offerPipe(l *link) (end, error) {
	var there, back [2]int
	if err := unix.Pipe2(there[:], unix.O_CLOEXEC|l.nonblock()); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	if err := unix.Pipe2(back[:], unix.O_CLOEXEC|l.nonblock()); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	l.fds = []int{there[0], back[1]}
	return &descriptors{in: back[0], out: there[1], spin: l.Spin}, nil
}

// offerFifo makes two fifos in the directory of the run, and removes their names once they are open.
func offerFifo(l *link) (end, error) {
	var in, out [2]int // of there, and back
	for i := range in {
		name := filepath.Join(directory, fmt.Sprint("fifo-", l.Key, "-", i))
		if err := unix.Mkfifo(name, 0o600); err != nil {
			return nil, fmt.Errorf("mkfifo %s: %w", name, err)
		}
		var err, err2 error
		in[i], err = unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			out[i], err2 = unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC|l.nonblock(), 0)
		}
		if err := errors.Join(err, err2, os.Remove(name)); err != nil {
			return nil, err
		}
		if err := unix.SetNonblock(in[i], l.Spin); err != nil {
			return nil, err
		}
	}
	l.fds = []int{in[0], out[1]}
	return &descriptors{in: in[1], out: out[0], spin: l.Spin}, nil
}

func offerSocketpair(l *link) (end, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|l.nonblock(), 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	l.fds = []int{pair[1]}
	return &descriptors{in: pair[0], out: pair[0], spin: l.Spin}, nil
}
