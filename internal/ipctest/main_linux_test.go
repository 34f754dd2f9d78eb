package ipctest_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// scene is the variable that lets a test of this package run which is not a test but the subject of one: it fails, leaks or
// hangs. Its value goes to the subject.
const scene = "IPCTEST_SCENE"

// onlyAsSubject skips the calling test if no other test plays it, and returns the scene.
func onlyAsSubject(t *testing.T) string {
	t.Helper()
	s, ok := os.LookupEnv(scene)
	if !ok {
		t.Skip("it is the subject of another test")
	}
	return s
}

// play runs one subject as go test would, and returns its output and exit code.
func play(t *testing.T, subject, value string, args ...string) (output string, code int) {
	t.Helper()
	cmd := subjectCommand(t, subject, value, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func subjectCommand(t *testing.T, subject, value string, args ...string) *exec.Cmd {
	cmd := ipctest.Command(t, append([]string{"-test.run=^" + subject + "$"}, args...)...)
	cmd.Env = append(os.Environ(), scene+"="+value, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// wantOutput checks the outcome of play: the code, and that the output matches each pattern.
func wantOutput(t *testing.T, output string, code, want int, patterns ...string) {
	t.Helper()
	if code != want {
		t.Errorf("got exit code %d, want %d", code, want)
	}
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(output) {
			t.Errorf("the output does not match %q", p)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", output)
	}
}

func TestSubjectLeaks(t *testing.T) {
	for kind := range strings.FieldsSeq(onlyAsSubject(t)) {
		if _, err := ipctest.Make(kind, 0x5eed); err != nil {
			t.Error(err)
		}
	}
}

func TestLeakFailsTheRun(t *testing.T) {
	t.Parallel()
	ipctest.NeedNamespace(t)
	for _, kind := range []string{ipctest.Shm, ipctest.Sem, ipctest.Msg} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			output, code := play(t, "TestSubjectLeaks", kind)
			wantOutput(t, output, code, 1, `^PASS\n`, `left 1 kernel objects`, `\n\t`+kind+` id 0 key 0x5eed mode 0600 `)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		output, code := play(t, "TestSubjectLeaks", "")
		wantOutput(t, output, code, 0, `^PASS\n(coverage: .*\n)?$`)
	})
}

func TestSubjectFails(t *testing.T) {
	if onlyAsSubject(t) == "panic" {
		panic("as asked")
	}
	t.Error("as asked")
}

func TestExitCodeIsThatOfTheTests(t *testing.T) {
	t.Parallel()
	output, code := play(t, "TestSubjectFails", "")
	wantOutput(t, output, code, 1, `--- FAIL: TestSubjectFails`)
	output, code = play(t, "TestSubjectFails", "panic")
	wantOutput(t, output, code, 2, `panic: as asked`)
}

// hanger opens the named pipe, says so to its readers, and keeps it open for as long as it lives.
var hanger = ipctest.Register("hanger", func(c *ipctest.ChildEnv) {
	fifo, err := os.OpenFile(c.Args[0], os.O_WRONLY, 0)
	c.Check(err)
	_, err = fifo.WriteString("up\n")
	c.Check(err)
	time.Sleep(24 * time.Hour) // and not Listen, which would see the test die
})

func TestSubjectHangs(t *testing.T) {
	p := ipctest.Start(t, hanger, nil, onlyAsSubject(t))
	t.Log(p.Line())
}

// However the run is ended, none of its processes outlives it.
func TestRunEndsWithAllItsProcesses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		code   int
	}{
		{"kill", syscall.SIGKILL, -1},
		{"terminate", syscall.SIGTERM, 128 + int(syscall.SIGTERM)},
		{"interrupt", syscall.SIGINT, 128 + int(syscall.SIGINT)},
		{"quit", syscall.SIGQUIT, 2}, // Go shows the stacks, and exits so
		{"timeout", 0, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fifo := filepath.Join(t.TempDir(), "fifo")
			if err := unix.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			timeout := "10m"
			if test.signal == 0 {
				timeout = "2s"
			}
			cmd := subjectCommand(t, "TestSubjectHangs", fifo, "-test.timeout="+timeout)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(fifo)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r := bufio.NewReader(f)
			if line, err := r.ReadString('\n'); line != "up\n" {
				t.Fatalf("got %q, %v from the child", line, err)
			}
			if test.signal != 0 {
				if err := cmd.Process.Signal(test.signal); err != nil {
					t.Fatal(err)
				}
			}
			if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
				t.Errorf("got %q, %v from the child after the end of its test", rest, err)
			}
			cmd.Wait()
			if ipctest.InPlace() && (test.signal == syscall.SIGTERM || test.signal == syscall.SIGINT) {
				test.code = -1 // it ran the tests itself, so that the signal was its own end
			}
			wantOutput(t, out.String(), cmd.ProcessState.ExitCode(), test.code)
		})
	}
}

// withoutNamespaces runs the test binary where nobody may unshare.
var withoutNamespaces = ipctest.Register("without namespaces", func(c *ipctest.ChildEnv) {
	c.Check(ipctest.Fault(unix.SYS_UNSHARE, syscall.EPERM))
	exe, err := os.Executable()
	c.Check(err)
	c.Check(syscall.Exec(exe, append([]string{exe}, c.Args...), os.Environ()))
})

// In the machine's namespace, only what the run itself leaves counts.
func TestInPlace(t *testing.T) {
	t.Parallel()
	ipctest.NeedFault(t)
	if !ipctest.Alone(t) {
		return
	}
	if _, err := ipctest.Make(ipctest.Sem, ipctest.Key(t)); err != nil {
		t.Fatal(err)
	}
	run := func(subject, value string) (string, error) {
		env := []string{scene + "=" + value, "TMPDIR=" + t.TempDir()}
		p := ipctest.Start(t, withoutNamespaces, &ipctest.Options{Env: env}, "-test.v", "-test.run=^"+subject+"$")
		err := p.Wait()
		var output strings.Builder
		for line := range p.Lines() {
			output.WriteString(line + "\n")
		}
		return output.String() + p.Stderr(), err
	}
	output, err := run("TestSubjectLeaks", "")
	if err != nil || !strings.Contains(output, "--- PASS") {
		t.Errorf("without a leak: %v\n%s", err, output)
	}
	output, err = run("TestSubjectAlone", "pass")
	if err != nil || !strings.Contains(output, "--- SKIP") || !strings.Contains(output, "needs an IPC namespace of its own") {
		t.Errorf("Alone: %v\n%s", err, output)
	}
	// Tests that play others do so in their own turn.
	output, err = run("TestExitCodeIsThatOfTheTests", "")
	if err != nil || !strings.Contains(output, "--- PASS") {
		t.Errorf("a run in a run: %v\n%s", err, output)
	}
	// A turn of others is waited for, and not without end.
	turn := must(ipctest.TakeTurn(time.Minute))
	if second, err := ipctest.TakeTurn(10 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "another run of tests") {
		t.Errorf("got %v, %v while another run has the namespace", second, err)
	}
	time.AfterFunc(10*time.Millisecond, func() { turn.Close() })
	must(ipctest.TakeTurn(time.Minute)).Close()
	output, err = run("TestSubjectLeaks", "msg")
	for _, o := range must(ipctest.Objects()) {
		ipctest.RemoveLater(t, o.Kind, o.ID)
	}
	if err == nil || !strings.Contains(output, "left 1 kernel objects:\n\tmsg id 0 key 0x5eed") {
		t.Errorf("with a leak: %v\n%s", err, output)
	}
}

// ignorer runs the test binary as nohup does.
var ignorer = ipctest.Register("ignorer", func(c *ipctest.ChildEnv) {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT)
	exe, err := os.Executable()
	c.Check(err)
	c.Check(syscall.Exec(exe, append([]string{exe}, c.Args...), os.Environ()))
})

func TestSubjectSignals(t *testing.T) {
	onlyAsSubject(t)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		p := ipctest.Start(t, echo, nil)
		p.Expect("args []")
		p.Signal(sig)
		if err := p.Wait(); err == nil {
			t.Errorf("a child ignores signal %v", sig)
		}
	}
}

// Under nohup, what the tests start has signals as always, and the tests themselves go on.
func TestIgnoredSignals(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, ignorer, &ipctest.Options{Env: []string{scene + "="}}, "-test.v", "-test.run=^TestSubjectSignals$")
	err := p.Wait()
	if err != nil {
		t.Errorf("%v\n%s", err, p.Stderr())
	}
	for line := range p.Lines() {
		if err != nil {
			t.Log(line)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
