package core

import "unsafe"

// Value is some bytes of this process, which the structures copy into the region and out of
// it: a variable of some type, or several one behind the other. Its maker keeps what
// it points to alive.
type Value struct {
	At   unsafe.Pointer
	Size uintptr
}

// ValueOf is the bytes of *p.
func ValueOf[T any](p *T) Value { return Value{unsafe.Pointer(p), unsafe.Sizeof(*p)} }

// ValuesOf is the bytes of all elements of a slice.
func ValuesOf[T any](all []T) Value {
	var t T
	return Value{unsafe.Pointer(unsafe.SliceData(all)), uintptr(len(all)) * unsafe.Sizeof(t)}
}

// Bytes returns the bytes.
func (v Value) Bytes() []byte { return unsafe.Slice((*byte)(v.At), v.Size) }

// BytesOf returns the size bytes at p, which the caller keeps alive.
func BytesOf(p unsafe.Pointer, size uint64) []byte { return unsafe.Slice((*byte)(p), size) }
