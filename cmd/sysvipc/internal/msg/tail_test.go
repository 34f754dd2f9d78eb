package msg

import (
	"testing"

	"github.com/sysvipc/sysvipc"
)

func TestLeft(t *testing.T) {
	t.Parallel()
	queue := func(texts string) (all []sysvipc.Message) {
		for _, c := range texts {
			all = append(all, sysvipc.Message{Type: 1, Data: []byte(string(c))})
		}
		return all
	}
	for _, c := range []struct {
		before, now string
		left        int
	}{
		{"", "", 0},
		{"", "abc", 0},
		{"abc", "abc", 3},
		{"abc", "bcd", 2},
		{"abc", "acd", 2},
		{"abc", "d", 0},
		{"abc", "cab", 1},
		{"aab", "aba", 2},
		{"abc", "", 0},
	} {
		if got := left(queue(c.before), queue(c.now)); got != c.left {
			t.Errorf("of %q there are %d left in %q, want %d", c.before, got, c.now, c.left)
		}
	}
}
