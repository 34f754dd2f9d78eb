package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

var locks atomic.Int64

// lockName returns the name of a lock of the test's own, which is removed at its end.
func lockName(t *testing.T) string {
	name := fmt.Sprintf("%s-%d-%d", t.Name(), os.Getpid(), locks.Add(1))
	t.Cleanup(func() {
		if set, err := sysvipc.OpenSemaphores(run.Key(name)); err == nil {
			if err := set.Remove(); err != nil {
				t.Error(err)
			}
		}
	})
	return name
}

// runUnder returns "sysvipc run" with these arguments. It is killed if the test dies.
func runUnder(args ...string) *exec.Cmd {
	return prepared(exec.Command("sysvipc", append([]string{"run"}, args...)...))
}

func prepared(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// finish runs a command to its end and returns its exit code, or -1 for a death by
// signal, and what it wrote.
func finish(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// try is finish for "sysvipc run" with these arguments.
func try(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return finish(t, runUnder(args...))
}

// running is a command that has begun: it has said a line, and waits for its standard
// input to end.
type running struct {
	*exec.Cmd
	t     *testing.T
	stdin io.Closer
	out   *bufio.Reader
}

// holder is what holders run: it says who it is and which slot it has, and then becomes
// cat.
const holder = `echo $$ $SYSVIPC_RUN_SLOT; exec cat`

// start starts a command that says a line as soon as it runs.
func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{cmd, t, stdin, bufio.NewReader(stdout)}
	t.Cleanup(func() {
		if r.ProcessState == nil {
			r.Process.Kill()
			r.Wait()
		}
	})
	return r
}

// hold starts a holder of the lock, and returns when it holds a slot.
func hold(t *testing.T, args ...string) (r *running, slot int) {
	t.Helper()
	r = start(t, runUnder(append(args, "--", "sh", "-c", holder)...))
	return r, r.slot()
}

// slot waits for the holder's line.
func (r *running) slot() int {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	var pid, slot int
	if _, e := fmt.Sscan(line, &pid, &slot); err != nil || e != nil {
		r.t.Fatalf("holder said %q: %v %v", line, err, e)
	}
	if pid != r.Process.Pid {
		r.t.Errorf("the command has pid %d, and run had %d", pid, r.Process.Pid)
	}
	return slot
}

// end lets the command come to its end.
func (r *running) end() {
	r.t.Helper()
	r.stdin.Close()
	if err := r.Wait(); err != nil {
		r.t.Error(err)
	}
}

// kill returns when the command is gone.
func (r *running) kill() {
	r.Process.Kill()
	r.Wait()
}

// values are those of the lock's set: the number of free slots, and each slot.
func values(t *testing.T, name string) []int {
	t.Helper()
	set, err := sysvipc.OpenSemaphores(run.Key(name))
	if err != nil {
		t.Fatal(err)
	}
	v, err := set.Values()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRunExclusion counts with resources that bear no more users than there are slots: a
// directory for each slot, which only one can make at a time, and, with one slot, a
// counter in a file.
func TestRunExclusion(t *testing.T) {
	t.Parallel()
	const runs = 20
	for _, slots := range []int{1, 3} {
		t.Run(strconv.Itoa(slots), func(t *testing.T) {
			t.Parallel()
			name, dir := lockName(t), t.TempDir()
			const use = `cd "$0" && mkdir slot$SYSVIPC_RUN_SLOT && echo $SYSVIPC_RUN_SLOT >>used || exit 9
				n=$(cat count 2>/dev/null); echo $((n + 1)) >count
				rmdir slot$SYSVIPC_RUN_SLOT`
			var all sync.WaitGroup
			for range runs {
				all.Go(func() {
					code, _, stderr := try(t, "--name", name, "--slots", strconv.Itoa(slots), "--", "sh", "-c", use, dir)
					if code != 0 {
						t.Errorf("exit code %d: %s", code, stderr)
					}
				})
			}
			all.Wait()
			used, _ := os.ReadFile(filepath.Join(dir, "used"))
			for _, slot := range strings.Fields(string(used)) {
				if n, err := strconv.Atoi(slot); err != nil || n < 1 || n > slots {
					t.Errorf("a command had slot %q of %d", slot, slots)
				}
			}
			count, _ := os.ReadFile(filepath.Join(dir, "count"))
			if got := strings.TrimSpace(string(count)); slots == 1 && got != strconv.Itoa(runs) {
				t.Errorf("the counter is %s after %d runs that add one each", got, runs)
			}
			want := slices.Repeat([]int{1}, slots+1)
			want[0] = slots
			if got := values(t, name); !slices.Equal(got, want) {
				t.Errorf("values are %v afterwards, want %v", got, want)
			}
		})
	}
}

func TestRunSlots(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	var holders []*running
	for want := 1; want <= 3; want++ {
		r, slot := hold(t, "--name", name, "--slots=3")
		if slot != want {
			t.Errorf("got slot %d, want %d", slot, want)
		}
		holders = append(holders, r)
	}
	code, _, stderr := try(t, "--name", name, "--nowait", "--", "true")
	if code != 6 || !strings.Contains(stderr, "all 3 slots are taken") {
		t.Errorf("a fourth: exit code %d, %s", code, stderr)
	}
	for i, r := range holders {
		if !strings.Contains(stderr, fmt.Sprintf("slot %d: process %d of ", i+1, r.Process.Pid)) {
			t.Errorf("slot %d of process %d is not named: %s", i+1, r.Process.Pid, stderr)
		}
	}
	holders[1].end()
	if got, want := values(t, name), []int{1, 0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("values are %v, want %v", got, want)
	}
	if r, slot := hold(t, "--name", name, "--nowait"); slot != 2 {
		t.Errorf("got slot %d after slot 2 was given back", slot)
	} else {
		r.end()
	}
}

func TestRunKilledHolder(t *testing.T) {
	t.Parallel()
	for _, slots := range []string{"1", "2"} {
		t.Run(slots, func(t *testing.T) {
			t.Parallel()
			name := lockName(t)
			first, _ := hold(t, "--name", name, "--slots", slots)
			if slots == "2" {
				hold(t, "--name", name)
			}
			waiter := start(t, runUnder("--name", name, "sh", "-c", holder))
			ipctest.WaitBlocked(t, waiter.Process.Pid, 1)
			first.kill()
			if slot := waiter.slot(); slot != 1 {
				t.Errorf("the waiter got slot %d", slot)
			}
			waiter.kill()
			if code, _, stderr := try(t, "--name", name, "--nowait", "true"); code != 0 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
		})
	}
}

// TestRunOrder: who came first goes first.
func TestRunOrder(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	first, _ := hold(t, "--name", name)
	file := filepath.Join(t.TempDir(), "order")
	var waiters []*running
	for i := range 5 {
		w := start(t, runUnder("--name", name, "sh", "-c", `echo $0 >>"$1"`, strconv.Itoa(i), file))
		ipctest.WaitBlocked(t, w.Process.Pid, 1)
		waiters = append(waiters, w)
	}
	first.end()
	for _, w := range waiters {
		w.end()
	}
	if order, _ := os.ReadFile(file); string(order) != "0\n1\n2\n3\n4\n" {
		t.Errorf("order was %q", order)
	}
}

func TestRunBusy(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	r, _ := hold(t, "--name", name)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"--nowait"}, 6, "lock %q is taken\n"},
		{[]string{"--nowait", "-E", "75"}, 75, "lock %q is taken\n"},
		{[]string{"--timeout", "50ms"}, 6, "lock %q is taken, after 50ms of waiting\n"},
		{[]string{"--timeout=50ms", "--conflict-exit-code=0"}, 0, "lock %q is taken, after 50ms of waiting\n"},
		{[]string{"--timeout", "0"}, 6, "lock %q is taken\n"},
	} {
		args := append([]string{"--name", name}, c.args...)
		code, out, stderr := try(t, append(args, "--", "echo", "ran")...)
		if code != c.code || out != "" {
			t.Errorf("%v: exit code %d, output %q", c.args, code, out)
		}
		for _, want := range []string{
			"sysvipc: run: " + fmt.Sprintf(c.text, name),
			fmt.Sprintf("held by process %d of %s, since %s", r.Process.Pid, me.Username, time.Now().Format("2006-")),
			": cat\n",
		} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is not in\n%s", c.args, want, stderr)
			}
		}
	}
	if got, want := values(t, name), []int{0, 0}; !slices.Equal(got, want) {
		t.Errorf("values are %v, want %v", got, want)
	}
}

// TestRunInterrupt: Ctrl-C in a wait takes nothing.
func TestRunInterrupt(t *testing.T) {
	t.Parallel()
	for _, slots := range []string{"1", "2"} {
		t.Run(slots, func(t *testing.T) {
			t.Parallel()
			name := lockName(t)
			first, _ := hold(t, "--name", name, "--slots", slots)
			if slots == "2" {
				r, _ := hold(t, "--name", name)
				defer r.end()
			}
			for _, timeout := range []string{"", "--timeout=60m"} {
				waiter := start(t, runUnder(slices.DeleteFunc([]string{"--name", name, timeout, "echo", "ran"}, func(s string) bool { return s == "" })...))
				ipctest.WaitBlocked(t, waiter.Process.Pid, 1)
				waiter.Process.Signal(syscall.SIGINT)
				if out, _ := io.ReadAll(waiter.out); len(out) > 0 {
					t.Errorf("it said %q", out)
				}
				waiter.Wait()
				if status := waiter.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
					t.Errorf("got %v, want the death by SIGINT", status)
				}
			}
			if got := values(t, name); got[0] != 0 || got[1] != 0 {
				t.Errorf("values are %v, and all are held", got)
			}
			first.end()
			if got := values(t, name); got[0] != 1 || got[1] != 1 {
				t.Errorf("values are %v, and one was given back", got)
			}
		})
	}
}

// TestRunItself: a wait that could never end.
func TestRunItself(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	code, _, stderr := try(t, "--name", name, "sysvipc", "run", "--name", name, "true")
	if code != 125 || !strings.Contains(stderr, "wait for itself") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestRunOtherSlots(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"--slots", "2"}, 0, ""},
		{[]string{"--slots", "2"}, 0, ""},
		{nil, 0, ""},
		{[]string{"--slots", "1"}, 125, "exists with 2 slots, not 1"},
		{[]string{"--slots", "3"}, 125, "exists with 2 slots, not 3"},
		{[]string{"--slots", "30000"}, 125, "exists with 2 slots, not 30000"},
	} {
		code, out, stderr := try(t, append(append([]string{"--name", name}, c.args...), "--", "echo", "ran")...)
		if code != c.code || !strings.Contains(stderr, c.text) || (out == "ran\n") != (code == 0) {
			t.Errorf("%v: exit code %d, output %q, %s", c.args, code, out, stderr)
		}
		if code != 0 && !strings.Contains(stderr, `sysvipc rm sem:name=run/`+name) {
			t.Errorf("%v: no remedy: %s", c.args, stderr)
		}
	}
	if got, want := values(t, name), []int{2, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("values are %v, want %v", got, want)
	}
}

// TestRunManySlots: more than one operation can set the values of.
func TestRunManySlots(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	r, slot := hold(t, "--name", name, "--slots", "2000")
	if slot != 1 {
		t.Errorf("slot %d", slot)
	}
	if code, out, stderr := try(t, "--name", name, "--nowait", "sh", "-c", "echo $SYSVIPC_RUN_SLOT"); code != 0 || out != "2\n" {
		t.Errorf("exit code %d, slot %q, %s", code, out, stderr)
	}
	r.end()
}

func TestRunRemovedWhileWaiting(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	hold(t, "--name", name)
	cmd := runUnder("--name", name, "true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	waiter := start(t, cmd)
	ipctest.WaitBlocked(t, waiter.Process.Pid, 1)
	set, err := sysvipc.OpenSemaphores(run.Key(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Remove(); err != nil {
		t.Fatal(err)
	}
	waiter.Wait()
	if code := waiter.ProcessState.ExitCode(); code != 125 || !strings.Contains(stderr.String(), "was removed meanwhile") {
		t.Errorf("exit code %d, %s", code, stderr.String())
	}
}

// TestRunByHand: a set that was changed by hand, or a holder without undo.
func TestRunByHand(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	if code, _, stderr := try(t, "--name", name, "--slots", "2", "true"); code != 0 {
		t.Fatal(stderr)
	}
	set, err := sysvipc.OpenSemaphores(run.Key(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := set.SetValues(1, 0, 0); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := try(t, "--name", name, "true"); code != 125 || !strings.Contains(stderr, "by hand") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if got, want := values(t, name), []int{1, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("values are %v, want %v", got, want)
	}
	if err := set.SetValues(2, 1, 1); err != nil {
		t.Fatal(err)
	}
	taker := ipctest.Start(t, takes, nil, name)
	taker.Finish()
	code, _, stderr := try(t, "--name", name, "--nowait", "true")
	if code != 6 || !strings.Contains(stderr, fmt.Sprintf("process %d, which has ended and not given it back", taker.PID)) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// takes takes all of a lock without undo, and ends.
var takes = ipctest.Register("takes", func(c *ipctest.ChildEnv) {
	set, err := sysvipc.OpenSemaphores(run.Key(c.Args[0]))
	c.Check(err)
	ok, err := set.TryDo(sysvipc.Add(0, -2), sysvipc.Add(1, -1), sysvipc.Add(2, -1))
	c.Check(err)
	if !ok {
		c.Fatal("it is taken")
	}
})

// sandboxed asks for a lock where semget(2) is forbidden.
var sandboxed = ipctest.Register("sandboxed", func(c *ipctest.ChildEnv) {
	nr, ok := ipctest.Syscall("semget")
	if !ok {
		c.Fatal("this port has no semget of its own")
	}
	c.Check(ipctest.Fault(nr, syscall.EPERM))
	config := run.Default()
	config.Name, config.Command = c.Args[0], []string{"true"}
	_, err := config.Take(context.Background())
	c.Say("%v", err)
})

// TestRunSandboxed: what a sandbox forbids is not the fault of who made the lock.
func TestRunSandboxed(t *testing.T) {
	t.Parallel()
	ipctest.NeedFault(t)
	p := ipctest.Start(t, sandboxed, nil, lockName(t))
	if line := p.Line(); !strings.Contains(line, "a sandbox (seccomp)") || strings.Contains(line, "belongs to") {
		t.Errorf("got %s", line)
	}
	p.Finish()
}

// TestRunHalfMade: a lock whose creator was killed before it had set the values.
func TestRunHalfMade(t *testing.T) {
	t.Parallel()
	nr, ok := ipctest.Syscall("semget")
	if !ok {
		t.Skip("this port has no semget of its own")
	}
	name := lockName(t)
	if _, _, errno := syscall.RawSyscall(nr, uintptr(run.Key(name)), 2, 0o1600); errno != 0 {
		t.Fatal(errno)
	}
	code, _, stderr := try(t, "--name", name, "true")
	if code != 125 || !strings.Contains(stderr, "is not initialised") || !strings.Contains(stderr, `sysvipc rm sem:name=run/`+name) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
