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

func TestParseIPCWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line, goarch string
		kind         string
		id           int
	}{
		{"running\n", "amd64", "", 0},
		{"-1 0x7ffc 0x7f\n", "amd64", "", 0},
		{"220 0x8000 0xc000 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "amd64", ipctest.Sem, 32768},
		{"65 0x0 0xc000 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "amd64", ipctest.Sem, 0},
		{"69 0x3 0xc000 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "amd64", ipctest.Msg, 3},
		{"70 0x3 0xc000 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "amd64", ipctest.Msg, 3},
		{"202 0x3 0xc000 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "amd64", "", 0},
		{"192 0x3 0xc000 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "arm64", ipctest.Sem, 3},
		{"117 0x4 0x7 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "s390x", ipctest.Sem, 7},
		{"117 0x1000c 0x7 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "386", ipctest.Msg, 7},
		{"117 0x2 0x7 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "386", "", 0},
		{"420 0x7 0x7 0x1 0x0 0x0 0x0 0x7ffc 0x7f\n", "386", ipctest.Sem, 7},
	} {
		kind, id := ipctest.ParseIPCWait(test.line, test.goarch)
		if kind != test.kind || id != test.id {
			t.Errorf("%s: %q: got %s %d, want %s %d", test.goarch, test.line, kind, id, test.kind, test.id)
		}
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

// Others that wait in this process do not count.
func TestWaitBlockedOn(t *testing.T) {
	t.Parallel()
	var done sync.WaitGroup
	id := must(ipctest.Make(ipctest.Sem, ipctest.Key(t)))
	done.Go(func() { semtake(id) })
	queue := must(ipctest.Make(ipctest.Msg, ipctest.Key(t)))
	done.Go(func() { msgrcv(queue) })
	ipctest.WaitBlockedOn(t, 0, ipctest.Sem, id, 1)
	ipctest.WaitBlockedOn(t, 0, ipctest.Msg, queue, 1)
	ipctest.RemoveNow(t, ipctest.Sem, id)
	ipctest.RemoveNow(t, ipctest.Msg, queue)
	done.Wait()
}

// semtake waits to take one from a semaphore, and returns when the set is removed.
func semtake(id int) syscall.Errno {
	nr, ok := ipctest.Syscall("semtimedop")
	if !ok {
		nr, _ = ipctest.Syscall("semtimedop_time64")
	}
	take := struct {
		num     uint16
		op, flg int16
	}{op: -1}
	for {
		_, _, errno := syscall.Syscall6(nr, uintptr(id), uintptr(unsafe.Pointer(&take)), 1, 0, 0, 0)
		if errno != syscall.EINTR {
			return errno
		}
	}
}
