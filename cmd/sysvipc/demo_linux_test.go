package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// tellDemo tells chapters and returns what they said.
func tellDemo(t *testing.T, chapters ...demoChapter) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := runDemo(t.Context(), &out, chapters)
	return out.String(), err
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

func TestDemoWrong(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	out, err := tellDemo(t,
		demoChapter{"Right", func(t *tour) { t.check(true, "yes") }},
		demoChapter{"Broken", func(t *tour) {
			litter(t)
			checkEqual(t, 1, 2, "one is two")
			t.check(true, "and it goes on")
		}},
	)
	if exitCode(err) != exitFailed || !strings.Contains(err.Error(), "1 of 3 checks went wrong") {
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

// TestDemoBroken: steps that cannot be made, and a bug of a chapter.
func TestDemoBroken(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	broken := errors.New("broken")
	for name, step := range map[string]func(*tour){
		"error":    func(t *tour) { t.must(broken) },
		"command":  func(t *tour) { t.run("rm", "shm:12345678") },
		"vanished": func(t *tour) { t.until("it waits", t.start("version"), func() (bool, error) { return false, nil }) },
		"kernel":   func(t *tour) { t.until("it waits", nil, func() (bool, error) { return false, broken }) },
	} {
		out, err := tellDemo(t, demoChapter{name, func(t *tour) {
			litter(t)
			step(t)
			t.check(true, "never reached")
		}})
		if err == nil || exitCode(err) == exitDone {
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
		tellDemo(t, demoChapter{"bug", func(t *tour) {
			litter(t)
			panic("a bug")
		}})
	}()
	mustBeClean(t)
}

// TestDemoSabotaged: with a command that does not do what it says, the real chapters find
// it out. Each sabotage is an operation that does nothing.
func TestDemoSabotaged(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
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
		chapter := demoChapters[c.chapter]
		err := runDemoWith(t.Context(), script, &out, []demoChapter{chapter})
		if err == nil {
			t.Errorf("%s: not found out:\n%s", c.sabotage, out.String())
		}
		mustBeClean(t)
	}
}

// TestDemoInterrupted: Ctrl-C at many places of each chapter leaves nothing behind.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	exe, err := exec.LookPath("sysvipc")
	if err != nil {
		t.Fatal(err)
	}
	for _, chapter := range demoChapters {
		told := false
		for stop := 10; !told; stop += 13 { // the introduction has nothing to leave
			ctx, cancel := context.WithCancelCause(t.Context())
			out := &lineCounter{at: stop, do: func() { cancel(interrupt{syscall.SIGINT}) }}
			err := runDemoWith(ctx, exe, out, []demoChapter{chapter})
			var stopped interrupt
			switch told = out.lines < stop; {
			case told && err != nil:
				t.Errorf("%s: not stopped: %v", chapter.title, err)
			case !told && !errors.As(err, &stopped) && stop < out.lines-20: // near the end it may be done before
				t.Errorf("%s: stopped at line %d of %d: %v", chapter.title, stop, out.lines, err)
			}
			mustBeClean(t)
			cancel(nil)
		}
	}
	// The same by a signal.
	cmd := exec.Command(exe, "demo")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&lineCounter{at: 30, do: func() { cmd.Process.Signal(syscall.SIGINT) }}, stdout); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
		t.Errorf("got %v, want the death by SIGINT", cmd.ProcessState)
	}
	mustBeClean(t)
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

// TestDemoTitles: on a terminal they are bold, unless that is not wanted.
func TestDemoTitles(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) { // it has a process of its own, whose environment may change
		return
	}
	os.Setenv("TERM", "xterm")
	for noColor, bold := range map[string]bool{"": true, "1": false} {
		os.Setenv("NO_COLOR", noColor)
		ours, theirs, err := openTerminal()
		if err != nil {
			t.Fatal(err)
		}
		err = runDemoWith(t.Context(), "sysvipc", theirs, nil)
		theirs.Close()
		shown, _ := io.ReadAll(ours) // until EIO: the other side is closed
		ours.Close()
		if err != nil || strings.Contains(string(shown), "\x1b[1mSystem V IPC") != bold || strings.Contains(string(shown), "\x1b") != bold {
			t.Errorf("NO_COLOR=%s: got %q, %v, want bold titles: %v", noColor, shown, err, bold)
		}
	}
}

// TestDemoReaderGone: head(1) has read enough.
func TestDemoReaderGone(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	if out, err := exec.Command("sh", "-c", "sysvipc demo | head -40 | tail -1").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	// The shell waits for all of the pipeline.
	mustBeClean(t)
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

// TestDemoLines: it fits a terminal of 80 columns, whatever the numbers are.
func TestDemoLines(t *testing.T) {
	t.Parallel()
	out, err := tellDemo(t, demoChapters...)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > demoWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
