//go:build linux

package sysvipc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

var (
	_ io.ReaderAt = (*sysvipc.Memory)(nil)
	_ io.WriterAt = (*sysvipc.Memory)(nil)
	_ io.Closer   = (*sysvipc.Memory)(nil)
)

func TestMemoryIsAReaderAt(t *testing.T) {
	t.Parallel()
	content := make([]byte, 10_000)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	mem := attach(t, newSegment(t, int64(len(content))), nil)
	if n, err := mem.WriteAt(content, 0); n != len(content) || err != nil {
		t.Fatal(n, err)
	}
	check(t, iotest.TestReader(io.NewSectionReader(mem, 0, int64(mem.Len())), content))
	// A section that is longer than the memory ends with it.
	if got, err := io.ReadAll(io.NewSectionReader(mem, 100, 1<<40)); err != nil || !bytes.Equal(got, content[100:]) {
		t.Errorf("a longer section has %d bytes, %v", len(got), err)
	}

	other := attach(t, newSegment(t, 20_000), nil)
	if n, err := io.Copy(io.NewOffsetWriter(other, 7), io.NewSectionReader(mem, 0, 1<<62)); n != 10_000 || err != nil {
		t.Errorf("io.Copy between segments: %d, %v", n, err)
	}
	if !bytes.Equal(other.Bytes()[7:10_007], content) {
		t.Error("the copy differs")
	}
}

func TestReadAtBounds(t *testing.T) {
	t.Parallel()
	mem := attach(t, newSegment(t, 10), nil)
	must(mem.WriteAt([]byte("0123456789"), 0))(t)
	for _, c := range []struct {
		off  int64
		n    int
		want string
		eof  bool
	}{
		{0, 10, "0123456789", false},
		{0, 11, "0123456789", true},
		{3, 7, "3456789", false},
		{3, 8, "3456789", true},
		{9, 1, "9", false},
		{10, 1, "", true},
		{11, 1, "", true},
		{4096, 1, "", true},
		{1<<63 - 1, 1, "", true},
		{1<<63 - 1, 5000, "", true},
		{0, 0, "", false},
		{10, 0, "", false},
		{11, 0, "", false},
		{1<<63 - 1, 0, "", false},
	} {
		buf := bytes.Repeat([]byte{'-'}, c.n+1)
		n, err := mem.ReadAt(buf[:c.n], c.off)
		if string(buf[:n]) != c.want || (err == io.EOF) != c.eof || err != nil && !c.eof {
			t.Errorf("ReadAt(%d bytes, %d) = %q, %v; want %q, EOF %v", c.n, c.off, buf[:n], err, c.want, c.eof)
		}
		if rest := string(buf[n:]); rest != strings.Repeat("-", len(rest)) {
			t.Errorf("ReadAt(%d bytes, %d) changed what follows its %d bytes: %q", c.n, c.off, n, rest)
		}
	}
}

func TestWriteAtBounds(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 10)
	mem := attach(t, seg, nil)
	for _, c := range []struct {
		off  int64
		text string
		want string // after it
	}{
		{0, "0123456789", "0123456789"},
		{9, "x", "012345678x"},
		{10, "", "012345678x"},
		{0, "", "012345678x"},
		{10, "y", ""},
		{9, "yz", ""},
		{11, "", ""},
		{1<<63 - 1, "y", ""},
		{0, "0123456789a", ""},
	} {
		before := string(mem.Bytes())
		n, err := mem.WriteAt([]byte(c.text), c.off)
		if c.want != "" && (n != len(c.text) || err != nil || string(mem.Bytes()) != c.want) {
			t.Errorf("WriteAt(%q, %d) = %d, %v, and the memory is %q; want %q", c.text, c.off, n, err, mem.Bytes(), c.want)
		}
		if c.want == "" && (n != 0 || !errors.Is(err, sysvipc.ErrTooBig) || string(mem.Bytes()) != before) {
			t.Errorf("WriteAt(%q, %d) = %d, %v, and the memory is %q; want nothing to change", c.text, c.off, n, err, mem.Bytes())
		}
	}
	// The kernel gives whole pages; what is beyond the size is out of bounds all the same.
	if len(mem.Bytes()) != 10 || cap(mem.Bytes()) != 10 || mem.Len() != 10 {
		t.Errorf("length %d and capacity %d of Bytes, Len %d; want 10", len(mem.Bytes()), cap(mem.Bytes()), mem.Len())
	}
}

// Several attaches of one segment, in one process and in two, are the same bytes.
func TestMemoryIsShared(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 100)
	a, b := attach(t, seg, nil), attach(t, seg, &sysvipc.AttachOptions{ReadOnly: true})
	must(a.WriteAt([]byte("from here"), 5))(t)
	buf := make([]byte, 9)
	if must(b.ReadAt(buf, 5))(t); string(buf) != "from here" {
		t.Errorf("the other attach has %q", buf)
	}
	p := ipctest.Start(t, sharer, nil, fmt.Sprint(seg.ID()))
	p.Expect("from here")
	p.Finish()
	if must(b.ReadAt(buf, 50))(t); string(buf) != "from ther" {
		t.Errorf("the other process wrote %q", buf)
	}
}

var sharer = ipctest.Register("sharer", func(c *ipctest.ChildEnv) {
	mem, err := segmentArg(c, 0).Attach(nil)
	c.Check(err)
	buf := make([]byte, 9)
	_, err = mem.ReadAt(buf, 5)
	c.Check(err)
	c.Say("%s", buf)
	_, err = mem.WriteAt([]byte("from there"), 50)
	c.Check(err)
	// It ends without Close: the kernel detaches.
})

// Each attach counts, and Close ends it at once, whether the memory was used or not, and even while a slice of it is out.
func TestAttachCounts(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) { // qemu-user forks to start processes, and each would hold the attaches for a moment
		return
	}
	seg := newSegment(t, 100)
	attaches := func() int { t.Helper(); return must(seg.Stat())(t).Attaches }
	var mems []*sysvipc.Memory
	for i := range 6 {
		mem := attach(t, seg, &sysvipc.AttachOptions{ReadOnly: i%2 == 1})
		switch i {
		case 0:
			must(mem.WriteAt([]byte("x"), 0))(t)
		case 1, 2:
			must(mem.ReadAt(make([]byte, 1), 0))(t)
		case 3:
			_ = mem.Bytes()
		}
		mems = append(mems, mem)
		if got := attaches(); got != i+1 {
			t.Fatalf("%d attaches, want %d", got, i+1)
		}
	}
	for i, mem := range mems {
		check(t, mem.Close())
		if got, want := attaches(), len(mems)-i-1; got != want {
			t.Fatalf("%d attaches after a Close, want %d", got, want)
		}
		if mem.Len() != 0 || mem.Bytes() != nil {
			t.Errorf("closed memory has %d bytes, and the slice %v", mem.Len(), mem.Bytes())
		}
		wantError(t, mem.Close(), "", fs.ErrClosed)
	}
	st := must(seg.Stat())(t)
	if st.LastPID != os.Getpid() || st.CreatorPID != os.Getpid() || st.Attached.IsZero() || st.Detached.IsZero() {
		t.Errorf("the segment is %+v", st)
	}
}

// One handle serves many goroutines, each with its own attach.
func TestAttachTogether(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 800)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for round := range 40 {
				mem, err := seg.Attach(nil)
				if err != nil {
					t.Error(err)
					return
				}
				text := fmt.Appendf(nil, "%d in %d", i, round)
				buf := make([]byte, len(text))
				if _, err := mem.WriteAt(text, int64(100*i)); err != nil {
					t.Error(err)
				}
				if _, err := mem.ReadAt(buf, int64(100*i)); err != nil || !bytes.Equal(buf, text) {
					t.Errorf("read %q, %v; want %q", buf, err, text)
				}
				if err := mem.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// What many goroutines do while another closes the memory is done, or answered with fs.ErrClosed: no read shows anything
// but what was written, and nothing faults.
func TestCloseDuringAccess(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	defer noForks()()
	seg := newSegment(t, size)
	pattern := bytes.Repeat([]byte{0xaa}, size)
	for range 30 {
		mem := attach(t, seg, nil)
		must(mem.WriteAt(pattern, 0))(t)
		var wg sync.WaitGroup
		var started atomic.Int32
		for i := range 8 {
			wg.Go(func() {
				buf := make([]byte, size)
				for {
					var n int
					var err error
					switch started.Add(1); i % 3 {
					case 0:
						n, err = mem.ReadAt(buf, 0)
						if err == nil && !bytes.Equal(buf, pattern) {
							t.Error("a read that succeeded shows what nobody wrote")
						}
					case 1:
						n, err = mem.WriteAt(pattern, 0)
					case 2:
						if l := mem.Len(); l != 0 && l != size {
							t.Errorf("Len is %d", l)
						} else if n = l; l == 0 {
							err = fs.ErrClosed
						}
					}
					switch {
					case err == nil && n == size:
					case n == 0 && errors.Is(err, fs.ErrClosed):
						return
					default:
						t.Errorf("%d, %v", n, err)
						return
					}
				}
			})
		}
		for started.Load() < 8 {
			runtime.Gosched()
		}
		check(t, mem.Close())
		wg.Wait()
	}
	if st := must(seg.Stat())(t); st.Attaches != 0 {
		t.Errorf("%d attaches are left", st.Attaches)
	}
}

// The address range of memory that was closed goes back to the kernel.
func TestAddressesAreGivenBack(t *testing.T) {
	t.Parallel()
	ipctest.Start(t, addresses, nil, "given back", fmt.Sprint(newSegment(t, 256<<10).ID())).Finish() // 2.5 GiB in all
}

// Where addresses are scarce they are given back before there is a collection: without that this would need 400 GiB, or
// with 32 bits 12 GiB.
func TestAddressesAreEnough(t *testing.T) {
	t.Parallel()
	size := int64(4 << 30)
	if ^uint(0)>>32 == 0 {
		size = 128 << 20
	} else if ipctest.UnderQEMU() {
		t.Skip("needs large mappings, which qemu-user takes seconds for")
	}
	for _, use := range []string{"enough", "enough for slices"} {
		ipctest.Start(t, addresses, nil, use, fmt.Sprint(newLargeSegment(t, size).ID())).Finish()
	}
	if ^uint(0)>>32 == 0 { // where no second one fits beside a closed one
		ipctest.Start(t, addresses, nil, "enough for slices", fmt.Sprint(newLargeSegment(t, 2000<<20).ID())).Finish()
	}
}

// newLargeSegment makes a segment whose memory is not reserved.
func newLargeSegment(t *testing.T, size int64) *sysvipc.Segment {
	t.Helper()
	seg := must(sysvipc.Creator{NoReserve: true}.CreateSegment(sysvipc.Private, size, 0o600))(t)
	t.Cleanup(func() { _ = seg.Remove() })
	return seg
}

// addresses looks at its own address space, to which nobody else maps.
var addresses = ipctest.Register("addresses", func(c *ipctest.ChildEnv) {
	seg := segmentArg(c, 1)
	st, err := seg.Stat()
	c.Check(err)
	size, n := st.Size, 10_000
	if c.Args[0] != "given back" {
		debug.SetGCPercent(-1) // no collection but those that are asked for
		n = 100
	}
	use := func() {
		mem, err := seg.Attach(nil)
		c.Check(err)
		if c.Args[0] == "enough for slices" {
			mem.Bytes()[0] = 1
		} else {
			_, err = mem.WriteAt([]byte{1}, 0)
			c.Check(err)
		}
		c.Check(mem.Close())
	}
	use()
	before, most := addressSpace(c), space{}
	for i := range n {
		if use(); i%100 == 0 || n == 100 {
			now := addressSpace(c)
			most.mappings, most.bytes = max(most.mappings, now.mappings), max(most.bytes, now.bytes)
		}
	}
	// As much may be kept for slices as waits for the collector.
	limit := map[string]int64{"enough": 30, "enough for slices": 50, "given back": 10_000}[c.Args[0]]
	if most.bytes > before.bytes+limit*size {
		c.Fatalf("up to %d GiB of addresses were taken, want no more than %d", most.bytes>>30, (before.bytes+limit*size)>>30)
	}
	if c.Args[0] == "enough for slices" {
		return
	}
	for end := time.Now().Add(time.Minute); ; {
		runtime.GC()
		after := addressSpace(c)
		if after.mappings <= before.mappings+200 && after.bytes <= before.bytes+1<<30 {
			return
		}
		if time.Now().After(end) {
			c.Fatalf("%d attaches later there are %d mappings of %d MiB, before %d of %d MiB",
				n, after.mappings, after.bytes>>20, before.mappings, before.bytes>>20)
		}
	}
})

type space struct {
	mappings int
	bytes    int64
}

func addressSpace(c *ipctest.ChildEnv) (s space) {
	text, err := os.ReadFile("/proc/self/maps")
	c.Check(err)
	for line := range strings.Lines(string(text)) {
		var from, to uint64
		_, err := fmt.Sscanf(line, "%x-%x", &from, &to)
		c.Check(err)
		s.mappings++
		s.bytes += int64(to - from)
	}
	return s
}

// Where the kernel refuses the zeros that take the segment's place, the detach waits for the collector.
func TestStrictOvercommit(t *testing.T) {
	t.Parallel()
	ipctest.NeedFault(t)
	if mmap[runtime.GOARCH] == 0 {
		t.Skip("needs the number of mmap on " + runtime.GOARCH)
	}
	seg := newSegment(t, 100)
	for _, slice := range []string{"no slice", "slice"} {
		p := ipctest.Start(t, strictOvercommit, nil, fmt.Sprint(seg.ID()), slice)
		p.Expect("detached")
		p.Finish()
	}
	if got := string(attach(t, seg, nil).Bytes()[:7]); got != "written" {
		t.Errorf("the segment has %q", got)
	}
}

var mmap = map[string]uintptr{"amd64": 9, "arm64": 222, "riscv64": 222, "loong64": 222}

var strictOvercommit = ipctest.Register("strict overcommit", func(c *ipctest.ChildEnv) {
	const flags = syscall.MAP_FIXED | syscall.MAP_NORESERVE | syscall.MAP_PRIVATE
	c.Check(ipctest.Fault(mmap[runtime.GOARCH], syscall.ENOMEM,
		ipctest.Match{Arg: 2, Value: syscall.PROT_READ | syscall.PROT_WRITE}, ipctest.Match{Arg: 3, Value: flags, Mask: flags}))
	seg := segmentArg(c, 0)
	var forgotten []byte
	func() {
		mem, err := seg.Attach(nil)
		c.Check(err)
		_, err = mem.WriteAt([]byte("written"), 0)
		c.Check(err)
		if c.Args[1] == "slice" {
			forgotten = mem.Bytes()
		}
		c.Check(mem.Close())
		if _, err := mem.WriteAt([]byte("too late"), 0); !errors.Is(err, fs.ErrClosed) {
			c.Fatal("a write after Close:", err)
		}
		st, err := seg.Stat()
		c.Check(err)
		if st.Attaches != 1 {
			c.Fatalf("%d attaches: the fault does not work", st.Attaches)
		}
		runtime.KeepAlive(mem)
	}()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); runtime.GC() {
		st, err := seg.Stat()
		c.Check(err)
		if st.Attaches == 0 {
			if forgotten != nil && !strings.HasPrefix(mappedAs(c, uintptr(unsafe.Pointer(&forgotten[0]))), "---p") {
				c.Fatal("the forgotten slice does not fault")
			}
			c.Say("detached")
			return
		}
	}
	c.Fatal("it is still attached")
})

// A slice that is used after Close does not see memory of others: zeros at first, and a fault soon after, which Go can
// turn into a panic.
func TestForgottenSlice(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 100)
	var forgotten []byte
	func() {
		mem := must(seg.Attach(nil))(t)
		forgotten = mem.Bytes()
		copy(forgotten, "secret")
		check(t, mem.Close())
		if forgotten[0] != 0 {
			t.Errorf("after Close the slice shows %q", forgotten[:6])
		}
		forgotten[0] = 'x' // goes nowhere
		runtime.KeepAlive(mem)
	}()
	if got := attach(t, seg, nil).Bytes(); string(got[:6]) != "secret" {
		t.Errorf("a write to a closed slice reached the segment: %q", got[:6])
	}
	faults := func() (faulted bool) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if r := recover(); r != nil {
				addr, ok := r.(interface{ Addr() uintptr })
				faulted = ok && addr.Addr() == uintptr(unsafe.Pointer(&forgotten[0])) || ipctest.UnderQEMU() // which may not tell
			}
		}()
		if forgotten[0] != 0 && forgotten[0] != 'x' {
			t.Errorf("the slice shows %q", forgotten)
		}
		return false
	}
	for end := time.Now().Add(time.Minute); !faults(); runtime.GC() {
		if time.Now().After(end) {
			t.Fatal("the slice does not fault")
		}
	}
	// A mapping that is made from now on does not get the range.
	for range 100 {
		attach(t, seg, nil)
	}
	if !faults() {
		t.Error("the address range has a new owner")
	}
}

// Writing through the slice of a read-only attach faults, and changes nothing.
func TestReadOnlyFaults(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 10)
	mem := attach(t, seg, &sysvipc.AttachOptions{ReadOnly: true})
	func() {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() == nil {
				t.Error("a write through a read-only attach did not fault")
			}
		}()
		mem.Bytes()[0] = 1
	}()
	if got := attach(t, seg, nil).Bytes()[0]; got != 0 {
		t.Errorf("the write through a read-only attach changed the byte to %d", got)
	}
}

// freeAddress returns a multiple of SHMLBA at which n bytes are free, far from where the kernel maps what asks for no
// address: they stay free, for the caller.
func freeAddress(n uintptr) uintptr {
	base := uint64(0x6000_0000)
	if ^uint(0)>>32 != 0 {
		base = 1 << 36
	}
	n = (n + 2*lba) &^ (lba - 1)
	return uintptr(base + taken.Add(uint64(n)) - uint64(n))
}

var taken atomic.Uint64

// An attach that is refused by its address leaves the segment as it was, never attached.
func TestRefusedAddressLeavesNoTrace(t *testing.T) {
	t.Parallel()
	seg, other := newSegment(t, 100), newSegment(t, 100)
	at := freeAddress(lba)
	mem := must(other.Attach(&sysvipc.AttachOptions{Addr: at}))(t)
	defer mem.Close()
	for _, opts := range []sysvipc.AttachOptions{{Addr: 0x12345}, {Addr: at}, {Addr: at, Replace: true}} {
		if _, err := seg.Attach(&opts); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%+v: got %v, want EINVAL", opts, err)
		}
		if st := must(seg.Stat())(t); !st.Attached.IsZero() || !st.Detached.IsZero() {
			t.Errorf("%+v: it was attached at %v and detached at %v", opts, st.Attached, st.Detached)
		}
	}
}

// mapForeign maps memory that is not ours to an address that is free.
func mapForeign(c fataler, addr, n uintptr) {
	p := *(*unsafe.Pointer)(unsafe.Pointer(&addr)) // nothing is mapped there, and Go has nothing there
	got, err := unix.MmapPtr(-1, 0, p, n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED_NOREPLACE)
	if err != nil || got != p {
		c.Fatal("mmap at an address: ", got, err)
	}
}

func TestAttachAddress(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 100)
	at := freeAddress(4 * lba)
	mapForeign(t, at, 4*lba)

	_, err := seg.Attach(&sysvipc.AttachOptions{Addr: at})
	wantError(t, err, fmt.Sprintf("sysvipc: attach segment %d: invalid argument (no attach is possible at %#x: it is not a multiple of SHMLBA, or memory is mapped there (see Round and Replace))", seg.ID(), at), syscall.EINVAL)

	mem := must(seg.Attach(&sysvipc.AttachOptions{Addr: at, Replace: true}))(t)
	if got := uintptr(unsafe.Pointer(&mem.Bytes()[0])); got != at {
		t.Errorf("attached at %#x, want %#x", got, at)
	}
	must(mem.WriteAt([]byte("here"), 0))(t)

	rounded := must(seg.Attach(&sysvipc.AttachOptions{Addr: at + lba + 123, Round: true, Replace: true, ReadOnly: true}))(t)
	got := uintptr(unsafe.Pointer(&rounded.Bytes()[0]))
	if got > at+lba+123 || got <= at+lba+123-lba || string(rounded.Bytes()[:4]) != "here" {
		t.Errorf("attached at %#x with %q, want %#x rounded down", got, rounded.Bytes()[:4], at+lba+123)
	}
	check(t, rounded.Close())
	check(t, mem.Close())

	// An address at which nothing is mapped needs no Replace.
	free := attach(t, seg, nil)
	start := uintptr(unsafe.Pointer(&free.Bytes()[0]))
	_, err = seg.Attach(&sysvipc.AttachOptions{Addr: start})
	wantError(t, err, "", syscall.EINVAL)

	check(t, seg.Chmod(0o700))
	code := attach(t, seg, &sysvipc.AttachOptions{Exec: true, ReadOnly: true})
	if perms := mappedAs(t, uintptr(unsafe.Pointer(&code.Bytes()[0]))); perms != "r-xs" && !ipctest.UnderQEMU() {
		t.Errorf("attached with Exec and ReadOnly: %s", perms)
	}
}

// mappedAs returns the permissions with which an address is mapped, such as "rw-s", or "" if it is not.
func mappedAs(c fataler, addr uintptr) string {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		c.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var from, to uint64
		var perms string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms); err != nil {
			c.Fatal(err)
		}
		if from <= uint64(addr) && uint64(addr) < to {
			return perms
		}
	}
	return ""
}

// fataler is a test, or its child.
type fataler interface{ Fatal(...any) }

// Who holds the memory may touch it after Close, at any time later, as zeros that go nowhere.
func TestHold(t *testing.T) {
	t.Parallel()
	defer noForks()()
	seg := newSegment(t, 8192)
	bytes, hold := func() ([]byte, any) {
		mem := must(seg.Attach(nil))(t)
		bytes, hold := mem.Hold()
		copy(bytes, "written")
		check(t, mem.Close())
		if late, none := mem.Hold(); late != nil || none != nil {
			t.Error("closed memory can be held")
		}
		return bytes, hold
	}()
	if st := must(seg.Stat())(t); st.Attaches != 0 {
		t.Errorf("%d attaches are left", st.Attaches)
	}
	for range 5 {
		runtime.GC()
		attach(t, seg, nil)
		if bytes[0] != 0 || bytes[8191] != 0 {
			t.Fatalf("the held memory has %q", bytes[:10])
		}
	}
	bytes[1] = 'x'
	runtime.KeepAlive(hold)
	if got := string(attach(t, seg, nil).Bytes()[:8]); got != "written\x00" {
		t.Errorf("the segment has %q", got)
	}
}

// A segment that is removed lives on with its attaches: by ID it can still be attached, its key is free, and it goes with
// the last detach.
func TestRemovedWhileAttached(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) { // qemu-user forks to start processes, and each would hold the attaches for a moment
		return
	}
	needModes(t)
	key := newKey(t)
	seg := must(sysvipc.CreateSegment(key, 100, 0o600))(t)
	mem := attach(t, seg, nil)
	must(mem.WriteAt([]byte("survives"), 0))(t)
	check(t, seg.Remove())

	_, err := sysvipc.OpenSegment(key)
	wantError(t, err, "", enoent...)
	fresh := must(sysvipc.CreateSegment(key, 50, 0o600))(t)
	if fresh.ID() == seg.ID() {
		t.Errorf("the new segment has the ID of the removed one: %d", fresh.ID())
	}
	st := must(seg.Stat())(t)
	if !st.Destroyed || st.Key != sysvipc.Private || st.Attaches != 1 || st.Size != 100 {
		t.Errorf("the removed segment is %+v, want it destroyed, without a key, and attached", st)
	}
	second := must(sysvipc.SegmentByID(seg.ID()).Attach(nil))(t)
	if got := string(second.Bytes()[:8]); got != "survives" {
		t.Errorf("the removed segment has %q", got)
	}
	listed := 0
	for st, err := range sysvipc.Segments() {
		check(t, err)
		if st.ID == seg.ID() && st.Destroyed && st.Attaches == 2 {
			listed++
		}
	}
	if listed != 1 {
		t.Errorf("the removed segment is listed %d times", listed)
	}
	check(t, mem.Close())
	check(t, second.Close())
	wantError(t, err1(seg.Stat()), "", removed...)
	wantError(t, err1(seg.Attach(nil)), "", removed...)
	if mem := attach(t, fresh, nil); mem.Len() != 50 || mem.Bytes()[0] != 0 {
		t.Errorf("the new segment has %d bytes and %q", mem.Len(), mem.Bytes()[:8])
	}
}
