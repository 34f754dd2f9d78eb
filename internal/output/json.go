package output

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Append appends a value as JSON. It differs from encoding/json in what the reader of a list at a terminal
// needs: characters that do not print are escaped, times are RFC 3339 in seconds, and a list that is nil is
// empty, unless its field has the tag nullable.
func Append(dst []byte, v any) []byte { return appendValue(dst, reflect.ValueOf(v)) }

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func appendValue(dst []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Invalid:
		return append(dst, "null"...)
	case reflect.Pointer, reflect.Interface:
		return appendValue(dst, v.Elem())
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case reflect.Float64:
		return strconv.AppendFloat(dst, v.Float(), 'f', -1, 64)
	case reflect.String:
		return AppendString(dst, v.String())
	case reflect.Slice:
		if v.Type() == rawType {
			return append(dst, v.Bytes()...)
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"')
		}
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, v.Index(i))
		}
		return append(dst, ']')
	case reflect.Struct:
		if v.Type() == timeType {
			return append(timeOf(v).AppendFormat(append(dst, '"'), time.RFC3339), '"')
		}
		return appendStruct(dst, v, fieldsOf(v.Type()))
	}
	panic(fmt.Sprintf("no JSON for %v", v.Type()))
}

// timeOf is a time, without a copy of it on the heap if it can be.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

func appendStruct(dst []byte, v reflect.Value, fields []field) []byte {
	dst = append(dst, '{')
	comma := false
	for i := range fields {
		value, ok := fields[i].of(v)
		if !ok {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(dst, fields[i].quoted...)
		if fields[i].nullable && value.IsNil() {
			dst = append(dst, "null"...)
		} else {
			dst = appendValue(dst, value)
		}
	}
	return append(dst, '}')
}

// field is one of a struct, or of a struct that is embedded in it.
type field struct {
	name      string
	quoted    string // with the colon
	index     []int
	omitEmpty bool
	nullable  bool
}

var fieldCache sync.Map // of []field, by type

// fieldsOf are the fields of a struct in their order.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldCache.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if inner := f.Type; f.Anonymous && f.Tag.Get("json") == "" {
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			for _, g := range fieldsOf(inner) {
				g.index = append([]int{i}, g.index...)
				fields = append(fields, g)
			}
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" {
			fields = append(fields, field{name, `"` + name + `":`, []int{i}, option == "omitempty", f.Tag.Get("nullable") != ""})
		}
	}
	fieldCache.Store(t, fields)
	return fields
}

// of returns the field's value. There is none in an embedded struct that is nil.
func (f *field) of(v reflect.Value) (value reflect.Value, ok bool) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, !f.omitEmpty || !v.IsZero()
}

// AppendString appends a string of JSON. It escapes also what JSON would allow, but no terminal should see:
// the strings come from other programs.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0 // most strings have nothing else
	for plain < len(s) && s[plain] >= ' ' && s[plain] < 0x7f && s[plain] != '"' && s[plain] != '\\' {
		plain++
	}
	dst = append(dst, s[:plain]...)
	for i := plain; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x80 && r >= ' ' && r != 0x7f, r >= 0x80 && unicode.IsPrint(r):
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
