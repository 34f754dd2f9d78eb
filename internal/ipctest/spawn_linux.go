package ipctest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// runOuter runs the tests in a copy that has a namespace of its own, or here if there can be no such copy.
func runOuter(m Runner) int {
	signals := make(chan os.Signal, 8)
	cmd, err := spawn(spawnOptions{
		Options: Options{Namespace: Fresh},
		role:    roleInside,
		args:    os.Args[1:],
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
	})
	if err != nil {
		return runInPlace(m, err)
	}
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	err = cmd.Wait()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "ipctest: the tests were lost:", err)
		return 1
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		fmt.Fprintln(os.Stderr, "ipctest: the tests were ended by", status.Signal())
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// runInPlace runs the tests in the machine's namespace. Packages take turns there, so that one does not see the other's
// objects as its own leaks.
func runInPlace(m Runner, why error) int {
	fmt.Fprintln(os.Stderr, "ipctest: no namespace of their own for these tests:", why)
	name := filepath.Join(os.TempDir(), "sysvipc-ipctest-"+strconv.Itoa(os.Geteuid())+".lock")
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err == nil {
		defer lock.Close()
		for {
			if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != unix.EINTR {
				break
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipctest: no turns taken with other packages:", err)
	}
	before, err := Objects()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipctest:", err)
		return 1
	}
	return checked(m, before)
}

// spawn starts a copy of this test binary. The error is an errUnsupported if the options ask for what is missing here.
func spawn(o spawnOptions) (*exec.Cmd, error) {
	attrs := []*syscall.SysProcAttr{{}}
	if o.Namespace == Fresh {
		attrs = freshNamespace()
	}
	other := o.UID != 0 && o.UID != os.Geteuid()
	if other {
		if err := CanBecome(o.UID); err != nil {
			return nil, err
		}
	}
	exe, err := executable(other)
	if err != nil {
		return nil, err
	}
	defer exe.close()
	var errs []error
	for _, attr := range attrs {
		cmd := exe.command(o.args)
		cmd.Env = o.environ()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = o.stdin, o.stdout, o.stderr
		cmd.WaitDelay = grace
		cmd.SysProcAttr = attr
		attr.Pdeathsig = syscall.SIGKILL
		if other {
			attr.Credential = &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}
		}
		err := startOnSpawner(cmd)
		if err == nil {
			return cmd, nil
		}
		errs = append(errs, err)
	}
	if o.Namespace == Fresh {
		return nil, errUnsupported("needs root or user namespaces: " + strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; "))
	}
	return nil, errors.Join(errs...)
}

// environ is the copy's environment.
func (o spawnOptions) environ() []string {
	env := os.Environ()
	if _, ok := os.LookupEnv("GORACE"); !ok {
		// A program with the race detector sleeps for a second before it exits, which is long for each of many.
		env = append(env, "GORACE=atexit_sleep_ms=20")
	}
	return slices.Concat(env, o.Env, []string{roleVar + "=" + o.role})
}

// freshNamespace returns the ways to get an IPC namespace, best first: as root, and by a user namespace in which this user
// is root. The child unshares by itself, rather than being cloned so, since qemu-user knows only the former.
func freshNamespace() []*syscall.SysProcAttr {
	return []*syscall.SysProcAttr{
		{Unshareflags: syscall.CLONE_NEWIPC},
		{
			Unshareflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWIPC,
			UidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		},
	}
}

// CanBecome returns an error if this process may not setuid to uid: only root outside of a user
// namespace may, to every user.
func CanBecome(uid int) error {
	if os.Geteuid() != 0 {
		return errUnsupported("needs root, to become another user")
	}
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		var first, host, size int64
		if _, err := fmt.Sscan(line, &first, &host, &size); err != nil {
			return fmt.Errorf("/proc/self/uid_map: %w", err)
		}
		if int64(uid) >= first && int64(uid) < first+size {
			return nil
		}
	}
	return errUnsupported(fmt.Sprintf("needs root outside of a user namespace, to become user %d", uid))
}

// spawner runs functions on one thread that lives as long as the process. A child's parent-death signal comes when the
// thread that started it ends, and a thread of Go ends with a goroutine that is locked to it.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func startOnSpawner(cmd *exec.Cmd) error {
	result := make(chan error)
	spawner() <- func() { result <- cmd.Start() }
	return <-result
}
