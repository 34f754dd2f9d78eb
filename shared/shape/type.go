package shape

import (
	"fmt"
	"strings"
)

// Type is what the region says of a type: where its numbers lie. With it, values are read
// and written without the Go type. Safe for concurrent use.
type Type struct {
	root        Field
	fingerprint uint64
	text        string
}

// Size returns how many bytes a value has.
func (t *Type) Size() int { return t.root.Bytes() }

// Fingerprint returns a hash of where the numbers lie, whatever they are called. Values
// of types with one fingerprint can be copied, unless there is a [MovedField].
func (t *Type) Fingerprint() uint64 { return t.fingerprint }

// Root returns the type as a field without a name.
func (t *Type) Root() Field { return t.root }

// String returns the text of the shape: Bid:f64@0,Ask:f64@8 is two floats, at their
// offsets.
func (t *Type) String() string { return t.text }

// Bytes is the size of all elements.
func (f Field) Bytes() int { return f.Size * max(f.Count, 1) }

// maxSize is how many bytes a value may have.
const maxSize = 1 << 30

// TypeOf reads the text of a shape of values of size bytes, which others have written, and
// checks that no field lies outside its place.
func TypeOf(text string, size, fingerprint uint64) (*Type, error) {
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	s.Size = int(size)
	root := Field{Fields: s.Fields, Size: s.Size}
	if inner, ok := root.unwrap(); ok {
		root = inner
	}
	if s.Fingerprint() != fingerprint || size > maxSize || root.Bytes() != s.Size || !root.sound() {
		return nil, errShape
	}
	return &Type{root: root, fingerprint: fingerprint, text: text}, nil
}

// unwrap returns what a struct stands for that has one field without a name: a type that
// is no struct, or the inner one of two arrays.
func (f Field) unwrap() (Field, bool) {
	if f.Kind == "" && len(f.Fields) == 1 && f.Fields[0].Name == "" {
		return f.Fields[0], f.Fields[0].Offset == 0
	}
	return f, false
}

// sound reports whether the fields lie one behind the other, inside of the struct. So
// printing a value takes no more than its size lets expect.
func (f Field) sound() bool {
	if f.Kind != "" {
		return true
	}
	end := 0
	for _, inner := range f.Fields {
		if inner.Size < 1 || inner.Offset < end || inner.Count > f.Size/inner.Size {
			return false
		}
		if end = inner.Offset + inner.Bytes(); end > f.Size || !inner.sound() {
			return false
		}
	}
	return end > 0
}

// TypeOfNumber is the type of a single number.
func TypeOfNumber(kind string) *Type {
	f := Field{Kind: kind, Size: kindSizes[kind]}
	s := Shape{Size: f.Size, Fields: []Field{f}}
	return &Type{root: f, fingerprint: s.Fingerprint(), text: s.String()}
}

// Part returns the type of one field, for maps.
func (t *Type) Part(name string, size uint64) (*Type, error) {
	for _, f := range t.root.Fields {
		if f.Name == name && uint64(f.Bytes()) == size {
			f.Name, f.Offset = "", 0
			s := Shape{Size: f.Bytes(), Fields: []Field{f}}
			if f.Kind == "" && f.Count == 0 {
				s.Fields = f.Fields
			}
			return &Type{root: f, fingerprint: s.Fingerprint(), text: s.String()}, nil
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

func (f Field) goType(b *strings.Builder) {
	switch {
	case f.Kind == "str":
		fmt.Fprintf(b, "shared.String[[%d]byte]", max(f.Count, 1))
		return
	case f.Count > 0:
		fmt.Fprintf(b, "[%d]", f.Count)
	}
	if f.Kind != "" {
		b.WriteString(goKinds[f.Kind])
		return
	}
	if inner, ok := f.unwrap(); ok {
		inner.goType(b)
		return
	}
	b.WriteString("struct{")
	for i, inner := range f.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(inner.Name + " ")
		inner.goType(b)
	}
	b.WriteString("}")
}
