package terminal

import (
	"testing"
	"unicode"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"plain ünïcödé 漢字":  "plain ünïcödé 漢字",
		"a\nb\tc\rd":        `a\nb\tc\rd`,
		"\x00\x1b[2J\x7f":   `\x00\x1b[2J\x7f`,
		"\xff\xc3":          `\xff\xc3`,
		"\u009b31m":         `\u009b31m`,         // the one-character form of ESC [
		"a\u202eb":          `a\u202eb`,          // turns the direction of text
		"\U000e0001":        `\U000e0001`,        // invisible
		`C:\new {"a":"\n"}`: `C:\new {"a":"\n"}`, // text stays as it is
	} {
		if got := string(AppendEscaped(nil, []byte(s), false)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
	if got := string(AppendEscaped(nil, []byte("a\n\tb\r"), true)); got != "a\n\tb\\r" {
		t.Errorf("with lines kept: got %q", got)
	}
}

// Whatever the bytes, what reaches a terminal is printable.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\xff\xfe", "ü\u202e\U000e0001", "\"\\\u2028\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range string(AppendEscaped(nil, []byte(s), false)) {
			if !unicode.IsPrint(r) && r != 0xa0 {
				t.Errorf("%q: %U is left", s, r)
			}
		}
	})
}
