//go:build linux && (amd64 || arm64)

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fileLock is a file that is opened by each process: a lock belongs to what open(2) returned.
type fileLock int

func (f fileLock) lock() error   { return f.flock(unix.LOCK_EX) }
func (f fileLock) unlock() error { return f.flock(unix.LOCK_UN) }
func (f fileLock) close()        { unix.Close(int(f)) }

func (f fileLock) flock(how int) error {
	for {
		_, _, e := unix.RawSyscall(unix.SYS_FLOCK, uintptr(f), uintptr(how), 0)
		if e != unix.EINTR {
			return failed("flock", e)
		}
	}
}

var fileLocks = opener[locker]{
	// The second process gets another description of the file, which then has no name.
	offer: func(l *link) (locker, error) {
		name := filepath.Join(directory, fmt.Sprint("lock-", l.Key))
		mine, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		defer os.Remove(name)
		theirs, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
		l.fds = []int{theirs}
		return fileLock(mine), err
	},
	join: func(l *link) (locker, error) { return fileLock(l.fds[0]), nil },
}

// marks are numbers in memory by which two processes take turns with a lock.
type marks struct{ memory }

// held, given and done are the number of the turn in which the second process has the lock, when it gave it, by the
// clock, and the last turn that is over.
func (m marks) held() *counter  { return m.at(0) }
func (m marks) given() *counter { return m.at(1) }
func (m marks) done() *counter  { return m.at(2) }

func (m marks) at(line int) *counter { return (*counter)(unsafe.Pointer(&m.memory[64*line])) }
