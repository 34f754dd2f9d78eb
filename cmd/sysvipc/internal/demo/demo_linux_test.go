package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// TestMain runs the tests in an IPC namespace of their own. As "sysvipc" this binary stands in for the command.
func TestMain(m *testing.M) {
	testscript.Main(ipctest.Wrap(m), map[string]func(){"sysvipc": func() {
		err := Verb(context.Background(), os.Args[1:], os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(cli.ExitCode(err))
	}})
}

// tellAll tells chapters and returns what they said.
func tellAll(t *testing.T, chapters ...chapter) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := runChapters(t.Context(), executable(t), &out, "", chapters)
	return out.String(), err
}

// executable is this binary, which stands in for the command: see TestMain.
func executable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// litter makes one object of each kind, and a process that would never end.
func litter(t *tour) {
	t.make("mk", "shm", "--size", "1")
	t.make("mk", "msg")
	ref, _ := t.make("mk", "sem", "--init", "0")
	t.start("sem", "take", ref)
}

// mustBeClean fails the test if a kernel object or a child is left. The test is alone in
// its namespace and process.
func mustBeClean(t *testing.T) {
	t.Helper()
	objects, err := ipctest.Objects()
	if err != nil || len(objects) > 0 {
		t.Errorf("left behind: %v %v", objects, err)
	}
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

func TestWrong(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	out, err := tellAll(t,
		chapter{"Right", func(t *tour) { t.check(true, "yes") }},
		chapter{"Broken", func(t *tour) {
			litter(t)
			checkEqual(t, 1, 2, "one is two")
			t.check(true, "and it goes on")
		}},
	)
	if cli.ExitCode(err) != 1 || !strings.Contains(err.Error(), "1 of 3 checks went wrong") {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{
		"  WRONG 2: one is two (found 1, not 2)\n",
		"1 to 1  all right\n",
		"2 to 3  1 WRONG\n",
		"  3 checks, 2 right, 1 WRONG: [2]\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	mustBeClean(t)
}

// TestBroken: steps that cannot be made, and a bug of a chapter.
func TestBroken(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	broken := errors.New("broken")
	for name, step := range map[string]func(*tour){
		"error":   func(t *tour) { t.must(broken) },
		"command": func(t *tour) { t.run("rm", "shm:12345678") },
		"vanished": func(t *tour) {
			t.until("it waits", t.start("rm", "shm:12345678"), func() (bool, error) { return false, nil })
		},
		"kernel": func(t *tour) { t.until("it waits", nil, func() (bool, error) { return false, broken }) },
	} {
		out, err := tellAll(t, chapter{name, func(t *tour) {
			litter(t)
			step(t)
			t.check(true, "never reached")
		}})
		if err == nil {
			t.Errorf("%s: got %v", name, err)
		}
		if strings.Contains(out, "never reached") || strings.Contains(out, "all right") {
			t.Errorf("%s: it went on:\n%s", name, out)
		}
		mustBeClean(t)
	}
	func() {
		defer func() {
			if got := fmt.Sprint(recover()); got != "a bug" {
				t.Errorf("recovered %q", got)
			}
		}()
		tellAll(t, chapter{"bug", func(t *tour) {
			litter(t)
			panic("a bug")
		}})
	}()
	mustBeClean(t)
}

// TestSabotaged: with a command that does not do what it says, the real chapters find
// it out. Each sabotage is an operation that does nothing.
func TestSabotaged(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	exe := executable(t)
	for _, c := range []struct {
		chapter  int
		sabotage string // a shell pattern of arguments
	}{
		{0, "shm write *"},
		{0, "rm *"},
		{1, "sem op * 0=0 *"},
		{2, "msg recv * --type 2"},
		{4, "sem give *"},
		{5, "demo creator *"},
		{7, "demo sharer *"},
	} {
		script := t.TempDir() + "/sysvipc"
		text := fmt.Sprintf("#!/bin/bash\ncase \"$*\" in %s) exit 0;; esac\nexec -a sysvipc '%s' \"$@\"\n", strings.ReplaceAll(c.sabotage, " ", `\ `), exe)
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := runChapters(t.Context(), script, &out, "", chapters[c.chapter:c.chapter+1])
		if err == nil {
			t.Errorf("%s: not found out:\n%s", c.sabotage, out.String())
		}
		mustBeClean(t)
	}
}

var errStopped = errors.New("Ctrl-C")

// TestInterrupted: Ctrl-C at many places of each chapter leaves nothing behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	exe := executable(t)
	for _, c := range chapters {
		told := false
		for stop := 10; !told; stop += 13 { // the introduction has nothing to leave
			ctx, cancel := context.WithCancelCause(t.Context())
			out := &lineCounter{at: stop, do: func() { cancel(errStopped) }}
			err := runChapters(ctx, exe, out, "", []chapter{c})
			switch told = out.lines < stop; {
			case told && err != nil:
				t.Errorf("%s: not stopped: %v", c.title, err)
			case !told && !errors.Is(err, errStopped) && stop < out.lines-20: // near the end it may be done before
				t.Errorf("%s: stopped at line %d of %d: %v", c.title, stop, out.lines, err)
			}
			mustBeClean(t)
			cancel(nil)
		}
	}
}

// lineCounter does something at a line.
type lineCounter struct {
	lines, at int
	do        func()
}

func (l *lineCounter) Write(p []byte) (int, error) {
	for range bytes.Count(p, []byte("\n")) {
		if l.lines++; l.lines == l.at {
			l.do()
		}
	}
	return len(p), nil
}

func TestWrap(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 90)
	for _, c := range []struct{ text, want string }{
		{"", "  \n"},
		{"a\n\t\tb", "  a b\n"},
		{strings.Repeat("word ", 20), "  " + strings.Repeat("word ", 14) + "word\n    word word word word word\n"},
		{"a " + long + " b", "  a\n    " + long + "\n    b\n"},
	} {
		if diff := cmp.Diff(c.want, wrap(c.text, "  ", "    ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

// TestLines: it fits a terminal of 80 columns, whatever the numbers are.
func TestLines(t *testing.T) {
	t.Parallel()
	out, err := tellAll(t, chapters...)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
