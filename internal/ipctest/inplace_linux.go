package ipctest

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// turnVar tells what the tests start that their turn is taken: tests that play other tests must not wait for their own
// end.
const turnVar = "SYSVIPC_IPCTEST_TURN"

// turnPatience is how long packages wait for their turn: longer than all others take together, and shorter than go test
// waits, so that a run that hangs cannot make another hang.
const turnPatience = 5 * time.Minute

// inPlace is set where the tests of this process run in the machine's namespace.
var inPlace bool

const noNamespace = errUnsupported("needs an IPC namespace of its own, and this user may make none")

// runInPlace runs the tests in the machine's namespace. Packages take turns there, so that one does not see the other's
// objects as its own leaks.
func runInPlace(m Runner) int {
	inPlace = true
	catchIgnored()
	fmt.Fprintln(os.Stderr, "ipctest: these tests run in the machine's IPC namespace, since this user may make no other")
	if os.Getenv(turnVar) != "" {
		return m.Run() // inside of the turn of another run, which looks for leaks
	}
	namespace, err := takeTurn(turnPatience)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipctest:", err)
		return 1
	}
	defer namespace.Close()
	os.Setenv(turnVar, "taken")
	before, err := Objects()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipctest:", err)
		return 1
	}
	return checked(m, before)
}

// takeTurn waits until no other run of tests uses this namespace. The turn ends when the file is closed.
func takeTurn(limit time.Duration) (*os.File, error) {
	return lockNamespace("ipc", unix.LOCK_EX, limit)
}

// lockNamespace takes a lock of flock(2) on the namespace of this process with that name in /proc/self/ns. It is one, for
// every user and any TMPDIR, and goes when the file is closed.
func lockNamespace(name string, how int, limit time.Duration) (*os.File, error) {
	namespace, err := os.Open("/proc/self/ns/" + name)
	if err != nil {
		return nil, err
	}
	conn, err := namespace.SyscallConn()
	if err != nil {
		return nil, err
	}
	taken := make(chan error, 1)
	go func() {
		for err := error(unix.EINTR); err == unix.EINTR; {
			// Control keeps the file as long as the call lasts, also beside Close.
			if closed := conn.Control(func(fd uintptr) { err = unix.Flock(int(fd), how) }); closed != nil {
				err = closed
			}
			if err != unix.EINTR {
				taken <- err
			}
		}
	}()
	select {
	case err := <-taken:
		if err != nil {
			return nil, fmt.Errorf("flock %s: %w", namespace.Name(), err)
		}
		return namespace, nil
	case <-time.After(limit):
		namespace.Close() // a lock that comes later goes with its call
		return nil, fmt.Errorf("another run of tests has used this namespace (%s) for %v", name, limit)
	}
}
