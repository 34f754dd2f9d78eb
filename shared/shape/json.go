package shape

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// AppendJSON appends a value, which has Size bytes, as JSON: structs as objects with the
// names of the fields, arrays as lists, texts as strings, complex numbers as lists of two.
// A text that is not UTF-8 is an object, {"base64":…}. Floats that JSON cannot say are the strings "NaN", "+Inf" and "-Inf". Fields called _
// are left out. What a terminal might take for a command is escaped.
func (t *Type) AppendJSON(dst, value []byte) []byte {
	if len(value) < t.Size() {
		return append(dst, "null"...)
	}
	return t.root.appendJSON(dst, value)
}

// appendJSON appends a field whose bytes b begins with.
func (f Field) appendJSON(dst, b []byte) []byte {
	switch {
	case f.Kind == "str":
		s, _, _ := bytes.Cut(b[:f.Bytes()], []byte{0})
		if !utf8.Valid(s) { // such as Latin-1: as a string it would be another text
			dst = append(dst, `{"base64":"`...)
			return append(base64.StdEncoding.AppendEncode(dst, s), `"}`...)
		}
		return appendJSONText(dst, string(s))
	case f.Count == 0:
		return f.appendElement(dst, b)
	}
	dst = append(dst, '[')
	for i := range f.Count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = f.appendElement(dst, b[i*f.Size:])
	}
	return append(dst, ']')
}

func (f Field) appendElement(dst, b []byte) []byte {
	if f.Kind != "" {
		return appendNumber(dst, f.Kind, b)
	}
	if inner, ok := f.unwrap(); ok {
		return inner.appendJSON(dst, b)
	}
	dst = append(dst, '{')
	first := true
	for _, inner := range f.Fields {
		if inner.Name == "_" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendJSONText(dst, inner.Name), ':')
		dst = inner.appendJSON(dst, b[inner.Offset:])
	}
	return append(dst, '}')
}

func appendNumber(dst []byte, kind string, b []byte) []byte {
	n := binary.NativeEndian
	switch kind {
	case "bool":
		return strconv.AppendBool(dst, b[0] != 0)
	case "i8":
		return strconv.AppendInt(dst, int64(int8(b[0])), 10)
	case "u8":
		return strconv.AppendUint(dst, uint64(b[0]), 10)
	case "i16":
		return strconv.AppendInt(dst, int64(int16(n.Uint16(b))), 10)
	case "u16":
		return strconv.AppendUint(dst, uint64(n.Uint16(b)), 10)
	case "i32":
		return strconv.AppendInt(dst, int64(int32(n.Uint32(b))), 10)
	case "u32":
		return strconv.AppendUint(dst, uint64(n.Uint32(b)), 10)
	case "i64":
		return strconv.AppendInt(dst, int64(n.Uint64(b)), 10)
	case "u64":
		return strconv.AppendUint(dst, n.Uint64(b), 10)
	case "f32":
		return appendFloat(dst, float64(math.Float32frombits(n.Uint32(b))), 32)
	case "f64":
		return appendFloat(dst, math.Float64frombits(n.Uint64(b)), 64)
	case "c64", "c128":
		part, half := "f32", 4
		if kind == "c128" {
			part, half = "f64", 8
		}
		dst = appendNumber(append(dst, '['), part, b)
		return append(appendNumber(append(dst, ','), part, b[half:]), ']')
	}
	return append(dst, "null"...)
}

func appendFloat(dst []byte, x float64, bits int) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), x, 'g', -1, bits), '"')
	}
	format := byte('f')
	if abs := math.Abs(x); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, x, format, -1, bits)
}

// appendJSONText escapes also what JSON would allow, but no terminal should see.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case unicode.IsPrint(r):
			dst = append(dst, s[i:i+n]...)
		case r > 0xffff:
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		i += n
	}
	return append(dst, '"')
}
