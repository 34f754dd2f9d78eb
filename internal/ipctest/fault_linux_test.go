package ipctest_test

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

const (
	ipcStat = 2
	ipc64   = 0x100
	getval  = 12
)

func semctl(id, cmd int, arg unsafe.Pointer) syscall.Errno {
	nr, _ := ipctest.Syscall("semctl")
	_, _, errno := syscall.Syscall6(nr, uintptr(id), 0, uintptr(cmd), uintptr(arg), 0, 0)
	return errno
}

// faulter makes a set, then has one call after the other fail.
var faulter = ipctest.Register("faulter", func(c *ipctest.ChildEnv) {
	id, err := ipctest.Make(ipctest.Sem, 0)
	c.Check(err)
	var space [256]byte
	stat := func() syscall.Errno {
		// Where IPC_64 is right it is needed; elsewhere it is EINVAL, and so not the fault that is wanted.
		if errno := semctl(id, ipcStat, unsafe.Pointer(&space)); errno != syscall.EINVAL {
			return errno
		}
		return semctl(id, ipcStat|ipc64, unsafe.Pointer(&space))
	}
	c.Say("stat %d, value %d", stat(), semctl(id, getval, nil))

	nr, _ := ipctest.Syscall("semctl")
	c.Check(ipctest.Fault(nr, syscall.EOVERFLOW, ipctest.Match{Arg: 2, Value: ipcStat, Mask: 0xff}))
	c.Say("stat %d, value %d", stat(), semctl(id, getval, nil))

	nr, _ = ipctest.Syscall("shmget")
	c.Check(ipctest.Fault(nr, syscall.ENFILE))
	nr, _ = ipctest.Syscall("msgget")
	c.Check(ipctest.Fault(nr, syscall.ENOSYS))
	// Many goroutines at once need many threads, old and new.
	answers := make(chan [2]error)
	for range 8 {
		go func() {
			_, shm := ipctest.Make(ipctest.Shm, 0)
			_, msg := ipctest.Make(ipctest.Msg, 0)
			answers <- [2]error{shm, msg}
		}()
	}
	for range 8 {
		if got := <-answers; got != [2]error{syscall.ENFILE, syscall.ENOSYS} {
			c.Fatalf("got %v", got)
		}
	}
	c.Say("%d", id)
})

func TestFault(t *testing.T) {
	t.Parallel()
	ipctest.NeedFault(t)
	p := ipctest.Start(t, faulter, &ipctest.Options{Namespace: ipctest.Fresh})
	p.Expect("stat 0, value 0")
	p.Expect("stat 75, value 0") // EOVERFLOW
	p.Expect("0")
	p.Finish()
}
