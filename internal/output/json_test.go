package output

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Whatever the bytes, JSON is printable, is JSON, and means the same.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\xff\xfe", "ü\u202e\U000e0001", "\"\\\u2028\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := string(AppendString(nil, s))
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
