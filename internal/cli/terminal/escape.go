// Package terminal writes for people: text that no terminal takes for a command, and a bar of progress.
package terminal

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// AppendEscaped appends text of unknown origin in a form that no terminal takes for a
// command: what is not printable becomes \n, \t, \x1b, \u202e, and a byte that is not
// UTF-8 becomes \xff. With keepLines, newlines and tabs stay.
func AppendEscaped(dst, s []byte, keepLines bool) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, s[0])
		case keepLines && (r == '\n' || r == '\t'):
			dst = append(dst, s[0])
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x80 && (r < ' ' || r == 0x7f):
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case unicode.IsPrint(r) || r == 0xa0:
			dst = append(dst, s[:n]...)
		case r > 0xffff:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		s = s[n:]
	}
	return dst
}

// Escape is [AppendEscaped] for what stands in one line.
func Escape(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return string(AppendEscaped(nil, []byte(s), false))
		}
	}
	return s
}
