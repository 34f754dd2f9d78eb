package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// tree is a command and all that it starts, whatever sessions and groups they are in, also
// when their parents end. Between this process and the command is another one, the reaper,
// to which the kernel gives those whose parents ended. It ends all of them on an order,
// and when this process is gone; if the reaper itself is killed, they are ours, and we do.
type tree struct {
	reaper *exec.Cmd
	orders *os.File // to the reaper: a signal for the command, or one of those below
	answer *os.File // from the reaper: how the command ended, or why it did not begin
}

// Orders that are no signals.
const (
	orderTerm = 0xfe // SIGTERM for all
	orderKill = 0xff // SIGKILL for all, until none is left
)

// reaperVerb is how this program knows that it is to be a reaper.
const reaperVerb = "reap-run"

// startTree starts a command, or returns why it cannot be executed.
func startTree(c *exec.Cmd) (*tree, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, err
	}
	hear, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hear.Close()
	answer, say, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer say.Close()
	t := &tree{orders: orders, answer: answer, reaper: &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{"sysvipcd", reaperVerb, c.Path}, c.Args...), Env: c.Env,
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, ExtraFiles: []*os.File{hear, say},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // what a terminal sends is for the command
	}}
	return t, t.reaper.Start()
}

// signal hands a signal on to the command.
func (t *tree) signal(s os.Signal) {
	if s, ok := s.(syscall.Signal); ok {
		t.orders.Write([]byte{byte(s)})
	}
}

// terminate asks all to end, and kill ends them.
func (t *tree) terminate() { t.orders.Write([]byte{orderTerm}) }
func (t *tree) kill()      { t.orders.Write([]byte{orderKill}) }

// wait returns how the command ended. Those it left are left alone, unless they were ordered to end:
// then it waits for them, too.
func (t *tree) wait() (syscall.WaitStatus, error) {
	text, _ := io.ReadAll(t.answer)
	err := t.reaper.Wait()
	words, what, _ := strings.Cut(string(text), " ")
	switch words {
	case "ended":
		n, err := strconv.ParseUint(what, 10, 32)
		return syscall.WaitStatus(n), err
	case "cannot":
		return 0, &cannotStart{what}
	}
	endAll() // the reaper was killed
	return 0, fmt.Errorf("the process that keeps watch over the command ended: %w", errors.Join(err, errReaper))
}

var errReaper = errors.New("the command was killed with it")

// reap is the reaper's work: args are a path and the arguments to execute.
func reap(args []string) {
	orders, say := os.NewFile(3, "orders"), os.NewFile(4, "answer")
	syscall.CloseOnExec(3)
	syscall.CloseOnExec(4)
	status, err := keepWatch(orders, args)
	if err != nil {
		fmt.Fprintf(say, "cannot %v", err)
	} else {
		fmt.Fprintf(say, "ended %d", uint32(status))
	}
	os.Exit(0)
}

// keepWatch runs the command until it has ended, or all have that were ordered to.
func keepWatch(orders io.Reader, args []string) (syscall.WaitStatus, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	// What ends others does not end it, and is not ignored by the command therefore.
	signal.Notify(make(chan os.Signal, 1), cli.Attended(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)...)
	group, err := syscall.Getpgid(os.Getppid())
	if err != nil {
		return 0, err
	}
	runtime.LockOSThread() // with which the command ends
	c := &exec.Cmd{
		Path: args[0], Args: args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Pgid: group},
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	told := make(chan byte)
	go func() {
		defer close(told)
		for b := make([]byte, 1); ; {
			if n, err := orders.Read(b); n == 0 || err != nil {
				return
			}
			told <- b[0]
		}
	}()
	ending := false
	for over := (<-chan struct{})(ended); ; {
		select {
		case order, ok := <-told:
			switch {
			case !ok, order == orderKill:
				endAll(c.Process.Pid)
				<-ended
				return c.ProcessState.Sys().(syscall.WaitStatus), nil
			case order == orderTerm:
				ending = true
				signalAll(syscall.SIGTERM)
			default:
				c.Process.Signal(syscall.Signal(order))
			}
		case <-children:
			collect(c.Process.Pid)
		case <-over:
			over = nil
		}
		if over == nil && (!ending || len(descendants()) == 0) {
			return c.ProcessState.Sys().(syscall.WaitStatus), nil
		}
	}
}

// endAll kills all descendants until none is left, but for the one that is waited for.
func endAll(waited ...int) {
	for {
		signalAll(syscall.SIGKILL)
		collect(waited...)
		if left := descendants(); len(left) == 0 {
			return
		}
		time.Sleep(time.Millisecond) // until the kernel has ended them
	}
}

func signalAll(s syscall.Signal) {
	for _, pid := range descendants() {
		syscall.Kill(pid, s)
	}
}

// collect forgets children that have ended, but for those that are waited for elsewhere.
func collect(waited ...int) {
	for pid, p := range processes() {
		if p.parent == os.Getpid() && p.ended && !slices.Contains(waited, pid) {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// procStat is what the kernel shows of one.
type procStat struct {
	parent int
	ended  bool // a zombie of which no thread goes on
}

// processes returns all that there are.
func processes() map[int]procStat {
	all := map[int]procStat{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it is gone
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 18 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		all[pid] = procStat{parent, fields[0] == "X" || fields[0] == "Z" && fields[17] == "1"}
	}
	return all
}

// descendants returns those of this process that have not ended.
func descendants() (pids []int) {
	all := processes()
	for pid, p := range all {
		for at := p.parent; at > 0 && !p.ended; at = all[at].parent {
			if at == os.Getpid() {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
