package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
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
		if got := string(appendEscaped(nil, []byte(s), false)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
	if got := string(appendEscaped(nil, []byte("a\n\tb\r"), true)); got != "a\n\tb\\r" {
		t.Errorf("with lines kept: got %q", got)
	}
}

// Whatever the bytes, what reaches a terminal is printable, and JSON is JSON and means
// the same.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\xff\xfe", "ü\u202e\U000e0001", "\"\\\u2028\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range string(appendEscaped(nil, []byte(s), false)) {
			if !unicode.IsPrint(r) && r != 0xa0 {
				t.Errorf("%q: %U is left", s, r)
			}
		}
		quoted := string(appendJSONString(nil, s))
		for _, r := range quoted {
			if !unicode.IsPrint(r) {
				t.Errorf("JSON of %q: %U is left", s, r)
			}
		}
		var back string
		if err := json.Unmarshal([]byte(quoted), &back); err != nil {
			t.Fatalf("JSON of %q: %v: %s", s, err, quoted)
		}
		want := s
		if !utf8.ValidString(s) {
			want = strings.ToValidUTF8(s, "\ufffd") // one for each run of bytes
			back = collapse(back)
			want = collapse(want)
		}
		if back != want {
			t.Errorf("JSON of %q means %q", s, back)
		}
	})
}

// collapse makes one of neighbouring replacement characters.
func collapse(s string) string {
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}
