package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
)

// parseRun reads the arguments of "sysvipc run" in the usual way.
func parseRun(args []string) (run.Config, error) {
	var got run.Config
	cmd := runCommand(func(_ context.Context, c *run.Config) error {
		got = *c
		return nil
	})
	cmd.SetArgs(args)
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	err := cmd.Execute()
	return got, err
}

// TestRunEarly: the short way through package early understands a command line as the
// usual one does, or leaves it alone.
func TestRunEarly(t *testing.T) {
	t.Parallel()
	words := []string{
		"--name", "--name=", "--name=x", "x", "", "-", "--", "--nowait", "--nowait=true", "--nowait=false", "--no", "--slots", "--slots=3", "3", "0", "-1",
		"--timeout", "--timeout=5", "1.5s", "200ms", "2m", "1h30m", "1d", "4294967296", "1e3", "--mode", "--mode=666", "0600", "-E", "-E7", "-E=7", "7", "256",
		"--conflict-exit-code", "--conflict-exit-code=9", "--help", "-h", "true", "--timeout=0", "--timeout=-1s", "0x10", "010", "+3", "3_0", "5ms5", "s", "ms", "1hs",
	}
	taken := 0
	check := func(t rapid.TB, args []string) {
		early, ok := run.ParseEarly(args)
		if !ok {
			return
		}
		taken++
		usual, err := parseRun(args)
		if err != nil {
			t.Fatalf("%q: taken early, and otherwise: %v", args, err)
		}
		if diff := cmp.Diff(usual, early, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q: the usual way (-) and the early one (+) differ:\n%s", args, diff)
		}
	}
	// Every pair of words, with and without what they need to be complete.
	for _, a := range words {
		for _, b := range words {
			check(t, []string{a, b})
			check(t, []string{"--name", "x", a, b, "--", "true"})
			check(t, []string{a, b, "--name=x", "true", "--nowait"})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.SliceOfN(rapid.SampledFrom(words), 0, 8).Draw(t, "args"))
	})
	if taken < 100 {
		t.Errorf("only %d of the command lines were taken early", taken)
	}
}

func TestRunEarlyTakesTheUsual(t *testing.T) {
	t.Parallel()
	base := run.Default()
	base.Name, base.Command = "x", []string{"true"}
	for _, c := range []struct {
		line   string
		change func(*run.Config)
	}{
		{"--name x -- true", func(*run.Config) {}},
		{"--name x true", func(*run.Config) {}},
		{"--name=x --nowait -- true", func(c *run.Config) { c.Timeout = 0 }},
		{"--name x --timeout 5 -- true", func(c *run.Config) { c.Timeout = 5 * time.Second }},
		{"--name x --timeout 200ms -- true", func(c *run.Config) { c.Timeout = 200 * time.Millisecond }},
		{"--name x --slots 3 -E 75 -- true --slots 9", func(c *run.Config) {
			c.Slots, c.Busy, c.Command = 3, 75, []string{"true", "--slots", "9"}
		}},
	} {
		want := base
		c.change(&want)
		got, ok := run.ParseEarly(strings.Fields(c.line))
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: taken %v (-want +got):\n%s", c.line, ok, diff)
		}
	}
}

func TestRunUsage(t *testing.T) {
	t.Parallel()
	for line, text := range map[string]string{
		"-- true":                       "--name is missing",
		"--name x":                      "no command",
		"--name x --":                   "no command",
		"--name x --slots 0 true":       "from 1 to 32767",
		"--name x --slots 32768 true":   "from 1 to 32767",
		"--name x -E 256 true":          "from 0 to 255",
		"--name x --mode 0400 true":     "must be able to use it",
		"--name x --mode 888 true":      "is no mode",
		"--name x --timeout -1s true":   "is no duration",
		"--name x --nowait --timeout 1": "timeout",
		"--name x --wat true":           "unknown flag",
	} {
		args := strings.Fields(line)
		if _, err := parseRun(args); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q", line, err, text)
		}
		if _, ok := run.ParseEarly(args); ok {
			t.Errorf("%s: taken early", line)
		}
	}
}
