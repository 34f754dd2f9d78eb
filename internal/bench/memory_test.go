//go:build linux && (amd64 || arm64)

package bench

import (
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc"
)

// newSegment makes a segment that lives as long as the benchmark.
func newSegment(b *testing.B, size int64) *sysvipc.Segment {
	seg := must(sysvipc.CreateSegment(sysvipc.Private, size, 0o600))
	b.Cleanup(func() { check(seg.Remove()) })
	return seg
}

// A segment, attached, asked for its size, which is only known then, and detached again; first without a look at it, then
// with one.
func BenchmarkAttachDetach(b *testing.B) {
	b.Run("untouched", func(b *testing.B) {
		seg := newSegment(b, 1<<16)
		id := seg.ID()
		pair := func() { check(must(seg.Attach(nil)).Close()) }
		var ds [128]byte
		bare := &side{name: "syscall", run: loop(func() {
			addr := bareShmat(id)
			bareShmStat(id, &ds)
			bareShmdt(addr)
		})}
		compare(b, 100, &side{run: loop(pair)}, append(startTwin(b).floor("attach %d %d", id), bare)...)
		allocs(b, pair)
	})
	b.Run("written", func(b *testing.B) {
		seg := newSegment(b, 1<<16)
		id := seg.ID()
		text := make([]byte, 60)
		var ds [128]byte
		pair := func() {
			mem := must(seg.Attach(nil))
			must(mem.WriteAt(text, 0))
			check(mem.Close())
		}
		bare := &side{name: "syscall", run: loop(func() {
			addr := bareShmat(id)
			bareShmStat(id, &ds)
			copy(bytesAt(addr, len(text)), text)
			bareShmdt(addr)
		})}
		compare(b, 100, &side{run: loop(pair)}, bare)
		allocs(b, pair)
	})
}

// bytesAt is the memory at an address that the kernel gave.
func bytesAt(addr uintptr, n int) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), n)
}

// Bytes, copied into and out of a segment.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name  string
		size  int
		batch int
	}{{"60B", 60, 20000}, {"1MiB", 1 << 20, 4}} {
		seg := func(b *testing.B) *sysvipc.Memory {
			mem := must(newSegment(b, 4<<20).Attach(nil))
			clear(mem.Bytes())
			b.Cleanup(func() { check(mem.Close()) })
			return mem
		}
		b.Run("ReadAt/"+c.name, func(b *testing.B) {
			mem, buf := seg(b), make([]byte, c.size)
			shared := mem.Bytes()
			read := func() { must(mem.ReadAt(buf, 128)) }
			compare(b, c.batch, &side{run: loop(read)}, &side{name: "copy", run: loop(func() { copy(buf, shared[128:]) })})
			allocs(b, read)
		})
		b.Run("WriteAt/"+c.name, func(b *testing.B) {
			mem, buf := seg(b), make([]byte, c.size)
			shared := mem.Bytes()
			write := func() { must(mem.WriteAt(buf, 128)) }
			compare(b, c.batch, &side{run: loop(write)}, &side{name: "copy", run: loop(func() { copy(shared[128:], buf) })})
			allocs(b, write)
		})
	}
}
