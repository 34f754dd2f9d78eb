package sysvipc

import (
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync/atomic"
	"syscall"
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

// Memory is a segment attached to this process. It is the only type of this
// package to close. It implements [io.ReaderAt] and [io.WriterAt].
//
// Its bytes belong to every process that has the segment attached, and nobody
// orders access to them: guard them with a [Semaphore], or use package shared.
// ReadAt and WriteAt copy, check bounds first, and answer [fs.ErrClosed] after
// Close. Safe for concurrent use; a Close beside a ReadAt or WriteAt is safe, too.
type Memory struct {
	mapping atomic.Pointer[mapping] // nil after Close
	segment object                  // what errors tell of it

	before, after *Memory // of those that are attached
}

// mapping is the address range of a [Memory]. Code that reads or writes it, or has a
// hold of it, has a pointer to the mapping, and a closed Memory has none: so the collector
// finds out when the range is not in use any more.
type mapping struct {
	start uintptr // no pointer: it is not the collector's
	size  int     // of the segment; the last page may have more
	state atomic.Uint32
}

// The bits of a mapping's state.
const (
	closed   = 1 << iota
	used     // it has been read or written: see Close
	lent     // the slice itself was handed out: see Bytes
	readOnly // writing faults
)

// Attach maps the segment into this process: shmat(2). Nil options attach it for
// reading and writing at an address of the kernel's choice. The memory is as long as
// the segment that has the ID at that instant.
//
// An address that a closed Memory had is free again at once. One where another Memory
// is attached is refused, with Replace too: close that first. While code of this
// process still uses a closed Memory's range ([Memory.Hold], or a long ReadAt or WriteAt
// that Close overtook), Attach waits for it, and fails after a second with EBUSY.
func (s *Segment) Attach(opts *AttachOptions) (*Memory, error) {
	if opts == nil {
		opts = &AttachOptions{}
	}
	if opts.Addr == 0 && (opts.Round || opts.Replace) {
		return nil, s.refuse("attach", syscall.EINVAL, "Round and Replace need an Addr")
	}
	m := &Memory{segment: s.object}
	if errno, hint := m.attach(opts.Addr, opts.flags()); errno != 0 {
		if hint == "" {
			hint = s.attachHint(errno, opts)
		}
		return nil, s.fail("attach", errno, hint)
	}
	return m, nil
}

// Close detaches the memory: shmdt(2). A second Close is an error that is
// [fs.ErrClosed]; the segment itself stays.
func (m *Memory) Close() error {
	p := m.mapping.Load()
	if p == nil {
		return m.refuseClosed("close")
	}
	state := p.state.Or(closed)
	if state&closed != 0 {
		return m.refuseClosed("close")
	}
	if errno := m.detach(p, state); errno != 0 {
		return m.segment.fail("detach", errno, "")
	}
	return nil
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

// access is what the mode of the segment must grant, and which option needs less.
func (o *AttachOptions) access() string {
	switch {
	case o.Exec && o.ReadOnly:
		return "reading and executing; an attach without Exec needs no x bit"
	case o.Exec:
		return "reading, writing and executing; an attach without Exec needs no x bit, a read-only one no w bit"
	}
	return "reading and writing; a read-only attach needs only reading"
}

func (s *Segment) attachHint(errno syscall.Errno, opts *AttachOptions) string {
	switch {
	case errno == syscall.EINVAL && opts.Addr != 0:
		if _, err := s.Stat(); err == nil {
			return fmt.Sprintf("no attach is possible at %#x: it is not a multiple of SHMLBA, or memory is mapped there (see Round and Replace)", opts.Addr)
		}
	case errno == syscall.EACCES && (opts.Exec || !opts.ReadOnly):
		hint := "its mode does not grant " + opts.access()
		if st, ok := s.statAny(); ok {
			hint += ": " + st.whose()
		}
		return hint
	case errno == syscall.ENOMEM:
		if st, err := s.Stat(); err == nil {
			return fmt.Sprintf("no room for %d bytes in the address space, or too many mappings: see vm.max_map_count", st.Size)
		}
	}
	return ""
}

// Len returns the size of the memory in bytes, or 0 after Close.
func (m *Memory) Len() int {
	if p := m.mapping.Load(); p != nil {
		return p.size
	}
	return 0
}

// Addr returns the address at which the memory begins, or 0 after Close. It is for
// [AttachOptions], here after Close or in another process, and for comparison with
// pointers inside of the memory; to read and write there is [Memory.Bytes].
func (m *Memory) Addr() uintptr {
	if p := m.mapping.Load(); p != nil {
		return p.start
	}
	return 0
}

// enter notes that the memory is used, and returns its mapping and the state of that, or
// nil after Close. Either this sees that it is closed, or Close sees that it is used.
// Code that has entered may touch the bytes as long as the mapping is reachable: only then
// does the range go back to the kernel.
func (m *Memory) enter() (*mapping, uint32) {
	p := m.mapping.Load()
	if p == nil {
		return nil, closed
	}
	state := p.state.Load()
	if state&used == 0 {
		state = p.state.Or(used)
	}
	if state&closed != 0 {
		return nil, state
	}
	return p, state
}

// bytes returns the range, for callers that have entered.
func (p *mapping) bytes() []byte {
	// The kernel has mapped size bytes at start, and they stay mapped as long as p is
	// reachable.
	return unsafe.Slice((*byte)(pointer(p.start)), p.size)
}

// pointer returns a pointer to memory that is not Go's.
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// ReadAt copies bytes out of the memory, as [io.ReaderAt] wants it: fewer than
// len(p) only with [io.EOF]. A copy that others write at the same time may be torn.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	at, _ := m.enter()
	if at == nil {
		return 0, m.refuseClosed("read")
	}
	if off < 0 {
		return 0, m.refuseOffset("read", off)
	}
	if off >= int64(at.size) && len(p) > 0 {
		return 0, io.EOF
	}
	n := 0
	if len(p) > 0 {
		n = copyBytes(p, at.bytes()[off:])
	}
	if at.state.Load()&closed != 0 { // meanwhile: p may be of the zeros that Close put there
		return 0, m.refuseClosed("read")
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
	at, state := m.enter()
	switch {
	case at == nil:
		return 0, m.refuseClosed("write")
	case off < 0:
		return 0, m.refuseOffset("write", off)
	case state&readOnly != 0:
		return 0, m.refuse("write", fs.ErrPermission, "it is attached read-only")
	case off > int64(at.size)-int64(len(p)):
		return 0, m.refuse("write", ErrTooBig, fmt.Sprintf("%d bytes at offset %d do not fit into its %d; nothing was written", len(p), off, at.size))
	}
	n := copyBytes(at.bytes()[off:], p)
	if at.state.Load()&closed != 0 { // meanwhile: p may have gone nowhere
		return 0, m.refuseClosed("write")
	}
	runtime.KeepAlive(at)
	return n, nil
}

// refuse says why an access is not possible.
func (m *Memory) refuse(op string, err error, hint string) error {
	return &Error{Op: op, Kind: KindSegment, Key: m.segment.key, ID: m.segment.ID(), Err: err, hint: hint}
}

func (m *Memory) refuseClosed(op string) error {
	if m.segment.kind == 0 {
		return notOpened(op)
	}
	hint := "attach the segment again"
	if op == "close" {
		hint = ""
	}
	return m.refuse(op, fs.ErrClosed, hint)
}

func (m *Memory) refuseOffset(op string, off int64) error {
	return m.refuse(op, syscall.EINVAL, fmt.Sprintf("offset %d is negative", off))
}

// Bytes returns the memory itself, shared with every other process, or nil after
// Close. No Go pointer may be stored in it. The slice is valid until Close: used
// later it shows zeros at first and faults soon after. Its addresses are kept for
// attaches to come: one that asks for them by Addr gets them, others do when many are
// kept (256 MiB with 32 bits, 64 GiB with 64), and a slice of before then shows the new
// memory. Nothing else gets them, unless this process runs out of addresses. Writing
// through a read-only attach faults.
func (m *Memory) Bytes() []byte {
	p := m.mapping.Load()
	if p == nil || p.state.Or(lent)&closed != 0 {
		return nil
	}
	return p.bytes()
}

// Hold returns the memory and something that holds it: as long as that is reachable, the
// slice may be touched, also after Close. What is touched after Close is lost: the slice
// shows zeros then. It is for code that reads and writes in place and cannot lock out a
// Close; keep the two together and end each access with runtime.KeepAlive(hold).
func (m *Memory) Hold() (bytes []byte, hold any) {
	p, _ := m.enter()
	if p == nil {
		return nil, nil
	}
	return p.bytes(), p
}
