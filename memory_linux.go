package sysvipc

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// detach takes a segment that was used out of the address space at once.
//
// Where a goroutine may be copying at this moment, the address range must not fall
// to another mapping under its hands, and readers should pay no lock for that. So
// zero pages take the segment's place, which detaches it; the copy ends in them and
// notices; and the range goes back to the kernel when the collector finds that
// nobody holds m any more.
func (m *Memory) detach(lent bool) {
	start := unsafe.Pointer(unsafe.SliceData(m.bytes()))
	page := os.Getpagesize()
	length := uintptr((m.size + page - 1) / page * page)
	err := overlay(start, length, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		// Huge pages want another length, and a strict vm.overcommit_memory may
		// refuse the zeros. Then the detach itself waits for the collector.
		runtime.AddCleanup(m, func(start unsafe.Pointer) {
			if !lent || overlay(start, length, unix.PROT_NONE) != nil {
				sysv.Shmdt(uintptr(start))
			}
		}, start)
		return
	}
	if lent {
		// A forgotten slice shall fault, and never see what comes next: the range
		// stays taken, by pages that nobody may touch.
		runtime.AddCleanup(m, func(start unsafe.Pointer) { _ = overlay(start, length, unix.PROT_NONE) }, start)
		return
	}
	runtime.AddCleanup(m, func(start unsafe.Pointer) {
		_ = unix.MunmapPtr(start, length)
		held.Add(-int64(length))
	}, start)
	if held.Add(int64(length)) > maxHeld {
		runtime.GC()
	}
}

// held is how many bytes of address space wait for the collector. It goes by the size of
// the heap, and knows nothing of them.
var held atomic.Int64

// maxHeld is a part of the smallest address spaces: 2 GiB with 32 bits, 256 GiB with 64
// (riscv64).
const maxHeld = 1 << (28 + 8*(^uint(0)>>63))

// reclaim has the collector give back what it can of the address space, and reports
// whether that may have made room.
func reclaim() bool {
	before := held.Load()
	if before == 0 {
		return false
	}
	runtime.GC()
	// The cleanups run a little later.
	for pause := 10 * time.Microsecond; pause < 100*time.Millisecond; pause *= 2 {
		if held.Load() < before {
			return true
		}
		time.Sleep(pause)
	}
	return false
}

// overlay replaces a range by fresh anonymous pages. The range is ours: a mapping
// that shmat(2) gave and nobody has given back.
func overlay(start unsafe.Pointer, length uintptr, prot int) error {
	_, err := unix.MmapPtr(-1, 0, start, length, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}
