package sysvipc

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// AttachOptions are the rarer choices of shmat(2).
type AttachOptions struct {
	ReadOnly bool    // SHM_RDONLY; the mode needs to grant reading only
	Exec     bool    // SHM_EXEC: code in the segment may run
	Addr     uintptr // attach here; 0 lets the kernel choose
	Round    bool    // SHM_RND: round Addr down to a multiple of SHMLBA
	Replace  bool    // SHM_REMAP: replace what is mapped at Addr. The Go heap is mapped memory too
}

// Memory is a segment attached to this process. It is the only thing of this
// package to close. It implements [io.ReaderAt] and [io.WriterAt].
//
// Its bytes belong to every process that has the segment attached, and nobody
// orders access to them: guard them with a [Semaphore], or use package shared.
// ReadAt and WriteAt copy, check bounds first, and answer [fs.ErrClosed] after
// Close. Safe for concurrent use; a Close beside a ReadAt or WriteAt is safe, too.
type Memory struct {
	at       atomic.Pointer[mapping] // nil once closed
	used     atomic.Bool             // somebody has read or written: see Close
	readOnly bool
	segment  object
	mapping  mapping // what at points to: one allocation for both
}

// mapping is the address range of one attach. Whoever has a *mapping may touch its
// bytes: the range is given back to the kernel only when the collector finds that
// nobody has it, or the Memory that it is part of.
type mapping struct {
	bytes []byte
	lent  atomic.Bool // somebody has got the slice itself: see Bytes
}

// Attach maps the segment into this process: shmat(2). Nil options attach it for
// reading and writing at an address of the kernel's choice.
func (s *Segment) Attach(opts *AttachOptions) (*Memory, error) {
	if opts == nil {
		opts = &AttachOptions{}
	}
	if opts.Addr == 0 && (opts.Round || opts.Replace) {
		return nil, s.refuse("attach", syscall.EINVAL, "Round and Replace need an Addr")
	}
	at := now()
	size, ok := s.size.get(at)
	if !ok {
		st, err := s.Stat()
		if err != nil {
			return nil, err
		}
		if uint64(st.Size) > math.MaxInt {
			return nil, s.refuse("attach", syscall.ENOMEM, "%d bytes do not fit this process's address space", st.Size)
		}
		size = st.Size
		s.size.set(size, at)
	}
	flags := opts.flags()
	addr, errno := sysv.Shmat(s.id, opts.Addr, flags)
	for tries := 0; errno == syscall.ENOMEM && tries < 3 && reclaim(); tries++ {
		addr, errno = sysv.Shmat(s.id, opts.Addr, flags)
	}
	if errno != 0 {
		return nil, s.fail("attach", errno, s.attachHint(errno, opts, size))
	}
	// The kernel has mapped size bytes at addr, and they stay mapped as long as the
	// mapping is reachable.
	bytes := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), size)
	m := &Memory{readOnly: opts.ReadOnly, segment: s.object}
	m.mapping.bytes = bytes
	m.at.Store(&m.mapping)
	return m, nil
}

func (o *AttachOptions) flags() int {
	flags := 0
	if o.ReadOnly {
		flags |= sysv.SHM_RDONLY
	}
	if o.Exec {
		flags |= sysv.SHM_EXEC
	}
	if o.Round {
		flags |= sysv.SHM_RND
	}
	if o.Replace {
		flags |= sysv.SHM_REMAP
	}
	return flags
}

func (s *Segment) attachHint(errno syscall.Errno, opts *AttachOptions, size int64) string {
	switch {
	case errno == syscall.EINVAL && opts.Addr != 0:
		if _, err := s.Stat(); err == nil {
			return fmt.Sprintf("no attach is possible at %#x: it is not a multiple of SHMLBA, or memory is mapped there (see Round and Replace)", opts.Addr)
		}
	case errno == syscall.EACCES && !opts.ReadOnly:
		return "its mode does not grant reading and writing: try ReadOnly"
	case errno == syscall.ENOMEM:
		return fmt.Sprintf("no room for %d bytes in the address space, or too many mappings: see vm.max_map_count", size)
	}
	return ""
}

// knownSize is the size of a segment, which never changes, to spare Attach a call. But
// the kernel uses IDs again, after 65,536 creations at the earliest, and a slice that is
// longer than the segment would show memory of someone else. So it is believed only for
// a moment after the kernel gave it, too short for that many creations.
type knownSize struct {
	size atomic.Int64
	seen atomic.Int64 // by the clock of now
}

const believed = int64(100 * time.Millisecond)

func (k *knownSize) set(size, seen int64) {
	k.size.Store(size)
	k.seen.Store(seen)
}

func (k *knownSize) get(now int64) (size int64, ok bool) {
	seen := k.seen.Load()
	return k.size.Load(), seen != 0 && now-seen < believed
}

var start = time.Now()

// now is the time since the program started, and never 0.
func now() int64 { return int64(time.Since(start)) + 1 }

// Len returns the size of the memory in bytes, or 0 after Close.
func (m *Memory) Len() int {
	if at := m.at.Load(); at != nil {
		return len(at.bytes)
	}
	return 0
}

// enter returns the mapping, or nil after Close. Either this sees that m is closed,
// or Close sees that m is used: both are sequentially consistent.
func (m *Memory) enter() *mapping {
	if !m.used.Load() {
		m.used.Store(true)
	}
	return m.at.Load()
}

// ReadAt copies bytes out of the memory, as [io.ReaderAt] wants it: fewer than
// len(p) only with [io.EOF]. A copy that others write at the same time may be torn.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	at := m.enter()
	if at == nil || off < 0 {
		return 0, m.refuseAt("read", at, off, len(p))
	}
	if off >= int64(len(at.bytes)) && len(p) > 0 {
		return 0, io.EOF
	}
	n := 0
	if len(p) > 0 {
		n = copy(p, at.bytes[off:])
	}
	if m.at.Load() != at { // closed meanwhile: p may be of the zeros that Close put there
		return 0, m.refuseAt("read", nil, off, len(p))
	}
	runtime.KeepAlive(at)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt copies bytes into the memory: all of p, or, where it does not fit, nothing
// and [ErrTooBig]. On a read-only attach it fails with [fs.ErrPermission].
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	at := m.enter()
	if at == nil || m.readOnly || off < 0 || off > int64(len(at.bytes))-int64(len(p)) {
		return 0, m.refuseAt("write", at, off, len(p))
	}
	n := copy(at.bytes[off:], p)
	if m.at.Load() != at { // closed meanwhile: p may have gone nowhere
		return 0, m.refuseAt("write", nil, off, len(p))
	}
	runtime.KeepAlive(at)
	return n, nil
}

// refuseAt says why an access is not possible.
func (m *Memory) refuseAt(op string, at *mapping, off int64, n int) error {
	e := &Error{Op: op, Kind: KindSegment, Key: m.segment.key, ID: m.segment.id, Err: syscall.EINVAL}
	switch {
	case at == nil:
		if e.Err = fs.ErrClosed; op != "close" {
			e.hint = "attach the segment again"
		}
	case off < 0:
		e.hint = fmt.Sprintf("offset %d is negative", off)
	case m.readOnly && op == "write":
		e.Err, e.hint = fs.ErrPermission, "it is attached read-only"
	default:
		e.Err, e.hint = ErrTooBig, fmt.Sprintf("%d bytes at offset %d do not fit into its %d; nothing was written", n, off, len(at.bytes))
	}
	return e
}

// Bytes returns the memory itself, shared with every other process, or nil after
// Close. No Go pointer may be stored in it. The slice is valid until Close: used
// later it shows zeros at first and faults soon after, but never memory of someone
// else. Writing through a read-only attach faults.
func (m *Memory) Bytes() []byte {
	at := m.enter()
	if at == nil {
		return nil
	}
	at.lent.Store(true)
	return at.bytes
}

// Hold returns the memory and something that holds it: as long as that is reachable, the
// slice may be touched, also after Close. What is touched after Close is lost: the slice
// shows zeros then. It is for code that reads and writes in place and cannot lock out a
// Close; keep the two together and end each access with runtime.KeepAlive(hold).
func (m *Memory) Hold() (bytes []byte, hold any) {
	at := m.enter()
	if at == nil {
		return nil, nil
	}
	return at.bytes, at
}

// Close detaches the memory: shmdt(2). A second Close is an error that is
// [fs.ErrClosed]; the segment itself stays.
func (m *Memory) Close() error {
	at := m.at.Swap(nil)
	if at == nil {
		return m.refuseAt("close", nil, 0, 0)
	}
	errno := at.detach(m.used.Load())
	if errno != 0 {
		return m.segment.fail("detach", errno, "")
	}
	return nil
}
