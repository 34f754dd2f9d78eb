package early

import (
	"bufio"
	"bytes"
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

// The test binary links this package, so that it is "sysvipc run" when its first argument
// is "run".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		fmt.Fprintf(os.Stderr, "%q was not taken early\n", os.Args)
		os.Exit(99)
	}
	ipctest.Main(m)
}

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

// command returns "sysvipc run" with these arguments. It is killed if the test dies.
func command(t *testing.T, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return prepared(exec.Command(exe, append([]string{"run"}, args...)...))
}

func prepared(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
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
	return finish(t, command(t, args...))
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
	r = start(t, command(t, append(args, "--", "sh", "-c", holder)...))
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

// TestExclusion counts with resources that bear no more users than there are slots: a
// directory for each slot, which only one can make at a time, and, with one slot, a
// counter in a file.
func TestExclusion(t *testing.T) {
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
					t.Errorf("somebody had slot %q of %d", slot, slots)
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

func TestSlots(t *testing.T) {
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

func TestKilledHolder(t *testing.T) {
	t.Parallel()
	for _, slots := range []string{"1", "2"} {
		t.Run(slots, func(t *testing.T) {
			t.Parallel()
			name := lockName(t)
			first, _ := hold(t, "--name", name, "--slots", slots)
			if slots == "2" {
				hold(t, "--name", name)
			}
			waiter := start(t, command(t, "--name", name, "sh", "-c", holder))
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

// TestOrder: who came first goes first.
func TestOrder(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	first, _ := hold(t, "--name", name)
	file := filepath.Join(t.TempDir(), "order")
	var waiters []*running
	for i := range 5 {
		w := start(t, command(t, "--name", name, "sh", "-c", `echo $0 >>"$1"`, strconv.Itoa(i), file))
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

func TestExitCode(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	if code, out, _ := try(t, "--name", name, "--", "sh", "-c", "echo out; exit 3"); code != 3 || out != "out\n" {
		t.Errorf("exit code %d, output %q", code, out)
	}
	cmd := command(t, "--name", name, "--", "sh", "-c", "kill -9 $$")
	finish(t, cmd)
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want the death by signal", status)
	}
	// The shell that is the parent says so in its way.
	exe, _ := os.Executable()
	_, out, _ := finish(t, prepared(exec.Command("sh", "-c", `"$0" run --name "$1" -- sh -c 'kill -9 $$'; echo $?`, exe, name)))
	if out != "137\n" {
		t.Errorf("a shell sees %q", out)
	}
}

func TestSignal(t *testing.T) {
	t.Parallel()
	r, _ := hold(t, "--name", lockName(t))
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.Wait()
	if status := r.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("got %v, want the death by SIGTERM", status)
	}
}

func TestBusy(t *testing.T) {
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

// TestInterrupt: Ctrl-C in a wait takes nothing.
func TestInterrupt(t *testing.T) {
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
				waiter := start(t, command(t, slices.DeleteFunc([]string{"--name", name, timeout, "echo", "ran"}, func(s string) bool { return s == "" })...))
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

// TestInherited: what a process hands to the next program, it hands to the command. That
// takes the command as users build it: go test leaves out the symbol table, by which
// ignored and blocked signals are found.
func TestInherited(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not installed")
	}
	dir := t.TempDir()
	exe := filepath.Join(dir, "sysvipc")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", exe, "github.com/sysvipc/sysvipc/cmd/sysvipc")
	if out, err := build.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "permission denied") {
			t.Skipf("this user cannot build: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	under := fmt.Sprintf("'%s' run --name '%s' --", exe, lockName(t))
	for _, c := range []struct{ name, script string }{
		{"nothing special", `%s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status`},
		{"ignored", `trap '' HUP INT QUIT TERM PIPE USR1 CHLD TSTP WINCH XFSZ; %s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status`},
		{"nohup", `nohup %s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status 2>/dev/null`},
		{"background", `%s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status & wait`},
		{"blocked", `env --block-signal=TERM --block-signal=INT --block-signal=CHLD --block-signal=SEGV --block-signal=USR1 %s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status`},
		{"open files", `ulimit -Sn 123; %s sh -c 'ulimit -Sn; ulimit -Hn'`},
		{"umask and directory", `umask 027; cd "$0"; %s sh -c 'umask; pwd'`},
		{"streams", `echo in | { %s cat >&3; } 3>&1`},
		{"further files", `%s sh -c 'echo three >&3' 3>&1`},
		{"environment", `A= B="x y" PATH=$PATH %s env | grep -v -e ^SYSVIPC_RUN_SLOT= -e ^_=`},
		{"no environment", `env -i A=1 %s /usr/bin/env | grep -v ^SYSVIPC_RUN_SLOT=`},
		{"large environment", `B=$(head -c 100000 /dev/zero | tr '\\0' x) %s env | grep ^B= | md5sum`},
		{"arguments", `%s printf '[%%s]' 'a  b' '' -- --name '*' "$(printf '\377')"`},
		{"niceness", `nice -n 3 %s nice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out [2]string
			for i, prefix := range []string{"env", under} {
				script := fmt.Sprintf(c.script, prefix)
				code, stdout, stderr := finish(t, prepared(exec.Command("sh", "-c", script, dir)))
				if code != 0 || stdout == "" {
					t.Errorf("%s: exit code %d, output %q, errors %q", script, code, stdout, stderr)
				}
				out[i] = stdout
			}
			if out[0] != out[1] {
				t.Errorf("without the lock:\n%swith it:\n%s", out[0], out[1])
			}
		})
	}
}

func TestNestedSlotVariable(t *testing.T) {
	t.Parallel()
	a, b := lockName(t), lockName(t)
	hold(t, "--name", b, "--slots", "2")
	exe, _ := os.Executable()
	code, out, stderr := try(t, "--name", a, "--", exe, "run", "--name", b, "--", "sh", "-c", "env | grep ^SYSVIPC_RUN")
	if code != 0 || out != "SYSVIPC_RUN_SLOT=2\n" {
		t.Errorf("exit code %d, %q, %s", code, out, stderr)
	}
}

// TestItself: a wait that could never end.
func TestItself(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	exe, _ := os.Executable()
	code, _, stderr := try(t, "--name", name, exe, "run", "--name", name, "true")
	if code != 125 || !strings.Contains(stderr, "wait for itself") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestBackground: the slot belongs to the command, not to what it leaves behind.
func TestBackground(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	r := start(t, command(t, "--name", name, "sh", "-c", "cat <&0 >/dev/null & echo left"))
	if _, err := r.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := try(t, "--name", name, "--nowait", "true"); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	r.stdin.Close()
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, c := range []struct {
		cmd  string
		code int
		text string
	}{
		{"no-such-command-here", 127, "not found in PATH"},
		{"", 127, "empty"},
		{dir + "/none", 127, "no such file"},
		{write("data", "", 0o600) + "/x", 127, "not a directory"},
		{dir, 126, "is a directory"},
		{write("plain", "#!/bin/sh\n", 0o600), 126, "chmod +x"},
		{write("lost", "#!/no/such/interpreter\n", 0o700), 127, "first line"},
	} {
		// The lock is taken: a command that cannot run need not wait for it.
		name := lockName(t)
		held := strings.HasSuffix(c.cmd, "/lost")
		if !held {
			hold(t, "--name", name)
		}
		code, _, stderr := try(t, "--name", name, "--", c.cmd)
		if code != c.code || !strings.Contains(stderr, c.text) {
			t.Errorf("%q: exit code %d, want %d; %q is not in: %s", c.cmd, code, c.code, c.text, stderr)
		}
		if held && !slices.Equal(values(t, name), []int{1, 1}) {
			t.Errorf("%q: values are %v afterwards", c.cmd, values(t, name))
		}
	}
	name := lockName(t)
	script := write("script", "echo $0 $1 $SYSVIPC_RUN_SLOT\n", 0o700)
	if code, out, stderr := try(t, "--name", name, script, "arg"); code != 0 || out != script+" arg 1\n" {
		t.Errorf("a script without #!: exit code %d, %q, %s", code, out, stderr)
	}
	cmd := command(t, "--name", name, "plain2")
	write("plain2", "#!/bin/sh\n", 0o600)
	cmd.Env = append(cmd.Env, "PATH="+dir+"::/bin:/usr/bin")
	if code, _, stderr := finish(t, cmd); code != 126 {
		t.Errorf("not executable in PATH: exit code %d, %s", code, stderr)
	}
	write("local", "#!/bin/sh\necho here\n", 0o700)
	cmd = command(t, "--name", name, "local")
	cmd.Env, cmd.Dir = append(cmd.Env, "PATH=/bin:"), dir
	if code, out, stderr := finish(t, cmd); code != 0 || out != "here\n" {
		t.Errorf("in the current directory, by PATH: exit code %d, %q, %s", code, out, stderr)
	}
}

func TestOtherSlots(t *testing.T) {
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

// TestManySlots: more than one operation can set the values of.
func TestManySlots(t *testing.T) {
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

func TestRemovedWhileWaiting(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	hold(t, "--name", name)
	cmd := command(t, "--name", name, "true")
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

// TestByHand: a set that somebody has changed by hand, or a holder without undo.
func TestByHand(t *testing.T) {
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

// TestHalfMade: a lock whose creator was killed before it had set the values.
func TestHalfMade(t *testing.T) {
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
	if code != 125 || !strings.Contains(stderr, "is half made") || !strings.Contains(stderr, `sysvipc rm sem:name=run/`+name) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
