package sysvipc

// maxCopy is how much is copied at once: the garbage collector cannot stop a goroutine
// inside of copy.
const maxCopy = 1 << 20

// copyBytes is copy, for any length.
func copyBytes(dst, src []byte) int {
	if len(src) <= maxCopy {
		return copy(dst, src)
	}
	return copyParts(dst, src)
}

func copyParts(dst, src []byte) (n int) {
	for n < min(len(dst), len(src)) {
		n += copyPart(dst[n:], src[n:])
	}
	return n
}

// copyPart copies as much as may be copied at once. A goroutine can be stopped where a
// function begins, so it must be one.
//
//go:noinline
func copyPart(dst, src []byte) int { return copy(dst, src[:min(len(src), maxCopy)]) }

// cloneBytes returns a copy of src that is not nil.
func cloneBytes(src []byte) []byte {
	if len(src) <= maxCopy {
		return append([]byte{}, src...) // which does not clear first
	}
	dst := make([]byte, len(src))
	copyBytes(dst, src)
	return dst
}
