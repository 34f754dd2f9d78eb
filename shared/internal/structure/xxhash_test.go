package structure

import "testing"

// The hash is the same for ever: maps that lie in regions were built with it. The values
// are those of the xxhash reference implementation.
func TestHashIsPinned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"":    0xef46db3751d8e999,
		"a":   0xd24ec4f1a98c6e5b,
		"abc": 0x44bc2cf5ad770999,
		"The quick brown fox jumps over the lazy dog":                     0x0b242d361fda71bc,
		"Call me Ishmael. Some years ago--never mind how long precisely-": 0x02a2e85470d6fd96,
	} {
		if got := xxh64([]byte(text)); got != want {
			t.Errorf("%q: %#x, want %#x", text, got, want)
		}
	}
}
