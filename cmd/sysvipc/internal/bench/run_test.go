//go:build linux && (amd64 || arm64)

package bench

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc/internal/output"
)

// short is a run of a moment.
func short(only ...string) *plan {
	d := depths["quick"]
	return &plan{Only: only, Modes: d.modes, Places: d.places, Rounds: 2, Time: time.Millisecond, Turn: 100 * time.Microsecond}
}

// run carries out a plan, in a directory and with keys of its own.
func (p *plan) run(t *testing.T) *Result {
	t.Helper()
	r := p.begin(t)
	result, err := r.result(t.Context(), &Options{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (p *plan) begin(t *testing.T) *running {
	t.Helper()
	var err error
	if p.Key, err = freeKeys(); err != nil {
		t.Fatal(err)
	}
	p.Directory = t.TempDir()
	r, err := start(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each mechanism is measured, or skipped with a reason; what is read back from JSON is what was measured.
func TestRun(t *testing.T) {
	t.Parallel()
	p := short()
	result := p.run(t)
	result.Bench.Depth = "quick"
	result.Judge()
	for _, m := range Mechanisms {
		seen := false
		for i := range result.Measurements {
			o := &result.Measurements[i]
			seen = seen || o.Mechanism == m.Name
			if o.Mechanism == m.Name && (o.Median <= 0 || o.Q1 > o.Median || o.Median > o.Q3 || o.Q3 > o.P99 || len(o.Rounds) != p.Rounds) {
				t.Errorf("%+v", *o)
			}
		}
		for _, s := range result.Skipped {
			seen = seen || s.Mechanism == m.Name && s.Reason != ""
		}
		if !seen {
			t.Errorf("%s is neither measured nor skipped", m.Name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(p.Directory, "*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	var text bytes.Buffer
	if err := result.Write(&text); err != nil {
		t.Fatal(err)
	}
	again, err := Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(result.Measurements, again.Measurements); diff != "" {
		t.Error(diff)
	}
	again.Compare(result)
	for _, c := range again.Comparisons {
		if c.RatioQ1 > 1 || c.RatioQ3 < 1 {
			t.Errorf("a run beside itself: %+v", c)
		}
	}
}

// Each mode is measured of a mechanism that has it, in each placement.
func TestModes(t *testing.T) {
	t.Parallel()
	d := depths["full"]
	p := &plan{Only: []string{"unix-stream", "shared-topic", "sysv-sem", "shared-var"}, Modes: d.modes, Places: d.places, Rounds: 2, Time: time.Millisecond, Turn: 100 * time.Microsecond}
	result := p.run(t)
	for _, mode := range Modes {
		if !slices.ContainsFunc(result.Measurements, func(m output.Measurement) bool { return m.Mode == mode.Name }) {
			t.Errorf("%s is not measured: %v", mode.Name, result.Skipped)
		}
	}
}

// A run whose measuring process, or other process, is killed says so, and leaves nothing: the package's check of kernel
// objects sees what it would leave.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		p := short("sysv-msg", "sysv-sem", "fifo", "shared-chan", "posix-mq")
		p.Rounds, p.Time = 1000, time.Minute
		if !own {
			p.inPlace = true
		}
		r := p.begin(t)
		lines := make(chan struct{}, 1)
		go func() {
			_, err := r.result(t.Context(), &Options{Progress: func(float64) {
				select {
				case lines <- struct{}{}:
				default:
				}
			}})
			if err == nil {
				t.Error("a killed run has a result")
			}
			close(lines)
		}()
		<-lines // it measures
		if own {
			r.cmd.Process.Kill()
		} else {
			r.in.Close() // as when the program is killed
		}
		for range lines {
		}
		if own {
			sweep(p.Key) // as Run does, where there was no namespace to end with the process
		}
		if err := os.Remove(p.Directory); own && err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		} else if _, err := os.Stat(p.Directory); err == nil {
			t.Errorf("%s is left", p.Directory)
		}
	}
}
