package shared

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

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

func TestIgnoredBytes(t *testing.T) {
	t.Parallel()
	type inner struct {
		A uint8
		B uint16
	}
	for _, c := range []struct {
		value any
		want  []run
	}{
		{uint64(0), nil},
		{[3]uint8{}, nil},
		{inner{}, []run{{1, 2}}},
		{[2]inner{}, []run{{1, 2}, {5, 6}}},
		{struct {
			A uint64
			_ [3]uint8
			B uint8
			C inner
		}{}, []run{{8, 11}, {13, 14}}},
		{struct {
			A uint64
			B bool
		}{}, []run{{9, 16}}},
	} {
		if got := ignored(reflect.TypeOf(c.value)); !slices.Equal(got, c.want) {
			t.Errorf("%T: %v, want %v", c.value, got, c.want)
		}
	}
}

func TestKeyShape(t *testing.T) {
	t.Parallel()
	_, err := keyShape(reflect.TypeFor[struct{ P [2]struct{ X float32 } }]())
	if err == nil || !strings.Contains(err.Error(), "P[0].X") {
		t.Errorf("%v does not name the field", err)
	}
}
