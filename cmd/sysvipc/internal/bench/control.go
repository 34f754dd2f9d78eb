//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// The processes talk about what they measure over a socket of packets.

// order is what the first process wants of another.
type order struct {
	Do        string // open, close, echo, sink, store, hold
	ID        int    // of the link
	Mechanism string
	Use       string // talk, lock, read
	Link      link
	Count     int // operations
	Bytes     int // of a message
	Seq       uint64
	CPU       []int // where to run
}

// answer is what the other answers, after "ready" if it then does what takes part in a measurement.
type answer struct {
	Error string
	Reply []int
}

type control struct{ fd int }

// say writes a packet, with descriptors.
func (c control) say(what any, fds ...int) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return os.NewSyscallError("sendmsg", unix.Sendmsg(c.fd, text, rights, nil, unix.MSG_NOSIGNAL))
}

// hear reads a packet. It returns io.EOF when the other process has ended.
func (c control) hear(what any) (fds []int, err error) {
	buf, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*8))
	var n, m int
	for {
		n, m, _, _, err = unix.Recvmsg(c.fd, buf, rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	if n == 0 {
		return nil, io.EOF
	}
	if m > 0 {
		messages, err := unix.ParseSocketControlMessage(rights[:m])
		if err != nil {
			return nil, err
		}
		for i := range messages {
			got, err := unix.ParseUnixRights(&messages[i])
			if err != nil {
				return nil, err
			}
			fds = append(fds, got...)
		}
	}
	return fds, json.Unmarshal(buf[:n], what)
}

// answered reads an answer.
func (c control) answered() (answer, error) {
	var a answer
	_, err := c.hear(&a)
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the other process has ended")
	}
	return a, err
}
