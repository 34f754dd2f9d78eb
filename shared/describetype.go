package shared

import (
	"fmt"
	"strings"
)

// Type is what the region says of a type: where its numbers lie. With it, values are read
// and written without the Go type. Safe for concurrent use.
type Type struct {
	root        field
	fingerprint uint64
	text        string
}

// Field is a part of a [Type]. Kind is bool, i8 to i64, u8 to u64, f32, f64, c64, c128
// (two floats), str (one byte of a text), or "" for a struct. Count is the length of an
// array, and 0 for what is none.
type Field struct {
	Name   string // "" for elements of an array, and for a type that is no struct
	Kind   string
	Count  int
	Size   int // of one element, in bytes
	Offset int // from the start of what it is part of
	Fields []Field
}

// Size returns how many bytes a value has.
func (t *Type) Size() int { return t.root.bytes() }

// Fingerprint returns a hash of where the numbers lie, whatever they are called. Values
// of types with one fingerprint can be copied, unless there is a [MovedField].
func (t *Type) Fingerprint() uint64 { return t.fingerprint }

// Root returns the type as a field without a name.
func (t *Type) Root() Field { return t.root.export() }

// String returns the text of the shape: Bid:f64@0,Ask:f64@8 is two floats, at their
// offsets.
func (t *Type) String() string { return t.text }

func (f field) export() Field {
	out := Field{Name: f.name, Kind: f.kind, Count: f.count, Size: f.size, Offset: f.offset}
	for _, inner := range f.fields {
		out.Fields = append(out.Fields, inner.export())
	}
	return out
}

// bytes is the size of all elements.
func (f field) bytes() int { return f.size * max(f.count, 1) }

// typeOf reads the text of a shape of values of size bytes, which others have written, and
// checks that no field lies outside its place.
func typeOf(text string, size, fingerprint uint64) (*Type, error) {
	s, err := parseShape(text)
	if err != nil {
		return nil, err
	}
	s.size = int(size)
	root := field{fields: s.fields, size: s.size}
	if inner, ok := root.unwrap(); ok {
		root = inner
	}
	if s.fingerprint() != fingerprint || size > maxMessage || root.bytes() != s.size || !root.sound() {
		return nil, errShape
	}
	return &Type{root: root, fingerprint: fingerprint, text: text}, nil
}

// unwrap returns what a struct stands for that has one field without a name: a type that
// is no struct, or the inner one of two arrays.
func (f field) unwrap() (field, bool) {
	if f.kind == "" && len(f.fields) == 1 && f.fields[0].name == "" {
		return f.fields[0], f.fields[0].offset == 0
	}
	return f, false
}

// sound reports whether the fields lie one behind the other, inside of the struct. So
// printing a value takes no more than its size lets expect.
func (f field) sound() bool {
	if f.kind != "" {
		return true
	}
	end := 0
	for _, inner := range f.fields {
		if inner.size < 1 || inner.offset < end || inner.count > f.size/inner.size {
			return false
		}
		if end = inner.offset + inner.bytes(); end > f.size || !inner.sound() {
			return false
		}
	}
	return end > 0
}

// kindType is the type of a single number.
func kindType(kind string) *Type {
	f := field{kind: kind, size: kindSizes[kind]}
	s := shape{size: f.size, fields: []field{f}}
	return &Type{root: f, fingerprint: s.fingerprint(), text: s.String()}
}

// part returns the type of one field, for maps.
func (t *Type) part(name string, size uint64) (*Type, error) {
	for _, f := range t.root.fields {
		if f.name == name && uint64(f.bytes()) == size {
			f.name, f.offset = "", 0
			s := shape{size: f.bytes(), fields: []field{f}}
			if f.kind == "" && f.count == 0 {
				s.fields = f.fields
			}
			return &Type{root: f, fingerprint: s.fingerprint(), text: s.String()}, nil
		}
	}
	return nil, errShape
}

// GoString returns the type as Go would declare it, in one line.
func (t *Type) GoString() string {
	var b strings.Builder
	t.root.goType(&b)
	return b.String()
}

var goKinds = map[string]string{
	"bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16",
	"u32": "uint32", "u64": "uint64", "f32": "float32", "f64": "float64", "c64": "complex64", "c128": "complex128",
}

func (f field) goType(b *strings.Builder) {
	switch {
	case f.kind == "str":
		fmt.Fprintf(b, "shared.String[[%d]byte]", max(f.count, 1))
		return
	case f.count > 0:
		fmt.Fprintf(b, "[%d]", f.count)
	}
	if f.kind != "" {
		b.WriteString(goKinds[f.kind])
		return
	}
	if inner, ok := f.unwrap(); ok {
		inner.goType(b)
		return
	}
	b.WriteString("struct{")
	for i, inner := range f.fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(inner.name + " ")
		inner.goType(b)
	}
	b.WriteString("}")
}
