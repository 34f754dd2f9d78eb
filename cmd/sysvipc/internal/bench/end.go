//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// end is what one process has of a mechanism between two.
type end interface {
	send(p []byte) error
	// receive waits for a message, or for len(p) bytes of a stream.
	receive(p []byte) (int, error)
	close()
}

// locker is an end of a lock.
type locker interface {
	lock() error
	unlock() error
	close()
}

// state is an end of a value of 64 bytes, which one process writes and the other reads.
type state interface {
	store(p []byte) error
	load(p []byte) error
	close()
}

// link is what passes between the two processes when a mechanism is opened.
type link struct {
	Spin  bool  // the ends poll
	Key   int32 // the first of four keys that nothing else has
	Args  []int // numbers for the second process: IDs, ports
	Reply []int // and what it answers
	fds   []int // descriptors for the second process, which are its own then
}

// arg returns a number from the first process.
func (l *link) arg(i int) int { return l.Args[i] }

// opener opens the ends of a mechanism, or what else two processes have of it.
type opener[E any] struct {
	offer func(l *link) (E, error) // in the first process
	join  func(l *link) (E, error) // in the second, with what offer put into the link
}

// completer is an end of the first process that needs the second's answer.
type completer interface{ complete(l *link) error }

// means is how a mechanism is used.
type means struct {
	talk    opener[end]
	lock    opener[locker]
	state   opener[state]
	most    int    // bytes of a message; 0: any
	polls   string // not empty: it cannot wait, and why
	waits   string // not empty: it cannot poll, and why
	wakes   bool   // it carries one message at a time, so there is no stream
	loses   string // not empty: there is no stream, since this loses messages
	many    bool   // all receivers join one link, and a message is sent once
	process bool   // the other end is a program that sends back what it gets
	library bool   // it waits as goroutines do, not in a system call of its own
}

// copies are descriptors for the second process of what the first one keeps.
func copies(fds ...int) ([]int, error) {
	theirs := make([]int, len(fds))
	for i, fd := range fds {
		var err error
		if theirs[i], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	return theirs, nil
}

// fill writes a message, each word of it.
func fill(p []byte, seq uint64) {
	for i := 0; i+8 <= len(p); i += 8 {
		binary.NativeEndian.PutUint64(p[i:], seq+uint64(i))
	}
}

// check reads each word of a message.
func check(p []byte, seq uint64) error {
	var wrong uint64
	for i := 0; i+8 <= len(p); i += 8 {
		wrong |= binary.NativeEndian.Uint64(p[i:]) ^ (seq + uint64(i))
	}
	if wrong != 0 {
		return fmt.Errorf("message %d arrived with other bytes", seq)
	}
	return nil
}
