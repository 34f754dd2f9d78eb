package sysvipc_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
)

func readRows(text string, fields int) (all [][]int64, err error) {
	for row, e := range sysvipc.Rows([]byte(text), fields) {
		if e != nil {
			return all, e
		}
		all = append(all, slices.Clone(row))
	}
	return all, nil
}

func TestRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want [][]int64
		err  string
	}{
		"nothing":           {"", nil, ""},
		"headline":          {"key shmid perms\n", nil, ""},
		"no line end":       {"key shmid perms", nil, ""},
		"a line":            {"h\n       1234          0  1600\n", [][]int64{{1234, 0, 0o1600}}, ""},
		"no last line end":  {"h\n1 2 3\n4 5 6", [][]int64{{1, 2, 3}, {4, 5, 6}}, ""},
		"negative":          {"h\n-2147483648 5 0\n", [][]int64{{-1 << 31, 5, 0}}, ""},
		"later kernels":     {"h\n1 2 3 4 5 more\n", [][]int64{{1, 2, 3}}, ""},
		"largest size":      {"h\n1 9223372036854775807 0\n", [][]int64{{1, 1<<63 - 1, 0}}, ""},
		"almost as large":   {"h\n1 9223372036854775800 0\n", [][]int64{{1, 1<<63 - 8, 0}}, ""},
		"beyond 63 bits":    {"h\n1 18446744073692774399 0\n", [][]int64{{1, 1<<63 - 1, 0}}, ""},
		"too few":           {"h\n1 2\n", nil, `sysvipc: /proc/sysvipc: field 3 of line "1 2" is no number`},
		"a word":            {"h\n1 2 3\n1 x 3\n", [][]int64{{1, 2, 3}}, `sysvipc: /proc/sysvipc: field 2 of line "1 x 3" is no number`},
		"a sign":            {"h\n1 - 3\n", nil, `sysvipc: /proc/sysvipc: field 2 of line "1 - 3" is no number`},
		"no octal mode":     {"h\n1 2 89\n", nil, `sysvipc: /proc/sysvipc: field 3 of line "1 2 89" is no number`},
		"an empty line":     {"h\n\n", nil, `sysvipc: /proc/sysvipc: field 1 of line "" is no number`},
		"number and letter": {"h\n1 2x 3\n", nil, `sysvipc: /proc/sysvipc: field 2 of line "1 2x 3" is no number`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readRows(c.text, 3)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("got  %v\nwant %s", err, c.err)
			}
		})
	}
}

// No text makes the reader fail but with an error, and what it reads of a good text is what strconv reads.
func FuzzRows(f *testing.F) {
	f.Add("h\n1 2 600\n-5 18446744073709551615 0\n", 3)
	f.Add("h\n\n", 1)
	f.Add("h\n1\t2", 2)
	f.Add("1 - 3 9 99999999999999999999\n", 16)
	f.Fuzz(func(t *testing.T, text string, fields int) {
		fields = min(max(fields, 1), 20)
		got, err := readRows(text, fields)
		if err != nil {
			return
		}
		_, body, _ := strings.Cut(text, "\n")
		lines := strings.Split(body, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		if len(got) != len(lines) {
			t.Fatalf("%d rows of %d lines", len(got), len(lines))
		}
		for i, line := range lines {
			words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
			if len(words) < fields {
				t.Fatalf("line %q has %d fields, not %d", line, len(words), fields)
			}
			for j, v := range got[i] {
				base := 10
				if j == 2 {
					base = 8
				}
				// ParseInt gives the nearest number, with an error, beyond 63 bits.
				if want, _ := strconv.ParseInt(words[j], base, 64); v != want && want != -1<<63 {
					t.Fatalf("field %d of line %q: got %d, want %d", j+1, line, v, want)
				}
			}
		}
	})
}
