//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// foreign is an end that writes its own memory, and reads that of the other process by process_vm_readv(2). The number of
// the message lies before it.
type foreign struct {
	memory
	pid    int
	remote unix.RemoteIovec
	sent   uint64
	got    uint64
	buf    []byte
}

const foreignSize = 8 + small

func newForeign() (*foreign, error) {
	m, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	return &foreign{memory: m, buf: make([]byte, foreignSize)}, err
}

// where is what the other process has to know: this one, and an address in it.
func (f *foreign) where() []int {
	return []int{unix.Getpid(), int(uintptr(unsafe.Pointer(&f.memory[0])))}
}

func (f *foreign) reach(where []int) error {
	f.pid, f.remote = where[0], unix.RemoteIovec{Base: uintptr(where[1]), Len: foreignSize}
	return f.read()
}

// number is that of the last message, which is written after it.
func (f *foreign) number() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&f.memory[0])) }

func (f *foreign) send(p []byte) error {
	copy(f.memory[8:], p)
	f.sent++
	f.number().Store(f.sent)
	return nil
}

// read copies the other's memory.
func (f *foreign) read() error {
	local := unix.Iovec{Base: &f.buf[0], Len: foreignSize}
	_, _, e := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(f.pid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&f.remote)), 1, 0)
	return failed("process_vm_readv", e)
}

func (f *foreign) receive(p []byte) (int, error) {
	for {
		if err := f.read(); err != nil {
			return 0, err
		}
		if n := binary.NativeEndian.Uint64(f.buf); n != f.got {
			// The number may have been copied before the message was whole: what is copied now is.
			f.got = n
			if err := f.read(); err != nil {
				return 0, err
			}
			return copy(p, f.buf[8:]), nil
		}
	}
}

func (f *foreign) complete(l *link) error { return f.reach(l.Reply) }

func (f *foreign) store(p []byte) error { return f.send(p) }

func (f *foreign) load(p []byte) error {
	err := f.read()
	copy(p, f.buf[8:])
	return err
}

func offerForeign(l *link) (*foreign, error) {
	f, err := newForeign()
	if err != nil {
		return nil, err
	}
	// Where only a parent may trace its children, the second process has to be allowed.
	unix.Prctl(unix.PR_SET_PTRACER, uintptr(second), 0, 0, 0)
	l.Args = f.where()
	return f, nil
}

func joinForeign(l *link) (*foreign, error) {
	f, err := newForeign()
	if err != nil {
		return nil, err
	}
	l.Reply = f.where()
	return f, f.reach(l.Args)
}

var (
	foreignMemory = opener[end]{
		offer: func(l *link) (end, error) { return offerForeign(l) },
		join:  func(l *link) (end, error) { return joinForeign(l) },
	}
	foreignValues = opener[state]{
		offer: func(l *link) (state, error) { return offerForeign(l) },
		join:  func(l *link) (state, error) { return joinForeign(l) },
	}
)
