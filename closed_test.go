//go:build linux

package sysvipc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// runChild runs a child, with an address space of its own, and passes on what it says.
func runChild(t *testing.T, name string, args ...string) {
	t.Helper()
	p := ipctest.Start(t, name, nil, args...)
	for line := range p.Lines() {
		t.Error(line)
	}
	p.Finish()
}

// lba is a multiple of SHMLBA, and of the size of a page, on any port.
const lba = 256 << 10

// uses are the ways to use a memory before its Close.
var uses = map[string]func(m *sysvipc.Memory){
	"untouched": func(*sysvipc.Memory) {},
	"WriteAt":   func(m *sysvipc.Memory) { _, _ = m.WriteAt([]byte("old"), 0) },
	"Bytes":     func(m *sysvipc.Memory) { copy(m.Bytes(), "old") },
	"both":      func(m *sysvipc.Memory) { _, _ = m.WriteAt(m.Bytes()[3:], 3) },
}

func TestAddr(t *testing.T) {
	t.Parallel()
	mem := must(newSegment(t, 100).Attach(nil))(t)
	if got, want := mem.Addr(), uintptr(unsafe.Pointer(&mem.Bytes()[0])); got != want {
		t.Errorf("the address is %#x, want %#x", got, want)
	}
	check(t, mem.Close())
	if got := mem.Addr(); got != 0 {
		t.Errorf("after Close the address is %#x", got)
	}
}

// The address of a closed memory can be attached to again at once, however the memory was used, and what is attached there
// stays.
func TestAddressIsFreeAfterClose(t *testing.T) {
	t.Parallel()
	seg, other := newSegment(t, lba), newSegment(t, lba)
	runChild(t, addressAgain, fmt.Sprint(seg.ID()), fmt.Sprint(other.ID()))
}

var addressAgain = ipctest.Register("address again", func(c *ipctest.ChildEnv) {
	seg, other := segmentArg(c, 0), segmentArg(c, 1)
	for how, use := range uses {
		for _, replace := range []bool{false, true} {
			at := freeAddress(lba)
			mem, err := seg.Attach(&sysvipc.AttachOptions{Addr: at})
			c.Check(err)
			for round := range 20 {
				use(mem)
				c.Check(mem.Close())
				text := fmt.Appendf(nil, "%s %d", how, round)
				next, err := other.Attach(&sysvipc.AttachOptions{Addr: at, Replace: replace})
				c.Check(err)
				if next.Addr() != at || next.Len() != lba {
					c.Fatal(how, "attached at another address, or not whole")
				}
				_, err = next.WriteAt(text, 100)
				c.Check(err)
				runtime.GC() // the waiter has released the old range
				runtime.GC()
				if got := string(next.Bytes()[100 : 100+len(text)]); got != string(text) {
					c.Fatalf("%s: the successor's memory has %q, want %q", how, got, text)
				}
				if got := mappedAs(c, at); got != "rw-s" {
					c.Fatalf("%s: the successor's address is mapped as %q", how, got)
				}
				if _, err := mem.WriteAt(text, 0); !errors.Is(err, fs.ErrClosed) {
					c.Fatal("a write to closed memory:", err)
				}
				mem = next
			}
			c.Check(mem.Close())
		}
	}
	for _, s := range []*sysvipc.Segment{seg, other} {
		st, err := s.Stat()
		c.Check(err)
		if st.Attaches != 0 {
			c.Say("%d attaches are left", st.Attaches)
		}
	}
})

// What is attached to the middle of closed memory, over its end, or over more than it, does not touch what is beside it.
func TestAttachOverPartOfClosedMemory(t *testing.T) {
	t.Parallel()
	runChild(t, partly, fmt.Sprint(newSegment(t, 8*lba).ID()), fmt.Sprint(newSegment(t, 2*lba).ID()), fmt.Sprint(newSegment(t, 16*lba).ID()))
}

var partly = ipctest.Register("partly", func(c *ipctest.ChildEnv) {
	seg, small, large := segmentArg(c, 0), segmentArg(c, 1), segmentArg(c, 2)
	for how, use := range uses {
		begin := freeAddress(64 * lba) // of a hole, between foreign memory
		mapForeign(c, begin, lba)
		mapForeign(c, begin+61*lba, lba)
		at := begin + 20*lba
		closedAt := func() {
			mem, err := seg.Attach(&sysvipc.AttachOptions{Addr: at})
			c.Check(err)
			use(mem)
			c.Check(mem.Close())
		}
		attachAt := func(s *sysvipc.Segment, addr uintptr) *sysvipc.Memory {
			mem, err := s.Attach(&sysvipc.AttachOptions{Addr: addr})
			c.Check(err)
			copy(mem.Bytes(), "new")
			return mem
		}
		stays := func(mems ...*sysvipc.Memory) {
			runtime.GC()
			runtime.GC()
			for _, mem := range mems {
				if string(mem.Bytes()[:3]) != "new" || mappedAs(c, mem.Addr()) != "rw-s" || mappedAs(c, mem.Addr()+uintptr(mem.Len())-1) != "rw-s" {
					c.Fatal(how, "an attach over a part of closed memory is gone")
				}
				c.Check(mem.Close())
			}
		}
		closedAt()
		stays(attachAt(small, at+2*lba), attachAt(small, at+4*lba)) // the middle
		closedAt()
		stays(attachAt(small, at+7*lba)) // the end, and what is free
		closedAt()
		stays(attachAt(small, at-lba)) // the beginning
		closedAt()
		stays(attachAt(large, at-4*lba)) // all, and what is free on both sides

		// Where something foreign is, nothing is attached, and nothing changes.
		closedAt()
		for _, addr := range []uintptr{begin + 60*lba - 8*lba, begin - 15*lba} {
			if _, err := large.Attach(&sysvipc.AttachOptions{Addr: addr}); !errors.Is(err, syscall.EINVAL) {
				c.Fatal("over foreign memory:", err)
			}
		}
		foreign, err := seg.Attach(&sysvipc.AttachOptions{Addr: at + 8*lba})
		c.Check(err)
		for _, replace := range []bool{false, true} {
			if _, err := large.Attach(&sysvipc.AttachOptions{Addr: at, Replace: replace}); !errors.Is(err, syscall.EINVAL) {
				c.Fatal("over closed memory and live memory:", err)
			}
		}
		copy(foreign.Bytes(), "new")
		stays(foreign)
		if got := mappedAs(c, begin+61*lba) + mappedAs(c, begin); got != "---p---p" {
			c.Fatalf("the edges of the hole are %s", got)
		}
	}
	for _, s := range []*sysvipc.Segment{seg, small, large} {
		st, err := s.Stat()
		c.Check(err)
		if st.Attaches != 0 {
			c.Say("%d attaches are left", st.Attaches)
		}
	}
})

// Two memories never share a range: an attach over another one is refused, and that one stays.
func TestAttachOverLiveMemory(t *testing.T) {
	t.Parallel()
	defer noForks()()
	seg, other := newSegment(t, 4*lba), newSegment(t, 2*lba)
	at := freeAddress(12 * lba)
	mem := must(seg.Attach(&sysvipc.AttachOptions{Addr: at + 4*lba, Replace: true}))(t)
	must(mem.WriteAt([]byte("stays"), 0))(t)
	for _, addr := range []uintptr{at + 4*lba, at + 3*lba, at + 5*lba, at + 7*lba} {
		_, err := other.Attach(&sysvipc.AttachOptions{Addr: addr, Replace: true})
		wantError(t, err, fmt.Sprintf("sysvipc: attach segment %d: invalid argument (memory of segment %d is attached at %#x: close it first)", other.ID(), seg.ID(), at+4*lba), syscall.EINVAL)
	}
	for _, addr := range []uintptr{at + 2*lba, at + 8*lba} { // beside it
		mem := must(other.Attach(&sysvipc.AttachOptions{Addr: addr, Replace: true}))(t)
		check(t, mem.Close())
	}
	if got := string(mem.Bytes()[:5]); got != "stays" {
		t.Errorf("the memory has %q", got)
	}
	check(t, mem.Close())
	check(t, must(other.Attach(&sysvipc.AttachOptions{Addr: at + 5*lba, Replace: true}))(t).Close())
	for _, s := range []*sysvipc.Segment{seg, other} {
		if st := must(s.Stat())(t); st.Attaches != 0 {
			t.Errorf("%d attaches are left", st.Attaches)
		}
	}
}

// Who holds closed memory never sees what is attached later: that waits, and is refused in the end.
func TestHoldKeepsTheAddress(t *testing.T) {
	t.Parallel()
	seg, other := newSegment(t, lba), newSegment(t, lba)
	at := freeAddress(lba)
	mem := must(seg.Attach(&sysvipc.AttachOptions{Addr: at}))(t)
	held, hold := mem.Hold()
	check(t, mem.Close())
	_, err := other.Attach(&sysvipc.AttachOptions{Addr: at, Replace: true})
	wantError(t, err, fmt.Sprintf("sysvipc: attach segment %d: device or resource busy (code of this process still uses the closed memory at %#x)", other.ID(), at), syscall.EBUSY)
	held[0] = 'x'
	runtime.KeepAlive(hold)
	next := must(other.Attach(&sysvipc.AttachOptions{Addr: at, Replace: true}))(t)
	if got := next.Bytes()[0]; got != 0 {
		t.Errorf("the new memory has what was written to the old: %q", got)
	}
	check(t, next.Close())
}

// A write that Close overtook goes nowhere: not to what is attached to the address next.
func TestLateWritesAreLost(t *testing.T) {
	t.Parallel()
	const size = 16 * lba
	seg, other := newSegment(t, size), newSegment(t, size)
	pattern := bytes.Repeat([]byte{0xaa}, size)
	at := freeAddress(size)
	for range 30 {
		mem := must(seg.Attach(&sysvipc.AttachOptions{Addr: at}))(t)
		var wg sync.WaitGroup
		begun := make(chan struct{}, 4)
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case begun <- struct{}{}:
					default:
					}
					if _, err := mem.WriteAt(pattern, 0); err != nil {
						return
					}
				}
			})
		}
		for range cap(begun) {
			<-begun
		}
		check(t, mem.Close())
		next := must(other.Attach(&sysvipc.AttachOptions{Addr: at}))(t)
		wg.Wait()
		if i := bytes.IndexByte(next.Bytes(), 0xaa); i >= 0 {
			t.Fatalf("a late write reached the next memory, at %d", i)
		}
		check(t, next.Close())
	}
}

// Goroutines that attach at the same addresses, and at others, each have their memory for themselves.
func TestAttachAtOnePlaceTogether(t *testing.T) {
	t.Parallel()
	var ids []string
	for range 4 {
		ids = append(ids, fmt.Sprint(newSegment(t, 2*lba).ID()))
	}
	runChild(t, together, ids...)
}

var together = ipctest.Register("together", func(c *ipctest.ChildEnv) {
	at := freeAddress(8 * lba)
	stop := time.Now().Add(2 * time.Second)
	var wg sync.WaitGroup
	var attached [4]int
	for i := range 4 {
		seg := segmentArg(c, i)
		wg.Go(func() {
			tag := bytes.Repeat([]byte{byte(i + 1)}, 2*lba)
			for time.Now().Before(stop) {
				opts := &sysvipc.AttachOptions{Addr: at + lba*uintptr(rand.IntN(4)), Replace: true}
				if rand.IntN(4) == 0 {
					opts = nil
				}
				mem, err := seg.Attach(opts)
				if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EBUSY) {
					continue // another one is there
				}
				if err != nil {
					c.Say("%v", err)
					return
				}
				attached[i]++
				if b := mem.Bytes(); rand.IntN(2) == 0 {
					copy(b, tag)
				} else if _, err := mem.WriteAt(tag, 0); err != nil {
					c.Say("%v", err)
				}
				if !bytes.Equal(mem.Bytes(), tag) {
					c.Say("the memory of segment %d shows another one", i)
				}
				if err := mem.Close(); err != nil {
					c.Say("%v", err)
				}
			}
		})
	}
	wg.Wait()
	for i, n := range attached {
		if n == 0 {
			c.Say("segment %d was never attached", i)
		}
		st, err := segmentArg(c, i).Stat()
		c.Check(err)
		if st.Attaches != 0 {
			c.Say("%d attaches of segment %d are left", st.Attaches, i)
		}
	}
})

// An address that another memory leaves may be the one that the kernel gives next: an attach that
// asks for it there keeps it.
func TestAttachWhereTheKernelAttaches(t *testing.T) {
	t.Parallel()
	runChild(t, sameChoice, fmt.Sprint(newSegment(t, lba).ID()))
}

var sameChoice = ipctest.Register("same choice", func(c *ipctest.ChildEnv) {
	seg := segmentArg(c, 0)
	first, err := seg.Attach(nil)
	c.Check(err)
	at := first.Addr()
	c.Check(first.Close())
	var wg sync.WaitGroup
	for _, opts := range []*sysvipc.AttachOptions{nil, {Addr: at}, {Addr: at}} {
		wg.Go(func() {
			for range 20_000 {
				mem, err := seg.Attach(opts)
				if errors.Is(err, syscall.EINVAL) && !errors.Is(err, sysvipc.ErrRemoved) {
					continue // another one is there
				}
				if err == nil {
					err = mem.Close() // which fails if nothing is attached there
				}
				if err != nil {
					c.Say("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
})

// Memory of huge pages is as any other, though its range is longer than it says.
func TestHugePagesAtAnAddress(t *testing.T) {
	t.Parallel()
	seg, err := sysvipc.Creator{HugePages: 1}.CreateSegment(sysvipc.Private, 100, 0o600)
	if err != nil {
		t.Skip("needs huge pages, and leave to use them: ", err)
	}
	t.Cleanup(func() { _ = seg.Remove() })
	runChild(t, huge, fmt.Sprint(seg.ID()), fmt.Sprint(newSegment(t, lba).ID()))
}

var huge = ipctest.Register("huge", func(c *ipctest.ChildEnv) {
	seg, small := segmentArg(c, 0), segmentArg(c, 1)
	for how, use := range uses {
		at := (freeAddress(8<<20) + 4<<20) &^ (4<<20 - 1)
		mem, err := seg.Attach(&sysvipc.AttachOptions{Addr: at})
		c.Check(err)
		for range 5 {
			use(mem)
			c.Check(mem.Close())
			if st, err := seg.Stat(); err != nil || st.Attaches != 0 {
				c.Fatalf("%s: after Close: %d attaches, %v", how, st.Attaches, err)
			}
			mem, err = seg.Attach(&sysvipc.AttachOptions{Addr: at})
			c.Check(err)
			runtime.GC()
			if mem.Bytes()[50] = 1; !strings.HasSuffix(mappedAs(c, at+lba), "s") {
				c.Fatal("the successor is gone")
			}
		}
		c.Check(mem.Close())
		// Behind its 100 bytes is the rest of the huge page, and more memory is not laid over that.
		beside, err := small.Attach(&sysvipc.AttachOptions{Addr: at + lba, Replace: true})
		c.Check(err)
		if _, err := seg.Attach(&sysvipc.AttachOptions{Addr: at, Replace: true}); !errors.Is(err, syscall.EINVAL) {
			c.Fatal("a huge page over live memory:", err)
		}
		c.Check(beside.Close())
	}
})
