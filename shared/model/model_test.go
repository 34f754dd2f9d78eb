package model

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a run must find.
const (
	holds     = ""                     // no error in any state
	stuck     = "invalid end state"    // somebody who lives waits for ever
	violation = "assertion violated"   // a broken invariant
	livelock  = "non-progress cycle"   // somebody who lives runs for ever
	either    = "stuck or a violation" // whichever is met first
)

// A run is one model with macros, and what spin must find in it. LIVE, which the
// models do not read, also looks for cycles: all of them end, or block, in the end.
type run struct {
	model, macros, want string
}

// oneRunLimit is far more than any run needs on a slow machine.
const oneRunLimit = 5 * time.Minute

// slots holds one token for each run that may use a processor now.
var slots = make(chan struct{}, 2)

// TestModels runs spin on each model, as it is and with each of its defects.
func TestModels(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	for _, r := range runs {
		t.Run(r.name(), func(t *testing.T) {
			t.Parallel()
			r.check(t)
		})
	}
}

// TestModelsDeep runs the same models with more steps and more kills: some minutes
// and gigabytes.
func TestModelsDeep(t *testing.T) {
	if os.Getenv("SYSVIPC_SOAK") == "" {
		t.Skip("the long form runs with SYSVIPC_SOAK set")
	}
	needPrograms(t)
	for _, r := range deepRuns {
		t.Run(r.name(), r.check)
	}
}

// TestEveryDefectIsSought holds the table and the files together: every defect that
// a model can be given is in the table, and every model runs without one.
func TestEveryDefectIsSought(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.pml")
	if err != nil || len(files) == 0 {
		t.Fatalf("models: %v, %v", files, err)
	}
	defect := regexp.MustCompile(`BUG_\w+`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sought := map[string]bool{}
		sound := false
		for _, r := range runs {
			if r.model+".pml" != file {
				continue
			}
			sound = sound || r.want == holds
			for _, d := range defect.FindAllString(r.macros, -1) {
				sought[d] = true
				if r.want == holds {
					t.Errorf("%s with %s: the table expects no error", file, d)
				}
			}
		}
		if !sound {
			t.Errorf("%s: no run without a defect", file)
		}
		there := defect.FindAllString(string(text), -1)
		for _, d := range there {
			if !sought[d] {
				t.Errorf("%s: no run seeks %s", file, d)
				sought[d] = true
			}
		}
		for d := range sought {
			if !slices.Contains(there, d) {
				t.Errorf("%s: there is no %s", file, d)
			}
		}
	}
}

func needPrograms(t *testing.T) {
	t.Helper()
	for program, debian := range map[string]string{"spin": "spin", "cc": "gcc libc6-dev"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		text := "no " + program + " here (apt-get install " + debian + ")"
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
}

func (r run) name() string {
	return strings.Join(append([]string{r.model}, strings.Fields(r.macros)...), " ")
}

// check makes the checker of r in a directory of its own, runs it and compares.
func (r run) check(t *testing.T) {
	slots <- struct{}{}
	defer func() { <-slots }()
	file, err := filepath.Abs(r.model + ".pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var macros []string
	for _, m := range strings.Fields(r.macros) {
		macros = append(macros, "-D"+m)
	}

	command(t, dir, "spin", append(append([]string{"-a"}, macros...), file)...)
	// The compiler takes longer than most runs: -O2 would gain nothing.
	optimise, search := "-Og", []string{"-DSAFETY", "-DNOCLAIM", "-DNOFAIR"}
	options := []string{"-n", "-w20", "-m200000"}
	if r.want != holds {
		optimise = "-O0" // it ends soon
	}
	if slices.Contains(macros, "-DLIVE") { // cycles, under weak fairness
		search = []string{"-DNP", "-DNFAIR=4"}
		options = append(options, "-l", "-f")
	}
	command(t, dir, "cc", slices.Concat([]string{optimise, "-w"}, search, []string{"-o", "pan", "pan.c"})...)
	start := time.Now()
	out := command(t, dir, "./pan", options...)
	took := time.Since(start)

	found := r.found(out)
	t.Logf("%s states, %.1f s", states(out), took.Seconds())
	if found == r.want || r.want == either && (found == stuck || found == violation) {
		return
	}
	if r.want == holds {
		trail, _ := exec.Command("spin", slices.Concat([]string{"-t", "-p", "-k", filepath.Join(dir, r.model+".pml.trail")}, macros, []string{file})...).Output()
		lines := strings.Split(string(trail), "\n")
		t.Fatalf("spin finds an error: %q\n%s\nThe way there ends with:\n%s", found, out, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
	t.Fatalf("spin finds %q, want %q\n%s", found, r.want, out)
}

// found names the error in pan's output, or holds.
func (r run) found(out string) string {
	for _, kind := range []string{stuck, violation, livelock} {
		if strings.Contains(out, "pan:1: "+kind) {
			return kind
		}
	}
	complete := strings.Contains(out, "errors: 0\n") && !strings.Contains(out, "Search not completed") &&
		!strings.Contains(out, "max search depth too small")
	if !complete {
		return "an incomplete search"
	}
	return holds
}

func states(out string) string {
	if m := regexp.MustCompile(`(\S+) states, stored`).FindStringSubmatch(out); m != nil {
		return m[1]
	}
	return "unknown"
}

// command runs a program in dir and returns its output. An exit code other than 0
// fails the test.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), oneRunLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out.String())
	}
	return out.String()
}
