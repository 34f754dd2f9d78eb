//go:build linux && (amd64 || arm64)

package bench

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socket is an end that is a connected socket. That of the first process listens until the second has connected.
type socket struct {
	descriptors
	listener int // -1: there is none
}

func (s *socket) close() {
	if s.listener >= 0 {
		unix.Close(s.listener)
	}
	if s.in >= 0 {
		s.descriptors.close()
	}
}

// complete accepts the connection, or connects to the address of the second process.
func (s *socket) complete(l *link) error {
	if s.listener < 0 {
		return unix.Connect(s.in, address(l.Args[0], l.Reply))
	}
	fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC|l.nonblock())
	if err != nil {
		return os.NewSyscallError("accept4", err)
	}
	unix.Close(s.listener)
	s.in, s.out, s.listener = fd, fd, -1
	return quick(fd, l.Args[0])
}

// address is a number as an address: a port of the loopback interface, or an abstract name, which no file has.
func address(family int, number []int) unix.Sockaddr {
	if family == unix.AF_UNIX {
		return &unix.SockaddrUnix{Name: fmt.Sprintf("@sysvipc-bench-%d-%d", number[0], number[1])}
	}
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: number[0]}
}

// quick makes TCP send each message at once.
func quick(fd, family int) error {
	if t, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || family != unix.AF_INET || t != unix.SOCK_STREAM {
		return err
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// bound returns a socket with an address that nothing else has, and that address.
func bound(family, kind int, l *link, side int) (fd int, number []int, err error) {
	if fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|l.nonblock(), 0); err != nil {
		return -1, nil, os.NewSyscallError("socket", err)
	}
	number = []int{0}
	if family == unix.AF_UNIX {
		number = []int{int(l.Key), side}
	}
	if err = unix.Bind(fd, address(family, number)); err != nil {
		return -1, nil, os.NewSyscallError("bind", err)
	}
	if family == unix.AF_INET {
		a, err := unix.Getsockname(fd)
		if err != nil {
			return -1, nil, os.NewSyscallError("getsockname", err)
		}
		number[0] = a.(*unix.SockaddrInet4).Port
	}
	return fd, number, nil
}

// sockets opens connected sockets: streams and sequences of packets by a listener, datagrams each with its address.
func sockets(family, kind int) opener[end] {
	return opener[end]{
		offer: func(l *link) (end, error) {
			fd, number, err := bound(family, kind, l, 0)
			if err != nil {
				return nil, err
			}
			l.Args = append([]int{family}, number...)
			if kind == unix.SOCK_DGRAM {
				return &socket{descriptors{fd, fd, l.Spin}, -1}, nil
			}
			if err := unix.Listen(fd, 1); err != nil {
				return nil, os.NewSyscallError("listen", err)
			}
			return &socket{descriptors{-1, -1, l.Spin}, fd}, unix.SetNonblock(fd, false)
		},
		join: func(l *link) (end, error) {
			fd, number, err := bound(family, kind, l, 1)
			if err != nil {
				return nil, err
			}
			l.Reply = number
			if err := unix.SetNonblock(fd, false); err != nil {
				return nil, err
			}
			if err := unix.Connect(fd, address(family, l.Args[1:])); err != nil {
				return nil, os.NewSyscallError("connect", err)
			}
			if err := unix.SetNonblock(fd, l.Spin); err != nil {
				return nil, err
			}
			return &socket{descriptors{fd, fd, l.Spin}, -1}, quick(fd, family)
		},
	}
}
