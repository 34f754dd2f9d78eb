//go:build linux

package sysvipc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"golang.org/x/sys/unix"
)

// slowCreator makes a set, and stands still when it is about to make a system call for the first time, until the test
// lets it go on. Then it says what came of it.
var slowCreator = ipctest.Register("slow creator", func(c *ipctest.ChildEnv) {
	how, call := c.Args[0], c.Args[1]
	key, err := sysvipc.ParseKey(c.Args[2])
	c.Check(err)
	var set *sysvipc.SemaphoreSet
	h := &halted{c: c, finished: make(chan struct{})}
	h.run(call, func() {
		if how == "Create" {
			set, err = sysvipc.CreateSemaphores(key, 0o600, 5, 6)
		} else {
			set, err = sysvipc.EnsureSemaphores(bg, key, 0o600, 5, 6)
		}
	})
	c.Say("halted")
	c.Listen()
	h.resume()
	switch {
	case errors.Is(err, fs.ErrExist):
		c.Say("exists")
	case errors.Is(err, sysvipc.ErrRemoved):
		c.Say("removed")
	default:
		c.Check(err)
		values, err := set.Values()
		c.Check(err)
		c.Say("%d", values)
	}
})

func startSlowCreator(t testing.TB, how, call string, key sysvipc.Key) *ipctest.Process {
	t.Helper()
	ipctest.NeedFault(t)
	// A thread that is halted keeps its place in Go's scheduler: there must be others, and no collection that waits for it.
	p := ipctest.Start(t, slowCreator, &ipctest.Options{Env: []string{"GOMAXPROCS=4", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}}, how, call, key.String())
	if line := p.Line(); line != "halted" {
		p.Finish()
		t.Skip(line)
	}
	return p
}

// halted is a function that stands still at a system call.
type halted struct {
	c        *ipctest.ChildEnv
	listener int // a file of the kernel that tells of the calls, and lets them go on
	call     seccompNotif
	finished chan struct{}
}

// seccompNotif is struct seccomp_notif, and seccompResp struct seccomp_notif_resp.
type seccompNotif struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type seccompResp struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// run runs f on a thread of its own, and returns when f is about to make the system call for the first time.
func (h *halted) run(call string, f func()) {
	nr, ok := ipctest.Syscall(call)
	if !ok {
		h.c.Fatal("this port has no", call)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine, and the filter with it
		started <- h.listen(uint32(nr))
		f()
		close(h.finished)
	}()
	if err := <-started; err != nil {
		h.c.Say("needs a seccomp listener: %v", err)
		os.Exit(0)
	}
	if !h.next() {
		h.c.Fatal("it ended without", call)
	}
}

// listen installs a filter on this thread that halts it at the call.
func (h *halted) listen(nr uint32) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return errno
	}
	h.listener = int(fd)
	return nil
}

// next waits for the next halt, and reports whether there is one before the end.
func (h *halted) next() bool {
	for {
		poll := []unix.PollFd{{Fd: int32(h.listener), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, 10); err == nil && n == 1 && poll[0].Revents&unix.POLLIN != 0 {
			h.call = seccompNotif{}
			if h.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&h.call)) == nil {
				return true
			}
		}
		select {
		case <-h.finished:
			return false
		default:
		}
	}
}

// resume lets the function go on to its end.
func (h *halted) resume() {
	for more := true; more; more = h.next() {
		resp := seccompResp{id: h.call.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		err := h.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&resp))
		if err != nil && err != unix.ENOENT { // a signal has come: the call will be made again, and halt again
			h.c.Fatal(err)
		}
	}
}

func (h *halted) ioctl(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(h.listener), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// A creator that is stopped between the creation and the values, and taken for dead, does no harm when it goes on:
// whatever the others have done to its set, or to its key, stays.
func TestSlowCreator(t *testing.T) {
	t.Parallel()
	// The creator reads the set's time of last operation before it sets the values: both moments count.
	for _, moment := range []string{"semctl", semop} {
		for name, c := range map[string]struct {
			repair func(*testing.T, *sysvipc.SemaphoreSet)
			create string // what Create says when it goes on
			want   []int  // the values in the end
		}{
			"initialised": {
				func(t *testing.T, set *sysvipc.SemaphoreSet) {
					check(t, set.Initialize(3, 4))
					check(t, set.At(0).Acquire(bg, 1))
				}, "exists", []int{2, 4},
			},
			"removed": {
				func(t *testing.T, set *sysvipc.SemaphoreSet) { check(t, set.Remove()) }, "removed", []int{5, 6},
			},
			"made again": {
				func(t *testing.T, set *sysvipc.SemaphoreSet) {
					key := must(set.Stat())(t).Key
					check(t, set.Remove())
					must(sysvipc.EnsureSemaphores(bg, key, 0o600, 7, 8))(t)
				}, "removed", []int{7, 8},
			},
		} {
			for _, how := range []string{"Create", "Ensure"} {
				t.Run(fmt.Sprintf("%s, %s before %s", how, name, moment), func(t *testing.T) {
					t.Parallel()
					key := newKey(t)
					p := startSlowCreator(t, how, moment, key)
					c.repair(t, must(sysvipc.OpenSemaphores(key))(t))
					p.Tell("go on")
					if how == "Create" {
						p.Expect(c.create)
					} else {
						p.Expect(fmt.Sprint(c.want))
					}
					p.Finish()
					set, err := sysvipc.OpenSemaphores(key)
					if how == "Create" && name == "removed" {
						wantError(t, err, "", enoent...)
						return
					}
					check(t, err)
					if values := must(set.Values())(t); !slices.Equal(values, c.want) {
						t.Errorf("values are %d, want %d", values, c.want)
					}
				})
			}
		}
	}
}

// A process that ensures a set while its creator is slow waits for it, and neither takes the set as it is nor sets the values.
func TestEnsureWaitsForSlowCreator(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	p := startSlowCreator(t, "Create", semop, key)
	impatient, cancel := context.WithTimeout(bg, 30*time.Millisecond)
	defer cancel()
	_, err := sysvipc.EnsureSemaphores(impatient, key, 0o600, 1, 2)
	wantError(t, err, "", context.DeadlineExceeded)

	ensured := make(chan error)
	var set *sysvipc.SemaphoreSet
	go func() {
		var err error
		set, err = sysvipc.EnsureSemaphores(bg, key, 0o600, 1, 2)
		ensured <- err
	}()
	p.Tell("go on")
	p.Expect("[5 6]")
	check(t, <-ensured)
	if values := must(set.Values())(t); !slices.Equal(values, []int{5, 6}) {
		t.Errorf("values are %d, want 5 and 6", values)
	}
}

// A creator that is killed half way leaves a set that counts as not initialised, for every process and however long.
func TestKilledCreator(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	p := startSlowCreator(t, "Ensure", semop, key)
	p.Kill()
	ctx, cancel := context.WithTimeout(bg, 10*time.Millisecond)
	defer cancel()
	_, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, 5, 6)
	wantError(t, err, "", context.DeadlineExceeded)
	check(t, must(sysvipc.OpenSemaphores(key))(t).Initialize(5, 6))
	set := must(sysvipc.EnsureSemaphores(bg, key, 0o600, 5, 6))(t)
	if values := must(set.Values())(t); !slices.Equal(values, []int{5, 6}) {
		t.Errorf("values are %d, want 5 and 6", values)
	}
}
