package sysvipc_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// privateWords are words that a reader of the field does not search for, and what to write instead. The list is for code,
// comments, helps and pages alike: names in mixed case are read as words.
var privateWords = []struct {
	expr, instead string
}{
	{`guardians?`, "robust owner"},
	{`burials?|bur(?:y|ied)`, "reap, reaper; exiting threads"},
	{`bells?`, "waker, wake"},
	{`rouses?`, "wake"},
	{`eager(?:ness)?|keen`, "adaptive spin, back-off"},
	{`foresight|kickers?`, "block hint, interrupter"},
	{`lanes?`, "consumer"},
	{`glimpses?`, "segment reader"},
	{`things?`, "object, value, structure, operation"},
	{`anew`, "again"},
	{`(?:come|comes|came) twice`, "duplicate"},
	{`may go`, "can be removed"},
	{`(?:the|at) night`, "caveats, or nothing"},
	{`at work`, "say what it does"},
	{`whoever|somebody`, "a noun: the process, the user, the waiter"},
	{`shall not`, "must not, does not"},
	{`(?:is|are|was|were|be|been) told`, "gets, learns, is notified"},
	{`(?:has|have) to have`, "must have, needs"},
	{`awaited`, "what is waited for"},
}

// wordsWithin puts a space before each capital letter inside a word, so that ringBell is read as two.
var wordsWithin = regexp.MustCompile(`([a-z0-9])([A-Z])`)

var anyPrivateWord = func() *regexp.Regexp {
	all := make([]string, 0, len(privateWords))
	for _, w := range privateWords {
		all = append(all, w.expr)
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(all, "|") + `)\b`)
}()

// privateWord returns the first private word of a line, and what to write instead.
func privateWord(line string) (word, instead string) {
	word = anyPrivateWord.FindString(wordsWithin.ReplaceAllString(line, "$1 $2"))
	for _, w := range privateWords {
		if word != "" && regexp.MustCompile(`(?i)^(?:`+w.expr+`)$`).MatchString(word) {
			return word, w.instead
		}
	}
	return "", ""
}

// The project's own words stay out of code, comments, helps and pages: the readers search for the field's.
func TestWords(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("go.mod"); err != nil {
		t.Skip("needs the module's sources:", err)
	}
	kinds := []string{".go", ".md", ".1", ".c", ".h", ".py", ".pl", ".pml", ".txtar", ".yml", ".yaml", ".js", ".html", ".css", ".service", ".json", ".s", ""}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch name = filepath.ToSlash(name); {
		case err != nil:
			return err
		case d.IsDir() && name == ".git":
			return fs.SkipDir
		case d.IsDir(), !slices.Contains(kinds, path.Ext(name)):
			return nil
		case name == "words_test.go", name == "CHANGELOG.md", name == ".git", // the list, what names were called, a link,
			name == "cmd/sysvipc/internal/region/recording.go": // and the format of recordings that exist
			return nil
		}
		if word, instead := privateWord(strings.ReplaceAll(name, "_", " ")); word != "" {
			t.Errorf("the file's name %s says %q; better: %s", name, word, instead)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		line := 0
		for l := range strings.Lines(string(text)) {
			line++
			if word, instead := privateWord(l); word != "" {
				t.Errorf("%s:%d says %q; better: %s", name, line, word, instead)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The list finds words in prose and in names, and leaves the field's own alone.
func TestPrivateWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"the bell rings":                "bell",
		"func (r *Region) ringBell()":   "Bell",
		"const maxThings = 3":           "Things",
		"Whoever holds it is told":      "Whoever",
		"it has to have a key":          "has to have",
		"nothing, something, anything":  "",
		"a robust owner, told by a pid": "",
		"the guard of a plane; labels":  "",
	} {
		if word, instead := privateWord(text); word != want || (instead == "") != (want == "") {
			t.Errorf("in %q: %q (%q), want %q", text, word, instead, want)
		}
	}
}
