package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The scripts are the specification of the command: one for each verb, and some for what
// all verbs share. They run at the same time in one IPC namespace, so that each uses its
// own keys: $KEY1 to $KEY4, whose objects are removed at the end. Beside the commands of
// testscript there are
//
//	exits N PROGRAM ARG…   run it; its exit code must be N (128 + the signal that ended it)
//	usage ARG…             "sysvipc ARG…" is wrong usage: exit code 2. It has no process of its
//	                       own, and neither standard input nor the script's directory
//	capture VAR            set $VAR to what the last command wrote to standard output
//	blocked                wait until every background command waits in the kernel
//	signal NAME            send a signal, INT, TERM, STOP or CONT, to the background commands
//	ended N                after "wait": what the last "blocked" waited for ended with exit code N
//	pty PROGRAM ARG…       run it with a terminal as standard output, which is shown as stdout
//
// and the conditions
//
//	[nobody]   this process may become another user
//	[root]     it is root, to whom what cannot be seen is a warning; others get exit code 4
//	[seen]     it sees what every thread of the machine waits for
//	[overrides]  modes and owners do not bind it, as root in no container
//	[halted]   a process of another user stands still: what it waits for is hidden, so sets and queues may not be removed
//	[pidns]    it is in a PID namespace of its own, as in a container: no scan is complete
func TestScripts(t *testing.T) {
	t.Parallel()
	openPath(t)
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	if !ipctest.HasUser(ipctest.Nobody) { // each package has a user namespace, and cannot look into that of another
		ipctest.NoHalts(t)
	}
	testscript.Run(t, scriptParams(t, files...))
}

// The scripts in alone have a namespace each: they look at everything in it, or lower its
// limits. There
//
//	limit NAME VALUE       write to /proc/sys/kernel/NAME
//
// is one more command.
func TestScriptsAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/alone/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !ipctest.Alone(t) {
				return
			}
			if name == "hidden" || !ipctest.HasUser(ipctest.Nobody) {
				ipctest.NoHalts(t)
			}
			openPath(t)
			p := scriptParams(t, file)
			p.Cmds["limit"] = func(ts *testscript.TestScript, _ bool, args []string) {
				ipctest.SetLimit(t, args[0], args[1])
			}
			testscript.Run(t, p)
		})
	}
}

func scriptParams(t *testing.T, files ...string) testscript.Params {
	return testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for i := range 4 {
				env.Setenv(fmt.Sprintf("KEY%d", i+1), sysvipc.Key(ipctest.Key(t)).String())
			}
			env.Setenv("SYSVIPC_STATE", filepath.Join(env.WorkDir, "state"))
			env.Setenv("USER_ID", strconv.Itoa(os.Geteuid()))
			env.Setenv("GORACE", os.Getenv("GORACE")) // which spares each process a second
			env.Values["waited"] = new([]*exec.Cmd)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "nobody":
				return canBecomeNobody(), nil
			case "perl":
				return hasPerl(), nil
			case "root":
				return os.Geteuid() == 0, nil
			case "seen":
				snap, err := inspect.Take(context.Background(), &inspect.Options{Only: []sysvipc.Kind{sysvipc.KindQueue}})
				return err == nil && snap.Complete, err
			case "overrides":
				return ipctest.Overrides(), nil
			case "halted":
				return ipctest.HaltedByOthers() != 0, nil
			case "pidns":
				return !ipctest.FirstPIDNamespace(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"usage":   wrongUsage,
			"capture": capture,
			"blocked": blocked,
			"signal":  signalAll,
			"ended":   ended,
			"pty":     withTerminal,
		},
	}
}

func canBecomeNobody() bool {
	_, err := exec.LookPath("setpriv")
	return err == nil && ipctest.CanBecome(ipctest.Nobody) == nil
}

// hasPerl reports whether there is a perl with its modules: Debian's perl-base has no IPC::SysV.
var hasPerl = sync.OnceValue(func() bool { return exec.Command("perl", "-MIPC::SysV", "-e", "1").Run() == nil })

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		code = shellCode(failed.ProcessState)
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("got exit code %s, want %s", got, args[0])
	}
}

// wrongUsage runs a command line in this process: one that is wrong changes nothing, and processes are what the scripts
// take their time for.
func wrongUsage(ts *testscript.TestScript, _ bool, args []string) {
	if code := execute(args, strings.NewReader(""), ts.Stdout(), ts.Stderr()); code != cli.ExitUsage {
		ts.Fatalf("got exit code %d, want %d", code, cli.ExitUsage)
	}
}

// shellCode is what a shell calls the exit code.
func shellCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func capture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func blocked(ts *testscript.TestScript, _ bool, _ []string) {
	cmds := ts.BackgroundCmds()
	*ts.Value("waited").(*[]*exec.Cmd) = cmds
	for _, cmd := range cmds {
		end := time.Now().Add(time.Minute)
		for n := 0; n == 0; {
			var err error
			if n, err = ipctest.Blocked(cmd.Process.Pid); err != nil {
				ts.Fatalf("%v: %v", cmd.Args, err)
			}
			if time.Now().After(end) {
				ts.Fatalf("%v does not wait", cmd.Args)
			}
		}
	}
}

func signalAll(ts *testscript.TestScript, _ bool, args []string) {
	sig, ok := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(sig))
	}
}

func ended(ts *testscript.TestScript, _ bool, args []string) {
	for _, cmd := range *ts.Value("waited").(*[]*exec.Cmd) {
		if cmd.ProcessState == nil {
			ts.Fatalf("%v goes on", cmd.Args)
		}
		if got := strconv.Itoa(shellCode(cmd.ProcessState)); got != args[0] {
			ts.Fatalf("%v: got exit code %s, want %s", cmd.Args, got, args[0])
		}
	}
}
