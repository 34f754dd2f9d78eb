// Package spin runs the model checker spin(1), for the tests of packages whose models prove a
// protocol. The models are the .pml files of the package's folder.
//
// A model that finds nothing proves nothing until it was seen to find something: each has
// defects, which are switched on by macros, and a table of runs demands that each is found.
package spin

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
	Holds     = ""                     // no error in any state
	Stuck     = "invalid end state"    // a process that lives waits for ever
	Violation = "assertion violated"   // a broken invariant
	Livelock  = "non-progress cycle"   // a process that lives runs for ever
	Either    = "stuck or a violation" // whichever is met first
)

// Run is one model with macros, and what spin must find in it. LIVE, which the models do not
// read, also looks for cycles: all processes end, or block, in the end. Every model stands first
// without a defect, then with each of its defects, BUG_….
type Run = struct{ Model, Macros, Want string }

// oneRunLimit is far more than any run needs on a slow machine.
const oneRunLimit = 5 * time.Minute

// slots holds one token for each run that may use a processor now.
var slots = make(chan struct{}, 2)

// Short reports whether only the short form is asked for, which is seconds: SYSVIPC_MODELS is
// not set. With "all" each run of a table is made, and with "deep" the deep ones, too.
func Short() bool { return os.Getenv("SYSVIPC_MODELS") == "" }

// Deep reports whether the deep runs are asked for: some minutes and gigabytes.
func Deep() bool { return os.Getenv("SYSVIPC_MODELS") == "deep" }

// Check makes the runs of a table; in the short form the first one of each model, and the first
// with a defect.
func Check(t *testing.T, runs []Run) {
	t.Helper()
	needPrograms(t)
	if Short() {
		runs = first(runs)
	}
	for _, r := range runs {
		t.Run(name(r), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			check(t, r)
		})
	}
}

// first returns the runs of the short form.
func first(runs []Run) (some []Run) {
	had := map[string]bool{}
	for _, r := range runs {
		kind := r.Model
		if r.Want != Holds {
			kind = "a defect"
		}
		if !had[kind] {
			had[kind] = true
			some = append(some, r)
		}
	}
	return some
}

// CheckTable holds the table and the files of the folder together: every defect that a model can
// be given is in the table, and every model runs without one.
func CheckTable(t *testing.T, runs []Run) {
	t.Helper()
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
			if r.Model+".pml" != file {
				continue
			}
			sound = sound || r.Want == Holds
			for _, d := range defect.FindAllString(r.Macros, -1) {
				sought[d] = true
				if r.Want == Holds {
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

func name(r Run) string {
	return strings.Join(append([]string{r.Model}, strings.Fields(r.Macros)...), " ")
}

// check makes the checker of r in a directory of its own, runs it and compares.
func check(t *testing.T, r Run) {
	file, err := filepath.Abs(r.Model + ".pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var macros []string
	for _, m := range strings.Fields(r.Macros) {
		macros = append(macros, "-D"+m)
	}

	command(t, dir, "spin", append(append([]string{"-a"}, macros...), file)...)
	// The compiler takes longer than most runs: -O2 would gain nothing.
	optimise, search := "-Og", []string{"-DSAFETY", "-DNOCLAIM", "-DNOFAIR"}
	options := []string{"-n", "-w22", "-m200000"}
	if r.Want != Holds {
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

	found := found(out)
	t.Logf("%s states, %.1f s", states(out), took.Seconds())
	if found == r.Want || r.Want == Either && (found == Stuck || found == Violation) {
		return
	}
	if r.Want == Holds {
		trail, _ := exec.Command("spin", slices.Concat([]string{"-t", "-p", "-k", filepath.Join(dir, r.Model+".pml.trail")}, macros, []string{file})...).Output()
		lines := strings.Split(string(trail), "\n")
		t.Fatalf("spin finds an error: %q\n%s\nThe way there ends with:\n%s", found, out, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
	t.Fatalf("spin finds %q, want %q\n%s", found, r.Want, out)
}

// found names the error in pan's output, or Holds.
func found(out string) string {
	for _, kind := range []string{Stuck, Violation, Livelock} {
		if strings.Contains(out, "pan:1: "+kind) {
			return kind
		}
	}
	complete := strings.Contains(out, "errors: 0\n") && !strings.Contains(out, "Search not completed") &&
		!strings.Contains(out, "max search depth too small")
	if !complete {
		return "an incomplete search"
	}
	return Holds
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
