package model

import (
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

// defects are those that the model can be given: each breaks an assertion.
var defects = []string{
	"BUG_LATE",    // what a session began is done after its end: it comes in again
	"BUG_UNKNOWN", // a swap without an answer counts as not done
	"BUG_RETRY",   // the servers store a message as often as it is sent
	"BUG_NO_CAS",  // they store it whatever the revision is
	"BUG_CLOCK",   // a client counts its lease from the answer
	"BUG_ORDER",   // a session comes in before its lease is written
}

func TestModel(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"spin", "cc"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%v: install the packages spin, gcc and libc6-dev", err)
		}
	}
	for _, defect := range append(defects, "") {
		t.Run(defect, func(t *testing.T) {
			out := check(t, defect)
			if defect == "" {
				if !strings.Contains(out, "errors: 0\n") || strings.Contains(out, "Search not completed") || strings.Contains(out, "max search depth too small") {
					t.Errorf("spin finds an error, or does not search to the end:\n%s", out)
				}
			} else if !strings.Contains(out, "pan:1: assertion violated") {
				t.Errorf("the defect is not found:\n%s", out)
			}
		})
	}
}

// check returns what the checker says of the model with a defect, or without one.
func check(t *testing.T, defect string) (out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	file, err := filepath.Abs("session.pml")
	if err != nil {
		t.Fatal(err)
	}
	macros := []string{"-DTURNS=1"}
	if defect != "" {
		macros = append(macros, "-D"+defect)
	}
	if defect == "BUG_UNKNOWN" { // it needs a call after the one whose outcome is unknown
		macros[0] = "-DTURNS=2"
	}
	dir := t.TempDir()
	for _, args := range [][]string{
		slices.Concat([]string{"spin", "-a"}, macros, []string{file}),
		{"cc", "-O1", "-w", "-DSAFETY", "-DNOCLAIM", "-DNOFAIR", "-o", "pan", "pan.c"},
		{"./pan", "-n", "-w22", "-m200000"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, text)
		}
		out = string(text)
	}
	return out
}

// Every defect of the file is sought.
func TestEveryDefectIsSought(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("session.pml")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range regexp.MustCompile(`BUG_\w+`).FindAllString(string(text), -1) {
		if !slices.Contains(defects, d) {
			t.Errorf("%s is not sought", d)
		}
	}
}
