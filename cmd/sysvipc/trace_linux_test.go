//go:build amd64 || arm64

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/internal/output"
)

// traced runs "trace" with these arguments while f makes calls, ends it as Ctrl-C does, and returns what it wrote.
func traced(t *testing.T, out *os.File, args []string, f func()) {
	t.Helper()
	ipctest.NeedBPF(t)
	cmd := command(t, append([]string{"trace"}, args...)...)
	cmd.Stdout = out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewReader(stderr)
	if line, err := lines.ReadString('\n'); !strings.HasPrefix(line, "tracing ") {
		rest, _ := io.ReadAll(lines)
		t.Fatalf("%v: %q %v %s", args, line, err, rest)
	}
	f()
	cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(lines)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, rest)
	}
}

// captured is traced for what is written to a file.
func captured(t *testing.T, args []string, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	traced(t, file, args, f)
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func semaphoreSet(t *testing.T) *sysvipc.SemaphoreSet {
	t.Helper()
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Remove() })
	return set
}

// pairs takes and gives, and fails to take more than there is.
func pairs(t *testing.T, set *sysvipc.SemaphoreSet, n int) {
	t.Helper()
	for range n {
		for _, op := range []sysvipc.Op{sysvipc.Add(0, -1), sysvipc.Add(0, -5), sysvipc.Add(0, 1)} {
			if _, err := set.TryDo(op); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is counted of an object is what was done, in JSON and as a table.
func TestTraceCounts(t *testing.T) {
	t.Parallel()
	set := semaphoreSet(t)
	name := ref.Name(sysvipc.KindSemaphores, set.ID())
	text := captured(t, []string{name, "-o", "json"}, func() { pairs(t, set, 50) })
	var got struct {
		Schema string
		Calls  []output.Call
		Lost   *uint64
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var count, errors uint64
	for _, c := range got.Calls {
		if *c.Ref != name || c.Type != "sem" || *c.ID != set.ID() {
			t.Errorf("%+v", c)
		}
		if strings.HasPrefix(c.Op, "sem") && c.Cmd == nil {
			count, errors = count+c.Count, errors+c.Errors
			if c.Total <= 0 || c.P50 > c.P99 || c.P99 > c.Max || len(c.Errnos) != 1 || c.Errnos[0] != (output.ErrnoCount{Errno: "EAGAIN", Count: 50}) {
				t.Errorf("%+v", c)
			}
		}
	}
	if count != 150 || errors != 50 || got.Lost == nil || *got.Lost != 0 {
		t.Errorf("%d calls, %d of them failed, want 150 and 50:\n%s", count, errors, text)
	}
	text = captured(t, []string{name}, func() { pairs(t, set, 20) })
	if !regexp.MustCompile(`(?m)^` + name + ` .* 60 .*EAGAIN:20`).MatchString(text) {
		t.Errorf("the table is\n%s", text)
	}
	if text := captured(t, []string{"--owner", "12345"}, func() { pairs(t, set, 1) }); strings.Contains(text, "sem:") {
		t.Errorf("of an owner who has nothing:\n%s", text)
	}
}

// Each call is a line, also the last one before the end.
func TestTraceEvents(t *testing.T) {
	t.Parallel()
	set := semaphoreSet(t)
	name := ref.Name(sysvipc.KindSemaphores, set.ID())
	text := captured(t, []string{name, "--events"}, func() { pairs(t, set, 10) })
	if got := len(regexp.MustCompile(`(?m)^[0-9:.]+ [0-9/]+ \S+ semt?i?m?e?d?op\(`+name+`, 0-5:nowait.*\) = -1 EAGAIN <`).FindAllString(text, -1)); got != 10 {
		t.Errorf("%d lines, want 10:\n%s", got, text)
	}
	text = captured(t, []string{name, "--events", "-o", "jsonl"}, func() { pairs(t, set, 10) })
	lines := 0
	for line := range strings.Lines(text) {
		var e output.CallEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Ref == nil || *e.Ref != name || e.Took == nil || time.Since(e.Time) > time.Hour {
			t.Fatalf("%v: %s", err, line)
		}
		lines++
	}
	if lines != 30 {
		t.Errorf("%d lines, want 30:\n%s", lines, text)
	}
}

// Who gives what a waiter takes is seen: as a graph and as a table.
func TestTraceHandovers(t *testing.T) {
	t.Parallel()
	set := semaphoreSet(t)
	name := ref.Name(sysvipc.KindSemaphores, set.ID())
	hand := func() {
		for range 5 {
			cmd := command(t, "sem", "take", name, "-n", "1", "--timeout", "1m")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ipctest.WaitBlockedOn(t, cmd.Process.Pid, ipctest.Sem, set.ID(), 1)
			if ok, err := set.TryDo(sysvipc.Add(1, 1)); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	}
	graph := captured(t, []string{name, "--graph"}, hand)
	if got := strings.Count(graph, " -> "); got != 5 || !strings.Contains(graph, `label="`+name+" 1: 1, waited") {
		t.Errorf("%d edges, want 5:\n%s", got, graph)
	}
	if dot, err := exec.LookPath("dot"); err == nil {
		cmd := exec.Command(dot, "-Tsvg")
		cmd.Stdin = strings.NewReader(graph)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	text := captured(t, []string{name, "--contention", "-o", "json"}, hand)
	var got struct{ Handovers []output.Handover }
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Handovers) != 5 {
		t.Fatalf("%v: %s", err, text)
	}
	for _, h := range got.Handovers {
		if h.From == nil || h.SemNum == nil || *h.SemNum != 1 || h.Count != 1 || h.Waited <= 0 {
			t.Errorf("%+v", h)
		}
	}
}

// What a process uses while gc observes stays, what is only looked at does not, and what is used by nobody does not.
func TestGCObserve(t *testing.T) {
	t.Parallel()
	ipctest.NeedBPF(t)
	if !ipctest.FirstPIDNamespace() {
		t.Skip("in a PID namespace no set is known to be unused, so there is nothing to observe")
	}
	if !ipctest.Alone(t) {
		return
	}
	used, looked, idle := semaphoreSet(t), semaphoreSet(t), semaphoreSet(t)
	for _, set := range []*sysvipc.SemaphoreSet{used, looked, idle} {
		take := command(t, "sem", "op", ref.Name(sysvipc.KindSemaphores, set.ID()), "0+1", "1+1")
		if out, err := take.CombinedOutput(); err != nil { // its last operator has ended
			t.Fatalf("%v: %s", err, out)
		}
	}
	cmd := command(t, "gc", "--observe", "1s", "--include", "candidate", "--min-age", "0", "-o", "json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	if line, err := lines.ReadString('\n'); line != "observing 3 objects for 1s\n" {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := looked.Stat(); err != nil {
		t.Fatal(err)
	}
	take := command(t, "sem", "take", ref.Name(sysvipc.KindSemaphores, used.ID()))
	if out, err := take.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rest, _ := io.ReadAll(lines)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, rest)
	}
	var got struct{ Objects []output.CollectedObject }
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	actions := map[string]string{}
	for _, o := range got.Objects {
		why := ""
		if o.Why != nil {
			why = *o.Why
		}
		actions[o.Ref] = o.Action + " " + why
	}
	for set, want := range map[*sysvipc.SemaphoreSet]string{used: "keep process ", looked: "would-remove ", idle: "would-remove "} {
		if got := actions[ref.Name(sysvipc.KindSemaphores, set.ID())]; !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q; all: %v", got, want, actions)
		}
	}
}

// On a terminal there is a view of the last second, and when it ends the screen is as before, with the sum.
func TestTraceTerminal(t *testing.T) {
	t.Parallel()
	ours, theirs, err := openTerminal()
	if err != nil {
		t.Skip("needs a pseudo-terminal:", err)
	}
	defer ours.Close()
	set := semaphoreSet(t)
	name := ref.Name(sysvipc.KindSemaphores, set.ID())
	shown := make(chan string)
	live := make(chan bool, 1)
	go func() {
		var all strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				shown <- all.String()
				return
			}
			if strings.Count(all.String(), "\x1b[H\x1b[J") >= 2 && len(live) == 0 {
				live <- true
			}
		}
	}()
	traced(t, theirs, []string{name}, func() {
		pairs(t, set, 30)
		<-live
	})
	theirs.Close()
	text := <-shown
	_, sum, ok := strings.Cut(text, "\x1b[?25h\x1b[?1049l")
	if !ok || !regexp.MustCompile(name+` .* 90 .*EAGAIN:30`).MatchString(sum) {
		t.Errorf("shown: %q", text)
	}
}

// What cannot be traced is an error that says so, with its exit code.
func TestTraceRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"sem:99999"}, 3, "not there"},
		{[]string{"--pid", "999999999"}, 3, "there is no process 999999999"},
		{[]string{"--pid", "-1"}, 2, "write the PID"},
		{[]string{"--unit", "no-such-unit"}, 3, "no such unit runs"},
		{[]string{"--unit", "/no/such/group"}, 3, "there is no control group"},
		{[]string{"--ns", "x"}, 2, "write an inode"},
		{[]string{"--ns", "all", "--owner", "0"}, 2, "give one of them"},
		{[]string{"--events", "--graph"}, 2, ""},
		{[]string{"--graph", "-o", "json"}, 2, "--contention -o json"},
		{[]string{"-o", "jsonl"}, 2, "use it with --events"},
		{[]string{"foo"}, 2, "names no object"},
	} {
		out, err := command(t, append([]string{"trace"}, c.args...)...).CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != c.code || !strings.Contains(string(out), c.text) {
			t.Errorf("trace %q: %v, want exit code %d and %q:\n%s", c.args, err, c.code, c.text, out)
		}
	}
}
