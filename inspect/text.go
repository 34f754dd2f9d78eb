package inspect

import (
	"bytes"
	"math"
	"strconv"
)

// The files of /proc are lines of words and numbers. These read them piece by piece, without
// allocating, and take anything for input.

func skipSpace(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// word reads the next word and returns what follows it.
func word(s []byte) (w, rest []byte) {
	s = skipSpace(s)
	if i := bytes.IndexAny(s, " \t\n"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, nil
}

// decimal reads a number and returns what follows it. A number beyond 64 bits is none.
func decimal(s []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		digit := uint64(s[i] - '0')
		if n > (math.MaxUint64-digit)/10 {
			return 0, s, false
		}
		n = n*10 + digit
	}
	return n, s[i:], i > 0
}

// hexadecimal is decimal to base 16.
func hexadecimal(s []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(s); i++ {
		digit := uint64(0)
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digit = uint64(c - '0')
		case c >= 'a' && c <= 'f':
			digit = uint64(c-'a') + 10
		case c >= 'A' && c <= 'F':
			digit = uint64(c-'A') + 10
		default:
			return n, s[i:], i > 0
		}
		if n>>60 != 0 {
			return 0, s, false
		}
		n = n<<4 | digit
	}
	return n, nil, i > 0
}

// lineAfter returns the rest of the line that begins with a word, or nil.
func lineAfter(text []byte, begin string) []byte {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if rest, ok := bytes.CutPrefix(line, []byte(begin)); ok {
			return rest
		}
	}
	return nil
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
