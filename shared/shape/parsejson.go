package shape

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseJSON sets a value, which has Size bytes, to what the JSON text says, in the form of
// AppendJSON. Fields of structs that the text does not name stay as they are. An array of
// bytes may also be a string, up to its length. If the text is wrong, the error names the
// field, and value may be half changed.
func (t *Type) ParseJSON(value, text []byte) error {
	if len(value) < t.Size() {
		return fmt.Errorf("shared: a value of %d bytes has no room in %d", t.Size(), len(value))
	}
	if !utf8.Valid(text) {
		return errors.New("shared: the text is not UTF-8: say what is not as {\"base64\":…}")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends too early")
		}
		return fmt.Errorf("shared: this is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("shared: there is more behind the JSON value")
	}
	if err := t.root.set(value, x); err != nil {
		return fmt.Errorf("shared: %w", err)
	}
	return nil
}

// set sets the field whose bytes b begins with.
func (f Field) set(b []byte, x any) error {
	b = b[:f.Bytes()]
	s, isString := x.(string)
	if object, ok := x.(map[string]any); ok && f.Kind == "str" && len(object) == 1 {
		if encoded, ok := object["base64"].(string); ok {
			text, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return fmt.Errorf("%sno base64: %w", f.path(), err)
			}
			s, isString = string(text), true
		}
	}
	if isString && (f.Kind == "str" || f.Kind == "u8" && f.Count > 0) {
		if len(s) > len(b) {
			return fmt.Errorf("%sa text of %d bytes where %d have room", f.path(), len(s), len(b))
		}
		if f.Kind == "str" && strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("%sa text with a NUL, at which it would end", f.path())
		}
		clear(b[copy(b, s):])
		return nil
	}
	if f.Kind == "str" {
		return fmt.Errorf("%swant a string, or {\"base64\":…}, got %s", f.path(), describe(x))
	}
	if f.Count == 0 {
		return f.setElement(b, x)
	}
	list, ok := x.([]any)
	if !ok || len(list) != f.Count {
		return fmt.Errorf("%swant a list of %d, got %s", f.path(), f.Count, describe(x))
	}
	for i, x := range list {
		elem := f
		elem.Name = fmt.Sprintf("%s[%d]", f.Name, i)
		if err := elem.setElement(b[i*f.Size:(i+1)*f.Size], x); err != nil {
			return err
		}
	}
	return nil
}

func (f Field) setElement(b []byte, x any) error {
	if f.Kind != "" {
		return f.setNumber(b, x)
	}
	if inner, ok := f.unwrap(); ok {
		inner.Name = f.Name
		return inner.set(b, x)
	}
	object, ok := x.(map[string]any)
	if !ok {
		return fmt.Errorf("%swant an object with the fields %s, got %s", f.path(), f.names(), describe(x))
	}
	known := 0
	for _, inner := range f.Fields {
		x, ok := object[inner.Name]
		if !ok || inner.Name == "_" {
			continue
		}
		known++
		b := b[inner.Offset:]
		if f.Name != "" {
			inner.Name = f.Name + "." + inner.Name
		}
		if err := inner.set(b, x); err != nil {
			return err
		}
	}
	if known < len(object) {
		for name := range object {
			if !f.has(name) {
				return fmt.Errorf("%sno field is called %q: there are %s", f.path(), name, f.names())
			}
		}
	}
	return nil
}

func (f Field) path() string {
	if f.Name == "" {
		return ""
	}
	return f.Name + ": "
}

func (f Field) has(name string) bool {
	for _, inner := range f.Fields {
		if inner.Name == name && name != "_" {
			return true
		}
	}
	return false
}

func (f Field) names() string {
	var names []string
	for _, inner := range f.Fields {
		if inner.Name != "_" {
			names = append(names, inner.Name)
		}
	}
	return strings.Join(names, ", ")
}

// describe says what a value of JSON is, for errors.
func describe(x any) string {
	switch x := x.(type) {
	case nil:
		return "null"
	case bool, json.Number:
		return fmt.Sprint(x)
	case string:
		return "a string"
	case []any:
		return fmt.Sprintf("a list of %d", len(x))
	}
	return "an object"
}

func (f Field) setNumber(b []byte, x any) error {
	bad := fmt.Errorf("%s%s is no %s", f.path(), describe(x), f.Kind)
	bits := 8 * f.Size
	switch f.Kind {
	case "bool":
		v, ok := x.(bool)
		if !ok {
			return bad
		}
		b[0] = 0
		if v {
			b[0] = 1
		}
	case "i8", "i16", "i32", "i64":
		number, _ := x.(json.Number)
		n, err := strconv.ParseInt(string(number), 10, bits)
		if err != nil {
			return bad
		}
		putWord(b, uint64(n), bits)
	case "u8", "u16", "u32", "u64":
		number, _ := x.(json.Number)
		n, err := strconv.ParseUint(string(number), 10, bits)
		if err != nil {
			return bad
		}
		putWord(b, n, bits)
	case "f32", "f64":
		n, ok := parseFloat(x, bits)
		if !ok {
			return bad
		}
		putFloat(b, n, bits)
	case "c64", "c128":
		list, ok := x.([]any)
		if !ok || len(list) != 2 {
			return bad
		}
		for i, part := range list {
			n, ok := parseFloat(part, bits/2)
			if !ok {
				return bad
			}
			putFloat(b[i*bits/16:], n, bits/2)
		}
	default:
		return bad
	}
	return nil
}

func parseFloat(x any, bits int) (float64, bool) {
	switch x := x.(type) {
	case json.Number:
		n, err := strconv.ParseFloat(string(x), bits)
		return n, err == nil
	case string:
		switch x {
		case "NaN", "+Inf", "-Inf":
			n, _ := strconv.ParseFloat(x, bits)
			return n, true
		}
	}
	return 0, false
}

func putFloat(b []byte, n float64, bits int) {
	if bits == 32 {
		putWord(b, uint64(math.Float32bits(float32(n))), 32)
		return
	}
	putWord(b, math.Float64bits(n), 64)
}

func putWord(b []byte, n uint64, bits int) {
	switch bits {
	case 8:
		b[0] = byte(n)
	case 16:
		binary.NativeEndian.PutUint16(b, uint16(n))
	case 32:
		binary.NativeEndian.PutUint32(b, uint32(n))
	default:
		binary.NativeEndian.PutUint64(b, n)
	}
}
