package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
)

// parseRun reads the arguments of "sysvipc run".
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

func TestRunFlags(t *testing.T) {
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
		{"--name x --timeout 0 -- true", func(c *run.Config) { c.Timeout = 0 }},
		{"--name x --timeout 5 -- true", func(c *run.Config) { c.Timeout = 5 * time.Second }},
		{"--name x --timeout 200ms -- true", func(c *run.Config) { c.Timeout = 200 * time.Millisecond }},
		{"--name x --mode 666 -- true", func(c *run.Config) { c.Mode, c.AnyMode = 0o666, false }},
		{"--name x --owner 7 -- true", func(c *run.Config) { c.Owners = []int{7} }},
		{"--name x --slots 3 -E 75 -- true --slots 9", func(c *run.Config) {
			c.Slots, c.Busy, c.Command = 3, 75, []string{"true", "--slots", "9"}
		}},
		{"--name x true --nowait -- --name y", func(c *run.Config) {
			c.Command = []string{"true", "--nowait", "--", "--name", "y"}
		}},
	} {
		want := base
		c.change(&want)
		got, err := parseRun(strings.Fields(c.line))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.line, err, diff)
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
		"--name x --owner :7 true":      "--owner wants a user",
		"--name x --timeout -1s true":   "is no duration",
		"--name x --nowait --timeout 1": "timeout",
		"--name x --wat true":           "unknown flag",
	} {
		if _, err := parseRun(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q", line, err, text)
		}
	}
}
