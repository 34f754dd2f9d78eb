package sysvipc

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// addressSpace knows the ranges of this process's addresses that attaches have, or had.
//
// The embedded lock is held for reading while mappings of ours come where nothing is, and
// go away, and for writing while one comes over what is ours: so nobody detaches by its
// address what has been replaced meanwhile.
type addressSpace struct {
	sync.RWMutex

	mu     sync.Mutex
	live   *Memory // the first; a map would cost each Attach more
	closed map[*closedRange]struct{}
	kept   spans // nobody may touch them; they are for attaches to come

	waiting atomic.Int64 // how many bytes are in closed
	crowded atomic.Bool  // so much is kept that attaches are to come there
}

var addresses = addressSpace{closed: map[*closedRange]struct{}{}}

// maxWaiting is how many bytes may wait for the collector, which goes by the size of the
// heap and knows nothing of them; as many may be kept. It is a part of the smallest address
// spaces: 2 GiB with 32 bits, 256 GiB with 64 (riscv64).
const maxWaiting = 1 << (28 + 8*(^uint(0)>>63))

// maxKept is how many ranges may be kept. The kernel's limit of mappings is 65,530.
const maxKept = 1 << 12

// closedRange is the range of a closed memory that a goroutine may still use.
// Zeros have taken the segment's place there.
type closedRange struct {
	span
	mapping  weak.Pointer[mapping] // nil when it is not in use
	entered  bool                  // it may be in use, other than by a slice, which is valid until Close
	lent     bool                  // a slice of it was handed out: the range is kept, and not given back
	attached bool                  // the kernel refused the zeros: the segment is still there
}

// free reports whether the range is not in use.
func (r *closedRange) free() bool { return !r.entered || r.mapping.Value() == nil }

// add notes that m has its mapping.
func (a *addressSpace) add(m *Memory) {
	a.mu.Lock()
	if m.after = a.live; m.after != nil {
		m.after.before = m
	}
	a.live = m
	a.mu.Unlock()
}

// drop forgets m, and remembers what has become of its range, if that is not free.
func (a *addressSpace) drop(m *Memory, r *closedRange) {
	a.mu.Lock()
	if m.before != nil {
		m.before.after = m.after
	} else {
		a.live = m.after
	}
	if m.after != nil {
		m.after.before = m.before
	}
	m.before, m.after = nil, nil
	if r != nil {
		a.closed[r] = struct{}{}
	}
	a.mu.Unlock()
	if r != nil {
		a.waiting.Add(int64(r.len()))
	}
}

// release gives a range that is not in use back to the kernel, or keeps it.
func (a *addressSpace) release(r *closedRange, keep bool) {
	a.mu.Lock()
	_, there := a.closed[r]
	delete(a.closed, r)
	a.mu.Unlock()
	if !there { // it was released before
		return
	}
	a.waiting.Add(-int64(r.len()))
	if keep || r.lent {
		length, err := cover(r.start, r.len(), unix.PROT_NONE)
		if err == nil || !r.attached { // without an error a touch faults, else it finds zeros
			a.keep(span{r.start, r.start + length})
			return
		}
	}
	if r.attached {
		sysv.Shmdt(r.start)
	} else {
		unmap(r.span)
	}
}

func (a *addressSpace) keep(s span) {
	a.mu.Lock()
	a.setKept(a.kept.add(s))
	a.mu.Unlock()
}

// forget is for ranges that are no longer kept.
func (a *addressSpace) forget(s span) {
	a.mu.Lock()
	a.setKept(a.kept.cut(s))
	a.mu.Unlock()
}

// setKept is called with mu held.
func (a *addressSpace) setKept(kept spans) {
	a.kept = kept
	var bytes uintptr
	for _, s := range kept {
		bytes += s.len()
	}
	a.crowded.Store(uint64(bytes) > maxWaiting || len(kept) > maxKept)
}

// gaps returns the parts of s that are neither kept nor in besides.
func (a *addressSpace) gaps(s, besides span) spans {
	a.mu.Lock()
	defer a.mu.Unlock()
	gaps := spans{s}.cut(besides)
	for _, k := range a.kept {
		gaps = gaps.cut(k)
	}
	return gaps
}

// collect has the collector find the ranges that are not in use any more, and
// releases them.
func (a *addressSpace) collect() {
	runtime.GC()
	a.RLock()
	defer a.RUnlock()
	for _, r := range a.closedRanges() {
		if r.mapping.Value() == nil {
			a.release(r, false)
		}
	}
}

// closedRanges returns those of this moment.
func (a *addressSpace) closedRanges() []*closedRange {
	a.mu.Lock()
	defer a.mu.Unlock()
	ranges := make([]*closedRange, 0, len(a.closed))
	for r := range a.closed {
		ranges = append(ranges, r)
	}
	return ranges
}

// makeRoom gives back all addresses that it can, in an address space that is full, and
// reports whether there were any.
func (a *addressSpace) makeRoom() bool {
	waited := a.waiting.Load()
	if waited > 0 { // a collection needs room itself, and the runtime crashes without
		a.collect()
	}
	a.Lock()
	defer a.Unlock()
	kept := a.kept
	for _, s := range kept {
		unmap(s)
		a.forget(s)
	}
	return len(kept) > 0 || a.waiting.Load() < waited
}

// cover replaces a mapping that is ours by fresh anonymous pages, and returns its length.
// That is size, or more if the mapping has pages of another size: the kernel refuses to
// split these.
func cover(start, size uintptr, prot int) (length uintptr, err error) {
	return wholePages(size, func(length uintptr) error {
		_, err := unix.MmapPtr(-1, 0, pointer(start), length, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE)
		return err
	})
}

// measure returns the length of an attach.
func measure(start, size uintptr) (length uintptr, err error) {
	return wholePages(size, func(length uintptr) error {
		// Advice about a part of a mapping splits it, as long as it stands.
		b := (&mapping{start: start, size: int(length)}).bytes()
		if err := unix.Madvise(b, unix.MADV_RANDOM); err != nil {
			return err
		}
		return unix.Madvise(b, unix.MADV_NORMAL)
	})
}

// wholePages calls f with size rounded up to pages. The kernel answers EINVAL as long as
// these are smaller than the mapping's own: the first length that it takes is the
// mapping's, since each size of pages is a power of two.
func wholePages(size uintptr, f func(length uintptr) error) (length uintptr, err error) {
	for page := uintptr(os.Getpagesize()); page <= maxPage; page *= 2 {
		length = roundUp(size, page)
		if err = f(length); err != unix.EINVAL {
			break
		}
	}
	return length, err
}

// maxPage is the size of the largest pages: 16 GiB (ppc64) or, with 32 bits, 1 GiB.
const maxPage = 1 << (30 + 4*(^uint(0)>>63))

// reserve maps pages that nobody may touch where nothing is mapped.
func reserve(s span) bool {
	start, err := unix.MmapPtr(-1, 0, pointer(s.start), s.len(), unix.PROT_NONE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE|unix.MAP_NORESERVE)
	if err == nil && uintptr(start) != s.start { // Linux before 4.17 takes the address for a wish
		_ = unix.MunmapPtr(start, s.len())
		return false
	}
	return err == nil
}

func unmap(s span) { _ = unix.MunmapPtr(pointer(s.start), s.len()) }

// shmlba is SHMLBA of the kernel's headers: attaches begin at multiples of it.
var shmlba = func() uintptr {
	switch runtime.GOARCH {
	case "arm":
		return 4 * uintptr(os.Getpagesize())
	case "loong64":
		return 64 << 10
	case "mips", "mipsle", "mips64", "mips64le":
		return 256 << 10
	}
	return uintptr(os.Getpagesize())
}()
