package shape

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestIgnoredBytes(t *testing.T) {
	t.Parallel()
	type inner struct {
		A uint8
		B uint16
	}
	for _, c := range []struct {
		value any
		want  []Run
	}{
		{uint64(0), nil},
		{[3]uint8{}, nil},
		{inner{}, []Run{{1, 2}}},
		{[2]inner{}, []Run{{1, 2}, {5, 6}}},
		{struct {
			A uint64
			_ [3]uint8
			B uint8
			C inner
		}{}, []Run{{8, 11}, {13, 14}}},
		{struct {
			A uint64
			B bool
		}{}, []Run{{9, 16}}},
	} {
		s, err := Of(reflect.TypeOf(c.value))
		if err != nil {
			t.Fatal(err)
		}
		if got := Blank(s.Size, s.Fields); !slices.Equal(got, c.want) {
			t.Errorf("%T: %v, want %v", c.value, got, c.want)
		}
	}
}

func TestKeyShape(t *testing.T) {
	t.Parallel()
	_, err := OfKey(reflect.TypeFor[struct{ P [2]struct{ X float32 } }]())
	if err == nil || !strings.Contains(err.Error(), "P[0].X") {
		t.Errorf("%v does not name the field", err)
	}
}
