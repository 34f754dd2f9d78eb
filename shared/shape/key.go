package shape

import (
	"fmt"
	"reflect"
	"strings"
)

// OfKey checks that keys of type t differ by their bytes. Floats cannot: 0
// and -0 are equal, and NaN is not equal to itself.
func OfKey(t reflect.Type) (Shape, error) {
	s, err := Of(t)
	if err != nil {
		return s, err
	}
	for _, l := range leaves(nil, "", 0, s.Fields) {
		switch l.Kind {
		case "f32", "f64", "c64", "c128":
			path := t.String()
			switch {
			case strings.HasPrefix(l.path, "["):
				path += l.path
			case l.path != "":
				path += "." + l.path
			}
			return s, fmt.Errorf("shared: %s is a float, which is no key: 0 and -0 are equal and have different bits, and NaN is not equal to itself (use an integer, such as math.Float64bits gives)", path)
		}
	}
	return s, nil
}

// Run is some bytes of a value.
type Run struct{ From, To int }

// Blank returns the bytes of values of size bytes that == does not look at: what lies between
// the fields and behind them, and fields called _. What is in them is chance.
func Blank(size int, fields []Field) (runs []Run) {
	compared := make([]bool, size+1)
	markCompared(compared, fields, 0)
	compared[size] = true
	for i, from := 0, 0; i < len(compared); i++ {
		if compared[i] {
			if from < i {
				runs = append(runs, Run{from, i})
			}
			from = i + 1
		}
	}
	return runs
}

func markCompared(compared []bool, fields []Field, at int) {
	for _, f := range fields {
		from := at + f.Offset
		switch {
		case f.Name == "_":
		case f.Kind != "":
			for i := range f.Bytes() {
				compared[from+i] = true
			}
		default:
			for i := range max(f.Count, 1) {
				markCompared(compared, f.Fields, from+i*f.Size)
			}
		}
	}
}
