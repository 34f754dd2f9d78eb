//go:build !amd64 || race || purego

package core

import (
	"sync/atomic"
	"unsafe"
)

// CopyOut copies size bytes out of the region word by word, with atomic loads: they are
// not reordered with each other, nor with those of the version around them. Cells are
// padded to whole words, so that the last one may be read whole.
func CopyOut(to, from unsafe.Pointer, size uintptr) {
	for i := uintptr(0); i < size; i += 8 {
		word := atomic.LoadUint64((*uint64)(unsafe.Add(from, i)))
		n := min(8, size-i)
		copy(unsafe.Slice((*byte)(unsafe.Add(to, i)), n), unsafe.Slice((*byte)(unsafe.Pointer(&word)), n))
	}
}

// CopyIn copies size bytes into the region likewise.
func CopyIn(to, from unsafe.Pointer, size uintptr) {
	for i := uintptr(0); i < size; i += 8 {
		var word uint64
		n := min(8, size-i)
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&word)), n), unsafe.Slice((*byte)(unsafe.Add(from, i)), n))
		atomic.StoreUint64((*uint64)(unsafe.Add(to, i)), word)
	}
}

// readCell and writeCell are the same for a T.

func ReadCell[T any](to *T, from unsafe.Pointer) {
	CopyOut(unsafe.Pointer(to), from, unsafe.Sizeof(*to))
}

func WriteCell[T any](to unsafe.Pointer, from *T) {
	CopyIn(to, unsafe.Pointer(from), unsafe.Sizeof(*from))
}
