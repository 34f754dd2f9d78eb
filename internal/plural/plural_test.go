package plural

import (
	"slices"
	"testing"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	var got []string
	for n := range 3 {
		got = append(got, Of(n, "message"), Forms(n, "process has", "processes have"), Times(n))
	}
	want := []string{
		"0 messages", "0 processes have", "0 times",
		"1 message", "1 process has", "once",
		"2 messages", "2 processes have", "2 times",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
