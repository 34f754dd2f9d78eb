package shared

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
type shape struct {
	size, align int
	fields      []field
}

type field struct {
	name   string
	kind   string // of the list above, or "" for a struct
	count  int    // of an array; 0 for none
	size   int    // of one element
	offset int    // from the start of what it is part of
	fields []field
}

var kinds = map[reflect.Kind]string{
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

// shapeOf checks that values of type t mean the same in every process, and returns
// its shape. The error names the field that does not, and what to use.
func shapeOf(t reflect.Type) (shape, error) {
	f, err := fieldOf(t, t.String())
	if err != nil {
		return shape{}, err
	}
	s := shape{size: int(t.Size()), align: t.Align(), fields: []field{f}}
	if f.kind == "" && f.count == 0 {
		s.fields = f.fields
	}
	if s.size == 0 {
		return shape{}, fmt.Errorf("shared: %s has no bytes to share", t)
	}
	return s, nil
}

// fieldOf returns the shape of t as a field without a name. Path leads to it.
func fieldOf(t reflect.Type, path string) (field, error) {
	f := field{size: int(t.Size())}
	if n, ok := stringBytes(t); ok && n == 0 {
		return f, fmt.Errorf("shared: %s is a %s, whose type parameter must be an array of bytes, such as [32]byte", path, t)
	} else if ok {
		return field{kind: "str", count: n, size: 1}, nil
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
		if elem.count != 0 { // an array of arrays: a struct around the inner one
			elem = field{size: int(t.Elem().Size()), fields: []field{elem}}
		}
		elem.count = t.Len()
		return elem, nil
	case reflect.Struct:
		for i := range t.NumField() {
			sf := t.Field(i)
			inner, err := fieldOf(sf.Type, path+"."+sf.Name)
			if err != nil {
				return f, err
			}
			if inner.size == 0 {
				continue // struct{}: structs.HostLayout and the like
			}
			inner.name, inner.offset = sf.Name, int(sf.Offset)
			f.fields = append(f.fields, inner)
		}
		return f, nil
	}
	if f.kind = kinds[t.Kind()]; f.kind == "" {
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

// String returns the shape's text.
func (s shape) String() string { return string(appendFields(nil, s.fields, true)) }

// fingerprint is a hash of the text without names, so that a C program whose struct
// names its fields otherwise can compute it too.
func (s shape) fingerprint() uint64 {
	h := fnv.New64a()
	h.Write(appendFields(nil, s.fields, false))
	h.Write(strconv.AppendInt([]byte{'/'}, int64(s.size), 10))
	return h.Sum64()
}

func appendFields(b []byte, fields []field, names bool) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		if names {
			b = append(b, f.name...)
		}
		b = append(b, ':')
		if f.count > 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(f.count), 10)
			b = append(b, ']')
		}
		if f.kind != "" {
			b = append(b, f.kind...)
		} else {
			b = append(b, '{')
			b = appendFields(b, f.fields, names)
			b = append(b, '}', '/')
			b = strconv.AppendInt(b, int64(f.size), 10)
		}
		b = append(b, '@')
		b = strconv.AppendInt(b, int64(f.offset), 10)
	}
	return b
}

// differs names the first field in which two shapes do not agree, for an error.
func (s shape) differs(other shape) string {
	a, b := leaves(nil, "", 0, s.fields), leaves(nil, "", 0, other.fields)
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
	return fmt.Sprintf("%d bytes here, %d there", s.size, other.size)
}

// MovedField names a field that two types have at different places, or returns "". The types
// have one fingerprint, and these are their texts: see [Type.String]. Values of the one are
// none of the other then, since the same name stands for another number. A field that was
// renamed, and is nowhere else, is no harm.
func MovedField(here, there string) string {
	if here == there {
		return ""
	}
	a, err1 := parseShape(here)
	b, err2 := parseShape(there)
	if err1 != nil || err2 != nil {
		return "" // it was too long to be kept
	}
	return movedName(fieldNames(nil, a.fields), fieldNames(nil, b.fields))
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
func fieldNames(names []string, fields []field) []string {
	for _, f := range fields {
		names = fieldNames(append(names, f.name), f.fields)
	}
	return names
}

// leaf is a field that is no struct, with the path to it and its offset from the start.
type leaf struct {
	path string
	field
}

func (l leaf) what() string {
	if l.count > 0 {
		return fmt.Sprintf("[%d]%s at %d", l.count, l.kind, l.offset)
	}
	return fmt.Sprintf("%s at %d", l.kind, l.offset)
}

func (l leaf) String() string { return strings.TrimSpace(l.path + " " + l.what()) }

// maxLeaves bounds how far two shapes are compared.
const maxLeaves = 4096

func leaves(out []leaf, path string, offset int, fields []field) []leaf {
	for _, f := range fields {
		name := f.name
		if path != "" && name != "" {
			name = path + "." + name
		} else if name == "" {
			name = path
		}
		if f.kind != "" {
			f.offset += offset
			out = append(out, leaf{name, f})
			continue
		}
		for i := range max(f.count, 1) {
			if len(out) > maxLeaves {
				return out // what another program wrote may say anything
			}
			elem := name
			if f.count > 0 {
				elem = fmt.Sprintf("%s[%d]", name, i)
			}
			out = leaves(out, elem, offset+f.offset+i*f.size, f.fields)
		}
	}
	return out
}
