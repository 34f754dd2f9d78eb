package ipctest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
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
	if err == noNamespace {
		return runInPlace(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipctest: run the tests in a namespace of their own:", err)
		return 1
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

// spawn starts a copy of this test binary. The error is an errUnsupported if the options ask for what is missing here.
func spawn(o spawnOptions) (*exec.Cmd, error) {
	attrs := []*syscall.SysProcAttr{{}}
	if o.Namespace == Fresh {
		if inPlace {
			// Asked once, since to ask copies this process: segments that it has attached would seem to have another user.
			return nil, noNamespace
		}
		attrs = freshNamespace()
	}
	if o.Unmapped {
		attrs = []*syscall.SysProcAttr{{Cloneflags: syscall.CLONE_NEWUSER}}
		if o.Namespace == Fresh {
			attrs[0].Cloneflags |= syscall.CLONE_NEWIPC
		}
	}
	other := o.UID != 0
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
		if o.OwnPIDs {
			attr.Cloneflags |= syscall.CLONE_NEWPID
		}
		if other {
			attr.Credential = &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(cmp.Or(o.GID, o.UID))}
		}
		err := startOnSpawner(cmd)
		if err == nil {
			return cmd, nil
		}
		errs = append(errs, err)
	}
	if none := !slices.ContainsFunc(errs, func(err error) bool { return !forbidden(err) }); none && o.Unmapped {
		return nil, errUnsupported("needs a user namespace, and this user may make none")
	} else if none && o.Namespace == Fresh {
		return nil, noNamespace
	}
	return nil, errors.Join(errs...)
}

// forbidden reports whether err is how kernels without namespaces, or that keep them from this user, answer unshare(2).
// Anything else, such as too little memory, is a fault.
func forbidden(err error) bool {
	return slices.ContainsFunc([]error{
		unix.EPERM, unix.EACCES, // of a sandbox or a security module
		unix.ENOSPC, unix.EUSERS, // user.max_user_namespaces is 0; EUSERS before Linux 4.9
		unix.EINVAL, unix.ENOSYS, // built without
	}, func(errno error) bool { return errors.Is(err, errno) })
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
