package ipctest

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Alone gives the calling test a fresh IPC namespace: it runs this one test in another process, and returns true there.
// In the test's first process it returns false when that run is over; the outcome, a skip with its reason too, has
// then become the test's own. So a test begins with
//
//	if !ipctest.Alone(t) {
//		return
//	}
//
// and may lower limits with [SetLimit]. Where there can be no namespace, the test is skipped. What stands before the call
// runs in both processes; t.Parallel belongs there.
func Alone(t *testing.T) bool {
	t.Helper()
	if role == roleAlone && (roleArg == t.Name() || strings.HasPrefix(roleArg, t.Name()+"/")) {
		return true
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd, err := spawn(spawnOptions{
		Options: Options{Namespace: Fresh},
		role:    roleAlone + " " + t.Name(),
		args:    aloneArgs(t),
		stdin:   null,
		stdout:  w,
		stderr:  w,
	})
	w.Close()
	if err != nil {
		skipUnsupported(t, err)
		t.Fatalf("ipctest: run %s alone: %v", t.Name(), err)
	}
	var output lockedBuffer
	_, readErr := output.b.ReadFrom(r)
	err = cmd.Wait()
	report(t, output.String(), err, readErr)
	return false
}

// aloneArgs are the arguments that make a test binary run t only. Flags that write files or choose tests are not repeated.
func aloneArgs(t *testing.T) []string {
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	args := []string{"-test.run=" + strings.Join(parts, "/"), "-test.v=true", "-test.count=1"}
	if deadline, ok := t.Deadline(); ok {
		// A little earlier than the first process, which then still can show the stacks.
		left := time.Until(deadline)
		args = append(args, "-test.timeout="+max(left-left/20, time.Second).String())
	}
	for _, a := range os.Args[1:] {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch name {
		case "test.short", "test.parallel", "test.gocoverdir":
			if strings.Contains(a, "=") || name == "test.short" {
				args = append(args, a)
			}
		}
	}
	return args
}

// report makes the outcome of the other process that of t.
func report(t *testing.T, output string, errs ...error) {
	t.Helper()
	failed := false
	for _, err := range errs {
		if err != nil {
			failed = true
			t.Errorf("ipctest: %s alone: %v", t.Name(), err)
		}
	}
	outcome := regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): ` + regexp.QuoteMeta(t.Name()) + ` \(`).FindStringSubmatchIndex(output)
	switch {
	case failed:
		t.Fatalf("its output:\n%s", quote(output))
	case outcome == nil:
		t.Fatalf("ipctest: %s did not run alone; the output:\n%s", t.Name(), quote(output))
	case output[outcome[2]:outcome[3]] == "SKIP":
		t.Skip(skipReason(output[:outcome[0]]))
	case testing.Verbose():
		t.Logf("alone:\n%s", quote(output))
	}
}

// quote marks each line, so that no reader of test output takes them for this process's own.
func quote(output string) string {
	return "| " + strings.ReplaceAll(strings.TrimRight(output, "\n"), "\n", "\n| ")
}

// skipReason is what a test printed before it was skipped: its output without the lines of the test framework.
func skipReason(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
