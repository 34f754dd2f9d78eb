package docs

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestQuotedErrors: what troubleshooting.md quotes of this project's errors is still in the code, piece by piece.
func TestQuotedErrors(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "## What sysvipc says\n")
	if !ok {
		t.Fatal("troubleshooting.md has no part with what sysvipc says")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	code := strings.Join(literals(t), "\x00")
	n := 0
	for row := range strings.Lines(table) {
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		said := strings.Split(row, " | ")[0]
		for _, quoted := range regexp.MustCompile("`[^`]+`").FindAllString(said, -1) {
			n++
			for piece := range strings.SplitSeq(strings.Trim(quoted, "`"), "…") {
				if piece = strings.TrimSpace(piece); !strings.Contains(code, piece) {
					t.Errorf("no error says %q any more, of %s", piece, quoted)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("the page quotes %d errors", n)
	}
}

// literals are the strings in the module's code, with the tests left out.
func literals(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var s scanner.Scanner
		s.Init(token.NewFileSet().AddFile(name, -1, len(text)), text, nil, 0)
		for {
			_, tok, lit := s.Scan()
			switch tok {
			case token.STRING:
				if value, err := strconv.Unquote(lit); err == nil {
					all = append(all, value)
				}
			case token.EOF:
				return nil
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
