package output

import (
	"reflect"
	"slices"
)

// Field is one of the fields of an object that are a text, a number, a time, or true or false.
type Field struct{ field }

// ObjectField finds a field by the name that it has in JSON. It panics if there is none.
func ObjectField(name string) Field {
	for _, f := range fieldsOf(reflect.TypeFor[Object]()) {
		if f.name == name {
			return Field{f}
		}
	}
	panic("an object has no field " + name)
}

// Of returns the field's value, which is a nil pointer for what is null in JSON. Objects of some types have none.
func (f *Field) Of(o *Object) (v reflect.Value, ok bool) { return f.of(reflect.ValueOf(o).Elem()) }

// Select appends only some fields of an object as JSON, in this order, and which of them are unknown.
func Select(dst []byte, o *Object, fields []Field) []byte {
	dst = append(dst, '{')
	var missing []string
	for i := range fields {
		f := &fields[i]
		value, ok := f.Of(o)
		if !ok {
			continue
		}
		dst = append(appendValue(append(dst, f.quoted...), value), ',')
		if slices.Contains(o.Unknown, f.name) {
			missing = append(missing, f.name)
		}
	}
	return append(Append(append(dst, `"unknown":`...), missing), '}')
}
