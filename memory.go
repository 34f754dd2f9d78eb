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
	state atomic.Uint32
	key   Key // of the segment, like id
	id    int
	start uintptr // of the mapping, like size; no pointer, so that the collector has less to do
	size  int
}

// The bits of a Memory's state.
const (
	closed   = 1 << iota
	used     // somebody has read or written: see Close
	lent     // somebody has got the slice itself: see Bytes
	readOnly // writing faults
)

// Attach maps the segment into this process: shmat(2). Nil options attach it for
// reading and writing at an address of the kernel's choice.
func (s *Segment) Attach(opts *AttachOptions) (*Memory, error) {
	var addr uintptr
	flags := 0
	if opts != nil {
		if opts.Addr == 0 && (opts.Round || opts.Replace) {
			return nil, s.refuse("attach", syscall.EINVAL, "Round and Replace need an Addr")
		}
		addr, flags = opts.Addr, opts.flags()
	}
	size := s.size.get()
	if size == 0 {
		var err error
		if size, err = s.readSize(); err != nil {
			return nil, err
		}
	}
	start, errno := sysv.Shmat(s.ID(), addr, flags)
	if errno != 0 {
		if start, errno = s.attachAgain(errno, addr, flags); errno != 0 {
			return nil, s.fail("attach", errno, s.attachHint(errno, opts, size))
		}
	}
	m := &Memory{key: s.key, id: s.ID(), start: start, size: int(size)}
	if flags&sysv.SHM_RDONLY != 0 {
		m.state.Store(readOnly)
	}
	return m, nil
}

// Close detaches the memory: shmdt(2). A second Close is an error that is
// [fs.ErrClosed]; the segment itself stays.
func (m *Memory) Close() error {
	state := m.state.Or(closed)
	switch {
	case state&closed != 0:
		return m.refuseAt("close", closed, 0, 0)
	case state&used != 0:
		m.detach(state&lent != 0)
		return nil
	}
	if errno := sysv.Shmdt(m.start); errno != 0 {
		return m.segment().fail("detach", errno, "")
	}
	return nil
}

// readSize asks the kernel for the segment's size.
func (s *Segment) readSize() (int64, error) {
	st, err := s.stat("attach")
	if err != nil {
		return 0, err
	}
	if uint64(st.Size) > math.MaxInt {
		return 0, s.refuse("attach", syscall.ENOMEM, "%d bytes do not fit this process's address space", st.Size)
	}
	s.size.set(st.Size)
	return st.Size, nil
}

// attachAgain attaches after the collector has made room in a full address space.
func (s *Segment) attachAgain(errno syscall.Errno, addr uintptr, flags int) (start uintptr, _ syscall.Errno) {
	for tries := 0; errno == syscall.ENOMEM && tries < 3 && reclaim(); tries++ {
		start, errno = sysv.Shmat(s.ID(), addr, flags)
	}
	return start, errno
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
	if opts == nil {
		opts = &AttachOptions{}
	}
	switch {
	case errno == syscall.EINVAL && opts.Addr != 0:
		if _, err := s.Stat(); err == nil {
			return fmt.Sprintf("no attach is possible at %#x: it is not a multiple of SHMLBA, or memory is mapped there (see Round and Replace)", opts.Addr)
		}
	case errno == syscall.EACCES && !opts.ReadOnly:
		return "its mode does not grant reading and writing: attach it read-only"
	case errno == syscall.ENOMEM:
		return fmt.Sprintf("no room for %d bytes in the address space, or too many mappings: see vm.max_map_count", size)
	}
	return ""
}

// knownSize is the size of a segment, which never changes, to spare Attach a call. But
// the kernel uses IDs again, after 65,536 creations at the earliest, and a slice that is
// longer than the segment would show memory of someone else. So it is believed only for
// a moment after the kernel gave it, too short for that many creations; then a timer
// forgets it, since to look at a clock would cost each Attach more than all else here.
type knownSize struct{ size atomic.Int64 } // 0 is not known

const believed = 100 * time.Millisecond

func (k *knownSize) set(size int64) {
	k.size.Store(size)
	time.AfterFunc(believed, func() { k.size.Store(0) })
}

func (k *knownSize) get() int64 { return k.size.Load() }

// Len returns the size of the memory in bytes, or 0 after Close.
func (m *Memory) Len() int {
	if m.state.Load()&closed != 0 {
		return 0
	}
	return m.size
}

// enter notes that m is used, and returns its state. Either this sees that m is closed,
// or Close sees that m is used. Whoever has entered may touch the bytes as long as m is
// reachable: only then does the range go back to the kernel.
func (m *Memory) enter() uint32 {
	state := m.state.Load()
	if state&used == 0 {
		state = m.state.Or(used)
	}
	return state
}

// bytes returns the range, for those who have entered.
func (m *Memory) bytes() []byte {
	// The kernel has mapped size bytes at start, and they stay mapped as long as m is
	// reachable.
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&m.start))), m.size)
}

// ReadAt copies bytes out of the memory, as [io.ReaderAt] wants it: fewer than
// len(p) only with [io.EOF]. A copy that others write at the same time may be torn.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	state := m.enter()
	if state&closed != 0 || off < 0 {
		return 0, m.refuseAt("read", state, off, len(p))
	}
	if off >= int64(m.size) && len(p) > 0 {
		return 0, io.EOF
	}
	n := 0
	if len(p) > 0 {
		n = copyBytes(p, m.bytes()[off:])
	}
	if m.state.Load()&closed != 0 { // meanwhile: p may be of the zeros that Close put there
		return 0, m.refuseAt("read", closed, off, len(p))
	}
	runtime.KeepAlive(m)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt copies bytes into the memory: all of p, or, where it does not fit, nothing
// and [ErrTooBig]. On a read-only attach it fails with [fs.ErrPermission].
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	state := m.enter()
	if state&(closed|readOnly) != 0 || off < 0 || off > int64(m.size)-int64(len(p)) {
		return 0, m.refuseAt("write", state, off, len(p))
	}
	n := copyBytes(m.bytes()[off:], p)
	if m.state.Load()&closed != 0 { // meanwhile: p may have gone nowhere
		return 0, m.refuseAt("write", closed, off, len(p))
	}
	runtime.KeepAlive(m)
	return n, nil
}

// refuseAt says why an access is not possible.
func (m *Memory) refuseAt(op string, state uint32, off int64, n int) error {
	e := &Error{Op: op, Kind: KindSegment, Key: m.key, ID: m.id, Err: syscall.EINVAL}
	switch {
	case state&closed != 0:
		if e.Err = fs.ErrClosed; op != "close" {
			e.hint = "attach the segment again"
		}
	case off < 0:
		e.hint = fmt.Sprintf("offset %d is negative", off)
	case state&readOnly != 0 && op == "write":
		e.Err, e.hint = fs.ErrPermission, "it is attached read-only"
	default:
		e.Err, e.hint = ErrTooBig, fmt.Sprintf("%d bytes at offset %d do not fit into its %d; nothing was written", n, off, m.size)
	}
	return e
}

// segment returns what errors tell of the segment.
func (m *Memory) segment() object { return object{KindSegment, m.key, handleOf(m.id)} }

// Bytes returns the memory itself, shared with every other process, or nil after
// Close. No Go pointer may be stored in it. The slice is valid until Close: used
// later it shows zeros at first and faults soon after, but never memory of someone
// else. Writing through a read-only attach faults.
func (m *Memory) Bytes() []byte {
	if m.state.Or(used|lent)&closed != 0 {
		return nil
	}
	return m.bytes()
}

// Hold returns the memory and something that holds it: as long as that is reachable, the
// slice may be touched, also after Close. What is touched after Close is lost: the slice
// shows zeros then. It is for code that reads and writes in place and cannot lock out a
// Close; keep the two together and end each access with runtime.KeepAlive(hold).
func (m *Memory) Hold() (bytes []byte, hold any) {
	if m.enter()&closed != 0 {
		return nil, nil
	}
	return m.bytes(), m
}
