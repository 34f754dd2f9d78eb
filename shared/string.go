package shared

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// String is a string of at most as many bytes as the array A has, such as
// String[[32]byte]. It can be shared, alone or as part of other types, where a string
// cannot: that is a pointer. Its zero value is the empty string; two are one if == says so,
// so that it can be a key of a [Map]. In C it is a char[32] as strncpy(3) fills it: with zeros
// up to its end, and without one if the string is as long as the array.
type String[A comparable] struct{ bytes A }

// StringOf returns s as a String. It fails if s does not fit: see [String.Set].
func StringOf[A comparable](s string) (String[A], error) {
	var x String[A]
	err := x.Set(s)
	return x, err
}

// Set sets the string. It fails with [sysvipc.ErrTooBig], and changes nothing, if s is
// longer than A. It fails too if s has a NUL, at which it would end, and if A is not an array
// of bytes.
func (x *String[A]) Set(s string) error {
	b, ok := x.raw()
	switch {
	case !ok:
		return fmt.Errorf("shared: %T: its type parameter must be an array of bytes, such as [32]byte", *x)
	case len(s) > len(b):
		return fmt.Errorf("shared: %w: a string of %d bytes in %T", sysvipc.ErrTooBig, len(s), *x)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("shared: a string with a NUL in %T, which ends at the first", *x)
	}
	clear(b[copy(b, s):])
	return nil
}

// String returns the string, up to the first NUL.
func (x String[A]) String() string {
	b, _ := x.raw()
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

// MarshalText returns the string's bytes.
func (x String[A]) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText is Set.
func (x *String[A]) UnmarshalText(text []byte) error { return x.Set(string(text)) }

// raw returns the array, if it is one of bytes.
func (x *String[A]) raw() ([]byte, bool) {
	if !shape.IsBytes(reflect.TypeFor[A]()) {
		return nil, false
	}
	return core.ValueOf(&x.bytes).Bytes(), true
}
