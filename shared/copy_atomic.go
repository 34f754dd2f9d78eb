//go:build !amd64 || race || purego

package shared

import (
	"sync/atomic"
	"unsafe"
)

// copyOut copies size bytes out of the region word by word, with atomic loads: they are
// not reordered with each other, nor with those of the version around them. Cells are
// padded to whole words, so that the last one may be read whole.
func copyOut(to, from unsafe.Pointer, size uintptr) {
	for i := uintptr(0); i < size; i += 8 {
		word := atomic.LoadUint64((*uint64)(unsafe.Add(from, i)))
		n := min(8, size-i)
		copy(unsafe.Slice((*byte)(unsafe.Add(to, i)), n), unsafe.Slice((*byte)(unsafe.Pointer(&word)), n))
	}
}

// copyIn copies size bytes into the region likewise.
func copyIn(to, from unsafe.Pointer, size uintptr) {
	for i := uintptr(0); i < size; i += 8 {
		var word uint64
		n := min(8, size-i)
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&word)), n), unsafe.Slice((*byte)(unsafe.Add(from, i)), n))
		atomic.StoreUint64((*uint64)(unsafe.Add(to, i)), word)
	}
}

// readCell and writeCell are the same for a T.

func readCell[T any](to *T, from unsafe.Pointer) {
	copyOut(unsafe.Pointer(to), from, unsafe.Sizeof(*to))
}

func writeCell[T any](to unsafe.Pointer, from *T) {
	copyIn(to, unsafe.Pointer(from), unsafe.Sizeof(*from))
}
