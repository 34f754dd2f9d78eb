package shared

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// keyShape checks that keys of type t can be told apart by their bytes. Floats cannot: 0
// and -0 are equal, and NaN is not equal to itself.
func keyShape(t reflect.Type) (shape, error) {
	s, err := shapeOf(t)
	if err != nil {
		return s, err
	}
	for _, l := range leaves(nil, "", 0, s.fields) {
		switch l.kind {
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

// run is some bytes of a value.
type run struct{ from, to int }

// ignored returns the bytes of values of type t that == does not look at: what lies
// between fields and behind them, and blank fields. What is in them is chance.
func ignored(t reflect.Type) (runs []run) {
	compared := make([]bool, t.Size()+1)
	markCompared(compared, t, 0)
	compared[t.Size()] = true
	for i, from := 0, 0; i < len(compared); i++ {
		if compared[i] {
			if from < i {
				runs = append(runs, run{from, i})
			}
			from = i + 1
		}
	}
	return runs
}

func markCompared(compared []bool, t reflect.Type, at int) {
	switch t.Kind() {
	case reflect.Array:
		for i := range t.Len() {
			markCompared(compared, t.Elem(), at+i*int(t.Elem().Size()))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.Name != "_" {
				markCompared(compared, f.Type, at+int(f.Offset))
			}
		}
	default:
		for i := range int(t.Size()) {
			compared[at+i] = true
		}
	}
}

// bytesOf returns the size bytes at p, which the caller keeps alive.
func bytesOf(p unsafe.Pointer, size uint64) []byte { return unsafe.Slice((*byte)(p), size) }
