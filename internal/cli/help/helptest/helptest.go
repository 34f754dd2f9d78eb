// Package helptest checks how a command explains itself: help that fits a terminal, and man pages that are made of it.
package helptest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/sysvipc/sysvipc/internal/cli/help"
)

// Fits fails if a page of help is wider than a terminal, or, of the verbs that are named, higher than a screen of 50 lines.
func Fits(t *testing.T, root *cobra.Command, screen ...string) {
	t.Helper()
	all(root, func(cmd *cobra.Command) {
		var page strings.Builder
		cmd.SetOut(&page)
		if err := cmd.Help(); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(page.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > help.Width {
				t.Errorf("help of %q: a line has %d characters, want %d at most: %s", cmd.CommandPath(), n, help.Width, line)
			}
		}
		if n := strings.Count(page.String(), "\n"); n > 50 && slices.Contains(screen, cmd.Name()) {
			t.Errorf("help of %q has %d lines, want 50 at most", cmd.CommandPath(), n)
		}
		if cmd.HasExample() && !strings.Contains(page.String()[:min(page.Len(), 400)], "\nExamples:\n") {
			t.Errorf("help of %q does not begin with examples", cmd.CommandPath())
		}
	})
}

// all calls f with the command, its verbs and its topics, but for those that are hidden, and the shells of completion.
func all(cmd *cobra.Command, f func(*cobra.Command)) {
	cmd.InitDefaultHelpFlag()
	f(cmd)
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" && cmd.Name() != "completion" {
			all(sub, f)
		}
	}
}

// Sections are what the page of a verb has beside its help.
type Sections struct {
	// Each is in man's own form.
	ExitStatus, Environment, Files string
	// SeeAlso are pages beside those of the verb's parent, sisters and verbs, such as "ipcs(1)".
	SeeAlso []string
}

// ManPages fails if dir has not the pages that the command's help makes, or writes them. Of sections it asks what else a
// verb's page has, by its name without that of the command: "msg send".
func ManPages(t *testing.T, root *cobra.Command, dir string, update bool, sections func(verb string) Sections) {
	t.Helper()
	want := pages(t, root, sections)
	if update {
		for name, page := range want {
			if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, pattern := range []string{root.Name() + ".1", root.Name() + "-*.1"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if want[filepath.Base(file)] == nil {
				t.Errorf("%s is about nothing: remove it", file)
			}
		}
	}
	for name, page := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v: run this test with -update", err)
		} else if diff := cmp.Diff(string(got), string(page)); diff != "" {
			t.Errorf("%s is not current: run this test with -update (-file +help):\n%s", name, diff)
		}
	}
}

func pages(t *testing.T, root *cobra.Command, sections func(string) Sections) map[string][]byte {
	t.Helper()
	root.InitDefaultCompletionCmd()
	see := map[string][]string{}
	all(root, func(cmd *cobra.Command) { see[nameOf(cmd)] = nil })
	all(root, func(cmd *cobra.Command) {
		if parent := cmd.Parent(); parent != nil {
			see[nameOf(cmd)] = append([]string{nameOf(parent)}, see[nameOf(cmd)]...)
			see[nameOf(parent)] = append(see[nameOf(parent)], nameOf(cmd))
		}
	})
	out := map[string][]byte{}
	all(root, func(cmd *cobra.Command) {
		verb := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), root.Name()), " ")
		more := sections(verb)
		also := see[nameOf(cmd)]
		if parent := cmd.Parent(); parent != nil && parent != root {
			also = append(slices.Clone(also), see[nameOf(parent)][1:]...)
		}
		for i := range also {
			also[i] += "(1)"
		}
		for _, page := range more.SeeAlso {
			name, ours := strings.CutSuffix(page, "(1)")
			if _, found := see[name]; ours && strings.HasPrefix(name, root.Name()+"-") && !found {
				t.Errorf("the page of %q refers to %s, which does not exist", verb, page)
			}
		}
		also = append(also, more.SeeAlso...)
		slices.SortFunc(also, bySection)
		also = slices.DeleteFunc(slices.Compact(also), func(page string) bool { return page == nameOf(cmd)+"(1)" })
		out[nameOf(cmd)+".1"] = page(t, cmd, more, also)
	})
	return out
}

func nameOf(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// bySection orders pages as man-pages(7) wants it: by section, then by name.
func bySection(a, b string) int {
	section := func(page string) string { return page[strings.LastIndexByte(page, '('):] }
	return strings.Compare(section(a)+a, section(b)+b)
}

func page(t *testing.T, cmd *cobra.Command, more Sections, also []string) []byte {
	t.Helper()
	shown := *cmd // whose help stays as it is
	shown.DisableAutoGenTag = true
	shown.Long = forMan(cmd.Long)
	// The date of a page would be that of its last change, which nobody keeps.
	header := &doc.GenManHeader{Title: strings.ToUpper(nameOf(cmd)), Section: "1", Source: "sysvipc", Manual: "System V IPC", Date: &time.Time{}}
	var b bytes.Buffer
	if err := doc.GenMan(&shown, header, &b); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(b.String(), `"Jan 0001"`, `""`, 1)
	text, _, _ = strings.Cut(text, "\n\n.SH SEE ALSO")
	text = strings.TrimRight(text, "\n") + "\n"
	for _, section := range []struct{ name, text string }{
		{"EXIT STATUS", more.ExitStatus},
		{"ENVIRONMENT", more.Environment},
		{"FILES", more.Files},
		{"SEE ALSO", "\\fB" + strings.Join(also, "\\fP, \\fB") + "\\fP"},
	} {
		if section.text != "" {
			text += fmt.Sprintf("\n.SH %s\n%s\n", section.name, strings.TrimSpace(section.text))
		}
	}
	return []byte(text)
}

// Items are a list of terms with their texts, in man's form, by term.
func Items(items map[string]string) string {
	var b strings.Builder
	for _, term := range slices.Sorted(maps.Keys(items)) {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", term, items[term])
	}
	return b.String()
}

// forMan indents as Markdown wants it what the help shows as it stands: lines that begin
// with spaces.
func forMan(long string) string {
	var b strings.Builder
	block := false
	for line := range strings.Lines(long) {
		indented := strings.HasPrefix(line, "  ")
		if indented != block && line != "\n" {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			block = indented
		}
		if indented {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}
