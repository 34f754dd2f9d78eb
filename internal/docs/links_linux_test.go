package docs

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// link is an inline link or a picture of Markdown.
var link = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)\)`)

// TestLinks: what a page of the repository links to is there, also the heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	n := 0
	err := filepath.WalkDir(root, func(page string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(page) != ".md":
			return nil
		}
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(withoutBlocks(string(text)), -1) {
			n++
			if problem := resolve(page, m[1]); problem != "" {
				t.Errorf("%s links to %s: %s", strings.TrimPrefix(page, root+"/"), m[1], problem)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("no page has a link")
	}
}

// resolve says what is wrong with a link of a page, or nothing.
func resolve(page, target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme == "https":
		return "" // elsewhere
	case u.Scheme != "" || u.Host != "":
		return "is neither https nor a path"
	}
	file := page
	if u.Path != "" {
		file = filepath.Join(filepath.Dir(page), u.Path)
	}
	if _, err := os.Stat(file); err != nil {
		return "no such file"
	}
	if u.Fragment == "" {
		return ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(anchors(string(text)), u.Fragment) {
		return "no such heading"
	}
	return ""
}

// anchors are the headings of a page, as links name them.
func anchors(text string) (all []string) {
	for line := range strings.Lines(withoutBlocks(text)) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = strings.ToLower(strings.TrimSpace(title))
			title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(title, "")
			all = append(all, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return all
}

// withoutBlocks is a page without its fenced blocks.
func withoutBlocks(text string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "")
}

func TestResolve(t *testing.T) {
	t.Parallel()
	readme := filepath.Join(root, "README.md")
	for target, ok := range map[string]bool{
		"https://example.com/x":   true,
		"docs/choose.md":          true,
		"docs/none.md":            false,
		"SECURITY.md#regions":     true,
		"SECURITY.md#none":        false,
		"http://example.com":      false,
		"docs/img/top.svg":        true,
		"docs/choose.md#nowhere?": false,
	} {
		if problem := resolve(readme, target); (problem == "") != ok {
			t.Errorf("%s: %q", target, problem)
		}
	}
}
