package sysv

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// TestNeutral fills each field of each layout with another number, and looks for it in the neutral form.
func TestNeutral(t *testing.T) {
	all := map[string]any{
		"shminfo[uint32]": shminfo[uint32]{}, "shminfo[uint64]": shminfo[uint64]{},
		"shmUse[uint32]": shmUse[uint32]{}, "shmUse[uint64]": shmUse[uint64]{},
		"seminfo": seminfo{}, "msginfo": msginfo{},
	}
	for name, v := range layouts {
		if reflect.TypeOf(v).Kind() == reflect.Struct {
			all[name] = v
		}
	}
	for name, v := range all {
		t.Run(name, func(t *testing.T) {
			p := reflect.New(reflect.TypeOf(v))
			filled := map[string]uint64{}
			fill(p.Elem(), filled)

			want := map[string]uint64{}
			for name, low := range filled {
				if !strings.HasSuffix(name, "high") {
					want[name] = filled[name+"high"]<<32 | low
				}
			}
			got := map[string]uint64{}
			collect(reflect.ValueOf(neutral(t, p.Interface())), got)
			for _, unused := range []string{"semmap", "semmnu", "semume", "msgssz"} {
				delete(want, unused)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("got (-), want (+):\n%s", diff)
			}
		})
	}
}

// fill gives each integer in v a number of its own, and writes down which by the field's name.
func fill(v reflect.Value, numbers map[string]uint64) {
	for i := range v.NumField() {
		name := strings.ToLower(v.Type().Field(i).Name)
		// The field is inside of v, which is addressable; reflect does not set unexported fields otherwise.
		f := reflect.NewAt(v.Field(i).Type(), unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem()
		n := uint64(len(numbers) + 1)
		switch {
		case name == "_":
			continue
		case f.Kind() == reflect.Struct:
			fill(f, numbers)
			continue
		case f.CanInt():
			f.SetInt(int64(n))
		default:
			// The top bit shows words that are joined or widened with a sign.
			n |= 1 << (f.Type().Bits() - 1)
			if f.Type().Bits() == 64 || strings.HasSuffix(name, "high") {
				n &^= 1 << (f.Type().Bits() - 1)
			}
			f.SetUint(n)
		}
		numbers[name] = n
	}
}

func collect(v reflect.Value, numbers map[string]uint64) {
	for i := range v.NumField() {
		name := strings.ToLower(v.Type().Field(i).Name)
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct:
			collect(f, numbers)
		case f.CanInt():
			numbers[name] = uint64(f.Int())
		default:
			numbers[name] = f.Uint()
		}
	}
}

func neutral(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case interface{ neutral() Perm }:
		return v.neutral()
	case interface{ neutral() ShmidDS }:
		return v.neutral()
	case interface{ neutral() SemidDS }:
		return v.neutral()
	case interface{ neutral() MsqidDS }:
		return v.neutral()
	case interface{ neutral() Shminfo }:
		return v.neutral()
	case interface{ neutral() ShmUse }:
		return v.neutral()
	case interface{ neutral() Seminfo }:
		return v.neutral()
	case interface{ neutral() Msginfo }:
		return v.neutral()
	}
	t.Fatalf("%T has no neutral form", v)
	return nil
}
