package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write docs/man")

// The man pages are made of the help. After a change of it:
//
//	go test ./cmd/sysvipc -run TestManPages -update
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "docs", "man")
	want := manPages(t)
	if *update {
		for name, page := range want {
			if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); want[name] == nil {
			t.Errorf("%s is about nothing: remove it", file)
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

// manPages returns the page of every verb and topic.
func manPages(t *testing.T) map[string][]byte {
	t.Helper()
	pages := map[string][]byte{}
	root := newRoot()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		// The date of a page would be that of its last change, which nobody keeps.
		header := &doc.GenManHeader{Section: "1", Source: "sysvipc", Manual: "System V IPC", Date: &time.Time{}}
		cmd.DisableAutoGenTag = true
		if cmd.Name() == "formats" {
			cmd.Long += "\n\nThe columns:\n\n" + columnHelp()
		}
		cmd.Long = forMan(cmd.Long)
		var page bytes.Buffer
		if err := doc.GenMan(cmd, header, &page); err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		pages[name] = bytes.Replace(page.Bytes(), []byte(`"Jan 0001"`), []byte(`""`), 1)
		for _, sub := range cmd.Commands() {
			if sub.Name() != "help" {
				add(sub)
			}
		}
	}
	add(root)
	return pages
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
