package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunExitCode(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	if code, out, _ := try(t, "--name", name, "--", "sh", "-c", "echo out; exit 3"); code != 3 || out != "out\n" {
		t.Errorf("exit code %d, output %q", code, out)
	}
	cmd := runUnder("--name", name, "--", "sh", "-c", "kill -9 $$")
	finish(t, cmd)
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want the death by signal", status)
	}
	// The shell that is the parent says so in its way.
	_, out, _ := finish(t, prepared(exec.Command("sh", "-c", `sysvipc run --name "$0" -- sh -c 'kill -9 $$'; echo $?`, name)))
	if out != "137\n" {
		t.Errorf("a shell sees %q", out)
	}
}

func TestRunSignal(t *testing.T) {
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

// TestRunInherited: what a process hands to the next program, it hands to the command.
func TestRunInherited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	under := fmt.Sprintf("sysvipc run --name '%s' --", lockName(t))
	for _, c := range []struct{ name, script string }{
		{"nothing special", `%s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status`},
		{"nohup", `nohup %s grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status 2>/dev/null`},
		{"open files", `ulimit -Sn 123; %s sh -c 'ulimit -Sn; ulimit -Hn'`},
		{"umask and directory", `umask 027; cd "$0"; %s sh -c 'umask; pwd'`},
		{"streams", `echo in | { %s cat >&3; } 3>&1`},
		{"further files", `%s sh -c 'echo three >&3' 3>&1`},
		{"environment", `A= B="x y" PATH=$PATH %s env | grep -v -e ^SYSVIPC_RUN_SLOT= -e ^_=`},
		{"no environment", `env -i A=1 PATH="$PATH" %s /usr/bin/env | grep -v ^SYSVIPC_RUN_SLOT=`},
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

// TestRunIgnoredSignals: of the signals that are ignored when it starts, the command ignores
// those that the help names, and no others.
func TestRunIgnoredSignals(t *testing.T) {
	t.Parallel()
	help := newRunCommand().Long
	_, names, ok := strings.Cut(help, "CMD ignores")
	names, _, ended := strings.Cut(names, "; ")
	if !ok || !ended {
		t.Fatalf("the help does not say which signals CMD ignores:\n%s", help)
	}
	want := map[syscall.Signal]bool{}
	for _, name := range regexp.MustCompile(`SIG[A-Z]+`).FindAllString(names, -1) {
		want[unix.SignalNum(name)] = true
	}
	all := "trap ''"
	for sig := syscall.Signal(1); sig < 32; sig++ {
		if sig != syscall.SIGKILL && sig != syscall.SIGSTOP {
			all += fmt.Sprint(" ", int(sig))
		}
	}
	_, status, stderr := finish(t, prepared(exec.Command("sh", "-c", all+`; exec sysvipc run --name "$0" cat /proc/self/status`, lockName(t))))
	_, mask, _ := strings.Cut(status, "SigIgn:")
	mask, _, _ = strings.Cut(strings.TrimSpace(mask), "\n")
	ignored, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		t.Fatalf("%v: %s%s", err, status, stderr)
	}
	for sig := syscall.Signal(1); sig < 32; sig++ {
		if got := ignored>>(sig-1)&1 != 0; got != want[sig] {
			t.Errorf("%s: CMD ignores it: %v; the help says %v", unix.SignalName(sig), got, want[sig])
		}
	}
}

func TestRunNestedSlotVariable(t *testing.T) {
	t.Parallel()
	a, b := lockName(t), lockName(t)
	hold(t, "--name", b, "--slots", "2")
	code, out, stderr := try(t, "--name", a, "--", "sysvipc", "run", "--name", b, "--", "sh", "-c", "env | grep ^SYSVIPC_RUN")
	if code != 0 || out != "SYSVIPC_RUN_SLOT=2\n" {
		t.Errorf("exit code %d, %q, %s", code, out, stderr)
	}
}

// TestRunBackground: the slot belongs to the command, not to what it leaves behind.
func TestRunBackground(t *testing.T) {
	t.Parallel()
	name := lockName(t)
	r := start(t, runUnder("--name", name, "sh", "-c", "cat <&0 >/dev/null & echo left"))
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

func TestRunCannotRun(t *testing.T) {
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
	cmd := runUnder("--name", name, "plain2")
	write("plain2", "#!/bin/sh\n", 0o600)
	cmd.Env = append(cmd.Env, "PATH="+dir+"::/bin:/usr/bin")
	if code, _, stderr := finish(t, cmd); code != 126 {
		t.Errorf("not executable in PATH: exit code %d, %s", code, stderr)
	}
	write("local", "#!/bin/sh\necho here\n", 0o700)
	cmd = runUnder("--name", name, "local")
	cmd.Env, cmd.Dir = append(cmd.Env, "PATH=/bin:"), dir
	if code, out, stderr := finish(t, cmd); code != 0 || out != "here\n" {
		t.Errorf("in the current directory, by PATH: exit code %d, %q, %s", code, out, stderr)
	}
}
