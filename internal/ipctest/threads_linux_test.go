package ipctest_test

import (
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// msgrcv waits for a message, and returns when the queue is removed.
func msgrcv(id int) syscall.Errno {
	var buf [64]byte
	nr, _ := ipctest.Syscall("msgrcv")
	for {
		_, _, errno := syscall.Syscall6(nr, uintptr(id), uintptr(unsafe.Pointer(&buf)), 16, 0, 0, 0)
		if errno != syscall.EINTR {
			return errno
		}
	}
}

var receiver = ipctest.Register("receiver", func(c *ipctest.ChildEnv) {
	c.Listen()
	id, err := ipctest.Make(ipctest.Msg, 0)
	c.Check(err)
	for range 2 {
		go msgrcv(id)
	}
	msgrcv(id)
})

func TestWaitBlockedInAnotherProcess(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, receiver, &ipctest.Options{Namespace: ipctest.Fresh})
	if n, err := ipctest.Blocked(p.PID); n != 0 || err != nil {
		t.Errorf("got %d, %v before the child calls, want 0", n, err)
	}
	p.Tell("go")
	ipctest.WaitBlocked(t, p.PID, 3)
	p.Kill()
	if n, err := ipctest.Blocked(p.PID); err == nil {
		t.Errorf("got %d blocked threads in a dead process, want an error", n)
	}
}

// Not parallel: it counts the threads of this process.
func TestWaitBlockedHere(t *testing.T) {
	const n = 5
	id, err := ipctest.Make(ipctest.Msg, ipctest.Key(t))
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	for range n {
		done.Go(func() { msgrcv(id) })
	}
	ipctest.WaitBlocked(t, 0, n)
	if got := ipctest.Threads(); got < n {
		t.Errorf("got %d threads, want at least the %d that are blocked", got, n)
	}
	ipctest.RemoveNow(t, ipctest.Msg, id)
	done.Wait()
	if got, err := ipctest.Blocked(0); got != 0 || err != nil {
		t.Errorf("got %d, %v after the end of the queue, want 0", got, err)
	}
}

// A call that waits for a time and not for another process counts too.
func TestWaitBlockedInSemtimedop(t *testing.T) {
	if !ipctest.Alone(t) {
		return
	}
	id, err := ipctest.Make(ipctest.Sem, ipctest.Key(t))
	if err != nil {
		t.Fatal(err)
	}
	nr, ok := ipctest.Syscall("semtimedop")
	if !ok {
		nr, _ = ipctest.Syscall("semtimedop_time64")
	}
	type sembuf struct {
		num     uint16
		op, flg int16
	}
	var done sync.WaitGroup
	done.Go(func() {
		take := sembuf{op: -1}
		for {
			_, _, errno := syscall.Syscall6(nr, uintptr(id), uintptr(unsafe.Pointer(&take)), 1, 0, 0, 0)
			if errno != syscall.EINTR {
				return
			}
		}
	})
	ipctest.WaitBlocked(t, 0, 1)
	ipctest.RemoveNow(t, ipctest.Sem, id)
	done.Wait()
}
