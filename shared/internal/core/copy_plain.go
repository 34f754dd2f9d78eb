//go:build amd64 && !race && !purego

package core

import "unsafe"

// CopyOut copies size bytes out of the region, and copyIn into it, while other processes
// may write the same bytes: what was torn is noticed afterwards by a version. On amd64
// loads are not reordered with loads, nor stores with stores, so that a plain copy will do.
func CopyOut(to, from unsafe.Pointer, size uintptr) {
	copy(unsafe.Slice((*byte)(to), size), unsafe.Slice((*byte)(from), size))
}

func CopyIn(to, from unsafe.Pointer, size uintptr) { CopyOut(to, from, size) }

// readCell and writeCell are the same for a T, which the compiler copies without a call.

func ReadCell[T any](to *T, from unsafe.Pointer) { *to = *(*T)(from) }

func WriteCell[T any](to unsafe.Pointer, from *T) { *(*T)(to) = *from }
