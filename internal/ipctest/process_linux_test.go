package ipctest_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

var echo = ipctest.Register("echo", func(c *ipctest.ChildEnv) {
	c.Say("args %q", c.Args)
	for {
		c.Say("heard %s", c.Listen())
	}
})

func TestProcessTalks(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, echo, nil, "a", "b c", "-test.v")
	p.Expect(`args ["a" "b c" "-test.v"]`)
	p.Tell("you")
	p.Expect("heard you")
	p.Finish()
}

var self = ipctest.Register("self", func(c *ipctest.ChildEnv) {
	c.Say("%d", os.Getpid())
	c.Say("%d:%d", os.Getuid(), os.Getgid())
	c.Say("%s", os.Getenv("WORD"))
	objects, err := ipctest.Objects()
	c.Check(err)
	for _, o := range objects {
		c.Say("key %d", o.Key)
	}
	c.Listen()
})

func TestStartOptions(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	if _, err := ipctest.Make(ipctest.Sem, key); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		opts   *ipctest.Options
		uid    int
		word   string
		shared bool
	}{
		{"none", nil, os.Getuid(), "", true},
		{"environment", &ipctest.Options{Env: []string{"WORD=x"}}, os.Getuid(), "x", true},
		{"nobody", &ipctest.Options{UID: ipctest.Nobody}, ipctest.Nobody, "", true},
		{"namespace", &ipctest.Options{Namespace: ipctest.Fresh}, os.Getuid(), "", false},
		{"both", &ipctest.Options{Namespace: ipctest.Fresh, UID: ipctest.Nobody}, ipctest.Nobody, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := ipctest.Start(t, self, test.opts)
			p.Expect(strconv.Itoa(p.PID))
			gid := os.Getgid()
			if test.uid != os.Getuid() {
				gid = test.uid
			}
			p.Expect(strconv.Itoa(test.uid) + ":" + strconv.Itoa(gid))
			p.Expect(test.word)
			p.Finish()
			found := false
			for line := range p.Lines() {
				found = found || line == "key "+strconv.Itoa(int(key))
			}
			if found != test.shared {
				t.Errorf("the child sees the test's set: %v, want %v", found, test.shared)
			}
		})
	}
}

// A binary that was built under a strict umask serves another user too.
func TestStartFromUnreadableBinary(t *testing.T) {
	t.Parallel()
	if os.Getenv(scene) == "" {
		exe := must(os.Executable())
		private := t.TempDir() + "/private.test"
		content := must(os.ReadFile(exe))
		// A process that is forked meanwhile would have the file open for writing until its
		// exec, and nobody could execute the file.
		syscall.ForkLock.RLock()
		err := os.WriteFile(private, content, 0o700)
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
		cmd := ipctest.Command(t, "-test.run=^"+t.Name()+"$", "-test.v")
		for i := range cmd.Args {
			cmd.Args[i] = strings.Replace(cmd.Args[i], exe, private, 1)
		}
		cmd.Path = strings.Replace(cmd.Path, exe, private, 1)
		cmd.Env = append(os.Environ(), scene+"="+private)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return
	}
	p := ipctest.Start(t, self, &ipctest.Options{UID: ipctest.Nobody})
	p.Expect(strconv.Itoa(p.PID))
	p.Expect("65534:65534")
	p.Kill()
}

func TestKill(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, echo, nil)
	p.Expect("args []")
	p.Kill()
	if err := syscall.Kill(p.PID, 0); err != syscall.ESRCH {
		t.Errorf("got %v for the killed process, want ESRCH", err)
	}
	p.Kill() // has nothing to do
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want killed", err)
	}
}

func TestStopAndContinue(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, echo, nil)
	p.Expect("args []")
	p.Stop()
	p.Tell("go on")
	select {
	case line := <-p.Lines():
		t.Errorf("a stopped process said %q", line)
	default:
	}
	p.Continue()
	p.Expect("heard go on")
	p.Finish()
}

var failer = ipctest.Register("failer", func(c *ipctest.ChildEnv) {
	c.Say("hello")
	switch c.Args[0] {
	case "fatal":
		c.Fatal("bad", 7)
	case "fatalf":
		c.Fatalf("bad %d", 7)
	case "check":
		c.Check(nil)
		c.Check(errors.New("bad 7"))
	case "panic":
		panic("bad 7")
	}
})

func TestWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		how    string
		code   int
		stderr string
	}{
		{"return", 0, ""},
		{"fatal", 1, "bad 7\n"},
		{"fatalf", 1, "bad 7\n"},
		{"check", 1, "bad 7\n"},
		{"panic", 2, "panic: bad 7\n"},
	} {
		t.Run(test.how, func(t *testing.T) {
			t.Parallel()
			p := ipctest.Start(t, failer, nil, test.how)
			p.Expect("hello")
			err := p.Wait()
			code := 0
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			if code != test.code || !strings.Contains(p.Stderr(), test.stderr) {
				t.Errorf("got %v and %q, want exit code %d and %q", err, p.Stderr(), test.code, test.stderr)
			}
		})
	}
}

// starter starts the failer and leaves it alone, in a way that the scene says.
func TestSubjectHasBadChild(t *testing.T) {
	switch onlyAsSubject(t) {
	case "expect":
		p := ipctest.Start(t, failer, nil, "fatal")
		p.Expect("hullo")
	case "line":
		p := ipctest.Start(t, failer, nil, "fatal")
		p.Line()
		p.Line()
	case "finish":
		p := ipctest.Start(t, failer, nil, "fatal")
		p.Finish()
	case "ignore":
		p := ipctest.Start(t, failer, nil, "fatal")
		for range p.Lines() {
		}
		for syscall.Kill(p.PID, 0) == nil { // until it has been waited for
		}
	case "unknown":
		ipctest.Start(t, "nothing", nil)
	}
}

func TestBadChildFailsTheTest(t *testing.T) {
	t.Parallel()
	for what, pattern := range map[string]string{
		"expect":  `said "hello", want "hullo"`,
		"line":    `ended without a word: exit status 1\n.*standard error:\n.*process_linux_test.go:\d+: bad 7`,
		"finish":  `child failer: exit status 1\n.*standard error:\n.*bad 7`,
		"ignore":  `child failer ended by itself: exit status 1\n.*standard error:\n.*bad 7`,
		"unknown": `no child named "nothing"`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			output, code := play(t, "TestSubjectHasBadChild", what)
			wantOutput(t, output, code, 1, `--- FAIL: TestSubjectHasBadChild`, pattern)
		})
	}
}
