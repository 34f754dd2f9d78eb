package shape

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A shape is what two programs must agree on about a type: where its numbers lie. It
// is found once, when a variable is declared, and written to the region, so that
// programs without the Go type can read values too.
//
// Its text is a list of fields, such as
//
//	Bid:f64@0,Ask:f64@8,Legs:[3]{Qty:i32@0,Open:bool@4}/8@16
//
// A field is a name, a colon, perhaps [count], a kind or a struct in braces with its
// size, and the offset. The kinds are bool, i8 to i64, u8 to u64, f32, f64, c64 and
// c128, and str for the bytes of a [String]. A type that is no struct is one field
// without a name.
type Shape struct {
	Size, Align int
	Fields      []Field
}

// Field is a part of a type. Kind is bool, i8 to i64, u8 to u64, f32, f64, c64, c128
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

var kindNames = map[reflect.Kind]string{
	reflect.Bool: "bool",
	reflect.Int8: "i8", reflect.Int16: "i16", reflect.Int32: "i32", reflect.Int64: "i64",
	reflect.Uint8: "u8", reflect.Uint16: "u16", reflect.Uint32: "u32", reflect.Uint64: "u64",
	reflect.Float32: "f32", reflect.Float64: "f64", reflect.Complex64: "c64", reflect.Complex128: "c128",
}

// instead says what to use for a kind that cannot be shared.
var instead = map[reflect.Kind]string{
	reflect.String: "use shared.String[[32]byte]", reflect.Slice: "use an array", reflect.Map: "use a Map or a Doc",
	reflect.Int: "use int64", reflect.Uint: "use uint64", reflect.Uintptr: "use uint64",
	reflect.Pointer: "use an index", reflect.UnsafePointer: "use an index",
}

// Of checks that values of type t mean the same in every process, and returns
// its shape. The error names the field that does not, and what to use.
func Of(t reflect.Type) (Shape, error) {
	f, err := fieldOf(t, t.String())
	if err != nil {
		return Shape{}, err
	}
	s := Shape{Size: int(t.Size()), Align: t.Align(), Fields: []Field{f}}
	if f.Kind == "" && f.Count == 0 {
		s.Fields = f.Fields
	}
	if s.Size == 0 {
		return Shape{}, fmt.Errorf("shared: %s has no bytes to share", t)
	}
	return s, nil
}

// fieldOf returns the shape of t as a field without a name. Path leads to it.
func fieldOf(t reflect.Type, path string) (Field, error) {
	f := Field{Size: int(t.Size())}
	if n, ok := stringBytes(t); ok && n == 0 {
		return f, fmt.Errorf("shared: %s is a %s, whose type parameter must be an array of bytes, such as [32]byte", path, t)
	} else if ok {
		return Field{Kind: "str", Count: n, Size: 1}, nil
	}
	if t == reflect.TypeFor[time.Time]() {
		return f, fmt.Errorf("shared: %s is a time.Time, which has a pointer in it: use the int64 of its UnixNano", path)
	}
	switch t.Kind() {
	case reflect.Array:
		if t.Len() == 0 {
			return f, fmt.Errorf("shared: %s: an array without elements cannot be shared", path)
		}
		elem, err := fieldOf(t.Elem(), path+"[0]")
		if err != nil {
			return f, err
		}
		if elem.Count != 0 { // an array of arrays: a struct around the inner one
			elem = Field{Size: int(t.Elem().Size()), Fields: []Field{elem}}
		}
		elem.Count = t.Len()
		return elem, nil
	case reflect.Struct:
		for i := range t.NumField() {
			sf := t.Field(i)
			inner, err := fieldOf(sf.Type, path+"."+sf.Name)
			if err != nil {
				return f, err
			}
			if inner.Size == 0 {
				continue // struct{}: structs.HostLayout and the like
			}
			inner.Name, inner.Offset = sf.Name, int(sf.Offset)
			f.Fields = append(f.Fields, inner)
		}
		return f, nil
	}
	if f.Kind = kindNames[t.Kind()]; f.Kind == "" {
		hint := instead[t.Kind()]
		if hint == "" {
			hint = "only bools, sized numbers, and arrays and structs of them can be shared"
		}
		return f, fmt.Errorf("shared: %s is %s %s, which means nothing in another process: %s", path, article(t.Kind().String()), t.Kind(), hint)
	}
	return f, nil
}

func article(word string) string {
	if strings.ContainsRune("aeio", rune(word[0])) || strings.HasPrefix(word, "uns") { // a uint, an unsafe.Pointer
		return "an"
	}
	return "a"
}

// Field returns the type as a field of another.
func (s Shape) Field(name string, offset int) Field {
	f := Field{Name: name, Size: s.Size, Offset: offset, Fields: s.Fields}
	if inner, ok := f.unwrap(); ok {
		inner.Name, inner.Offset = name, offset
		return inner
	}
	return f
}

// String returns the shape's text.
func (s Shape) String() string { return string(appendFields(nil, s.Fields, true)) }

// Fingerprint is a hash of the text without names, so that a C program whose struct
// names its fields otherwise can compute it too.
func (s Shape) Fingerprint() uint64 {
	h := fnv.New64a()
	h.Write(appendFields(nil, s.Fields, false))
	h.Write(strconv.AppendInt([]byte{'/'}, int64(s.Size), 10))
	return h.Sum64()
}

func appendFields(b []byte, fields []Field, names bool) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		if names {
			b = append(b, f.Name...)
		}
		b = append(b, ':')
		if f.Count > 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(f.Count), 10)
			b = append(b, ']')
		}
		if f.Kind != "" {
			b = append(b, f.Kind...)
		} else {
			b = append(b, '{')
			b = appendFields(b, f.Fields, names)
			b = append(b, '}', '/')
			b = strconv.AppendInt(b, int64(f.Size), 10)
		}
		b = append(b, '@')
		b = strconv.AppendInt(b, int64(f.Offset), 10)
	}
	return b
}

// Differs names the first field in which two shapes do not agree, for an error.
func (s Shape) Differs(other Shape) string {
	a, b := leaves(nil, "", 0, s.Fields), leaves(nil, "", 0, other.Fields)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("%s is there and not here", b[i])
		case i >= len(b):
			return fmt.Sprintf("%s is here and not there", a[i])
		case a[i].what() != b[i].what():
			return fmt.Sprintf("%s here, %s there", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d bytes here, %d there", s.Size, other.Size)
}

// MovedField names a field that two types have at different places, or returns "". The types
// have one fingerprint, and these are their texts: see [Type.String]. Values of the one are
// none of the other then, since the same name stands for another number. A field that was
// renamed, and is nowhere else, is no harm.
func MovedField(here, there string) string {
	if here == there {
		return ""
	}
	a, err1 := Parse(here)
	b, err2 := Parse(there)
	if err1 != nil || err2 != nil {
		return "" // it was too long to be kept
	}
	return movedName(fieldNames(nil, a.Fields), fieldNames(nil, b.Fields))
}

func movedName(here, there []string) string {
	// As they are, and then without their case, which a C program may have changed.
	for _, plain := range []func(string) string{func(s string) string { return s }, strings.ToLower} {
		at := make(map[string]int)
		stays := func(i int) bool {
			return i < len(here) && i < len(there) && plain(here[i]) == plain(there[i])
		}
		for i, name := range there {
			if !stays(i) && name != "" && name != "_" {
				at[plain(name)] = i
			}
		}
		for i, name := range here {
			if _, ok := at[plain(name)]; ok && !stays(i) {
				return name
			}
		}
	}
	return ""
}

// fieldNames appends the names of all fields, each before those in it.
func fieldNames(names []string, fields []Field) []string {
	for _, f := range fields {
		names = fieldNames(append(names, f.Name), f.Fields)
	}
	return names
}

// leaf is a field that is no struct, with the path to it and its offset from the start.
type leaf struct {
	path string
	Field
}

func (l leaf) what() string {
	if l.Count > 0 {
		return fmt.Sprintf("[%d]%s at %d", l.Count, l.Kind, l.Offset)
	}
	return fmt.Sprintf("%s at %d", l.Kind, l.Offset)
}

func (l leaf) String() string { return strings.TrimSpace(l.path + " " + l.what()) }

// maxLeaves bounds how far two shapes are compared.
const maxLeaves = 4096

func leaves(out []leaf, path string, offset int, fields []Field) []leaf {
	for _, f := range fields {
		name := f.Name
		if path != "" && name != "" {
			name = path + "." + name
		} else if name == "" {
			name = path
		}
		if f.Kind != "" {
			f.Offset += offset
			out = append(out, leaf{name, f})
			continue
		}
		for i := range max(f.Count, 1) {
			if len(out) > maxLeaves {
				return out // what another program wrote may say anything
			}
			elem := name
			if f.Count > 0 {
				elem = fmt.Sprintf("%s[%d]", name, i)
			}
			out = leaves(out, elem, offset+f.Offset+i*f.Size, f.Fields)
		}
	}
	return out
}

// stringPath is the package of String.
const stringPath = "github.com/sysvipc/sysvipc/shared"

// IsBytes reports whether a type is an array of bytes.
func IsBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Len() > 0 && t.Elem().Kind() == reflect.Uint8
}

// stringBytes returns how many bytes a String type has, 0 if its type parameter is no array of
// bytes, and false for other types.
func stringBytes(t reflect.Type) (n int, ok bool) {
	if t.PkgPath() != stringPath || !strings.HasPrefix(t.Name(), "String[") {
		return 0, false
	}
	if !IsBytes(t.Field(0).Type) {
		return 0, true
	}
	return int(t.Size()), true
}
