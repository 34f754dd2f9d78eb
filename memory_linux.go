package sysvipc

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"weak"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// attach gives m its mapping. The hint says what is in the way, if that is known.
func (m *Memory) attach(addr uintptr, flags int) (errno syscall.Errno, hint string) {
	errno = m.attachFree(addr, flags)
	if errno == syscall.ENOMEM && addresses.makeRoom() {
		errno = m.attachFree(addr, flags)
	}
	switch {
	case errno == syscall.EINVAL && addr != 0:
		return m.attachOver(addr, flags)
	case errno == 0 && addr == 0 && addresses.crowded.Load():
		m.moveToKept(flags)
	}
	return errno, ""
}

// attachFree attaches where nothing is mapped.
func (m *Memory) attachFree(addr uintptr, flags int) syscall.Errno {
	addresses.RLock()
	defer addresses.RUnlock()
	start, errno := sysv.Shmat(m.segment.ID(), addr, flags&^sysv.SHM_REMAP)
	if errno != 0 {
		return errno
	}
	// A segment that is attached keeps its ID: this is the one that was attached.
	ds, _, errno := sysv.ShmctlStat(m.segment.ID(), sysv.IPC_STAT)
	if errno != 0 {
		sysv.Shmdt(start)
		return errno
	}
	p := &mapping{start: start, size: int(ds.Segsz)}
	if flags&sysv.SHM_RDONLY != 0 {
		p.state.Store(readOnly)
	}
	m.mapping.Store(p)
	addresses.add(m)
	return 0
}

// attachOver attaches where something is mapped: memory that was closed, or, with
// SHM_REMAP, anything but memory that is not.
func (m *Memory) attachOver(addr uintptr, flags int) (errno syscall.Errno, hint string) {
	if flags&sysv.SHM_RND != 0 {
		addr &^= shmlba - 1
		flags &^= sysv.SHM_RND
	}
	// What can be refused by the first page is, before an attach changes the segment's times.
	page := uintptr(os.Getpagesize())
	if addr%page != 0 || addr+page < addr {
		return syscall.EINVAL, ""
	}
	addresses.Lock()
	hint = m.inTheWay(span{addr, addr + page})
	addresses.Unlock()
	if hint != "" {
		return syscall.EINVAL, hint
	}
	// Attached somewhere, the segment keeps its size until it is attached there.
	if errno := m.attachFree(0, flags); errno != 0 {
		return errno, ""
	}
	for end := time.Now().Add(time.Second); ; {
		errno, hint = m.move(addr, flags)
		if errno != syscall.EBUSY || time.Now().After(end) {
			break
		}
		runtime.GC() // which finds out whether it is still in use
	}
	if errno != 0 {
		_ = m.Close()
	}
	return errno, hint
}

// move moves a mapping that nobody knows of yet to another address. It answers EBUSY if
// memory that was there and is closed may be in use.
func (m *Memory) move(addr uintptr, flags int) (errno syscall.Errno, hint string) {
	addresses.Lock()
	defer addresses.Unlock()
	p := m.mapping.Load()
	if p.start == addr { // what was there went away meanwhile, and the kernel chose it
		return 0, ""
	}
	length, err := measure(p.start, uintptr(p.size))
	if err != nil {
		return syscall.EINVAL, ""
	}
	old, there := span{p.start, p.start + length}, span{addr, addr + length}
	if there.end < there.start {
		return syscall.EINVAL, ""
	}
	if hint := m.inTheWay(there); hint != "" {
		return syscall.EINVAL, hint
	}
	for _, r := range addresses.closedRanges() {
		if !there.overlaps(r.span) {
			continue
		}
		if !r.free() {
			return syscall.EBUSY, fmt.Sprintf("code of this process still uses the closed memory at %#x", r.start)
		}
		addresses.release(r, true)
	}
	var gaps spans // of what is ours
	if flags&sysv.SHM_REMAP == 0 {
		for _, gap := range addresses.gaps(there, old) {
			if !reserve(gap) {
				gaps.unmap()
				return syscall.EINVAL, ""
			}
			gaps = append(gaps, gap)
		}
	}
	start, errno := sysv.Shmat(m.segment.ID(), addr, flags|sysv.SHM_REMAP)
	if errno != 0 {
		gaps.unmap()
		if errno != syscall.EINVAL { // then what was there may be gone
			addresses.forget(there)
		}
		return errno, ""
	}
	addresses.forget(there)
	sysv.Shmdt(old.start) // what is left of it
	p.start = start
	return 0, ""
}

// inTheWay says which other memory is attached there, or "". The lock of addresses is held, and nobody shares it.
func (m *Memory) inTheWay(there span) string {
	for other := addresses.live; other != nil; other = other.after {
		if q := other.mapping.Load(); other != m && q != nil && there.overlaps(q.span()) {
			return fmt.Sprintf("memory of segment %d is attached at %#x: close it first", other.segment.ID(), q.start)
		}
	}
	return ""
}

// moveToKept moves a mapping that nobody knows of yet to addresses that are kept, if some
// are enough.
func (m *Memory) moveToKept(flags int) {
	p := m.mapping.Load()
	addresses.mu.Lock()
	addr, ok := addresses.kept.fit(roundUp(uintptr(p.size), uintptr(os.Getpagesize())), shmlba)
	addresses.mu.Unlock()
	if ok {
		_, _ = m.move(addr, flags) // it may be taken meanwhile
	}
}

// detach takes a segment out of the address space at once.
//
// Where a goroutine may be copying at this moment, the address range must not fall
// to another mapping under its hands, and readers should pay no lock for that. So
// zero pages take the segment's place, which detaches it; the copy ends in them and
// notices; and the range is released when the collector finds that nobody has the
// mapping any more.
func (m *Memory) detach(p *mapping, state uint32) (errno syscall.Errno) {
	addresses.RLock()
	m.mapping.Store(nil)
	if state&(used|lent) == 0 {
		errno = sysv.Shmdt(p.start)
		addresses.drop(m, nil)
	} else {
		r := &closedRange{span: p.span(), mapping: weak.Make(p), entered: state&used != 0, lent: state&lent != 0}
		// A strict vm.overcommit_memory may refuse the zeros. Then the detach itself waits
		// for the collector.
		if length, err := cover(p.start, uintptr(p.size), unix.PROT_READ|unix.PROT_WRITE); err != nil {
			r.attached = true
		} else {
			r.end = r.start + length
		}
		addresses.drop(m, r)
		runtime.AddCleanup(p, func(r *closedRange) {
			addresses.RLock()
			defer addresses.RUnlock()
			addresses.release(r, false)
		}, r)
	}
	addresses.RUnlock()
	if addresses.waiting.Load() > maxWaiting {
		addresses.collect()
	}
	return errno
}

// span returns the range in pages.
func (p *mapping) span() span {
	return span{p.start, p.start + roundUp(uintptr(p.size), uintptr(os.Getpagesize()))}
}
