// Package segread reads the bytes of a segment and changes as little as it can.
//
// There is one type, [View]. [Open] reads a segment through a process that has it attached, so that no
// field that the kernel keeps of it changes; [Attach] attaches it for a moment, which the kernel notes
// (atime, dtime, lpid, and nattch meanwhile); [Read] does that only where the former is not possible. Where the kernel lets it, the bytes are read from the
// memory file behind the attach: then pages that nobody has touched stay untouched, which [View.Data] passes over.
package segread

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/sysvipc/sysvipc"
)

// View reads a segment. Close it.
type View struct {
	// Through says how it is read, such as "process 123".
	Through string

	r    io.ReaderAt
	size int64
	file *os.File     // of the memory itself, with its holes
	all  bool         // there is nothing but zeros
	done func() error // frees what is behind r

	again func() (*View, error) // another way to read it, should this one end
}

// ReadAt reads bytes, as [io.ReaderAt] wants it.
func (v *View) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= v.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > v.size-off
	if short {
		p = p[:v.size-off]
	}
	n, err := v.r.ReadAt(p, off)
	if err != nil && err != io.EOF && v.again != nil {
		if err = v.replace(); err == nil {
			n, err = v.r.ReadAt(p, off)
		}
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// replace goes on in the other way.
func (v *View) replace() error {
	other, err := v.again()
	if err != nil {
		return err
	}
	v.Close()
	*v = *other
	return nil
}

// Spares reports whether pages that nobody has touched stay so when they are read, and take no memory.
func (v *View) Spares() bool { return v.file != nil || v.all }

// Size returns the segment's size in bytes.
func (v *View) Size() int64 { return v.size }

// Data returns the next range from off on that is not known to be untouched, and so zero. Behind the last one the
// error is [io.EOF].
func (v *View) Data(off int64) (start, end int64, err error) {
	switch {
	case off >= v.size || v.all:
		return 0, 0, io.EOF
	case v.file == nil:
		return off, v.size, nil
	}
	if start, err = v.file.Seek(off, seekData); err != nil {
		if isNoData(err) {
			return 0, 0, io.EOF
		}
		return off, v.size, nil // a memory file that knows of no holes
	}
	if end, err = v.file.Seek(start, seekHole); err != nil || end <= start {
		end = v.size
	}
	if start >= v.size {
		return 0, 0, io.EOF
	}
	return start, min(end, v.size), nil
}

// Close ends the reading.
func (v *View) Close() error {
	if v.done == nil {
		return nil
	}
	err := v.done()
	v.done = nil
	return err
}

// Read reads a segment through a process that has it attached. Where that is not possible, or that process ends while it is
// read, it attaches the segment, if may returns nil.
func Read(id int, may func() error) (*View, error) {
	attach := func() (*View, error) {
		if err := may(); err != nil {
			return nil, err
		}
		return Attach(id)
	}
	v, err := Open(id)
	switch {
	case err == nil:
		v.again = attach
	case errors.Is(err, fs.ErrPermission):
		return attach()
	}
	return v, err
}

// Attach reads a segment by attaching it, read-only: until Close, or, where the kernel shows the memory as a file, for
// a moment.
func Attach(id int) (*View, error) {
	mem, err := sysvipc.SegmentByID(id).Attach(&sysvipc.AttachOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	v := Over(mem, id)
	if v.file == nil {
		v.done = mem.Close
		return v, nil
	}
	if err := mem.Close(); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// Over reads a segment that this process has attached, and leaves it attached.
func Over(mem *sysvipc.Memory, id int) *View {
	v := &View{Through: "an attach of its own", r: mem, size: int64(mem.Len())}
	if file, err := mappedFile(id, v.size, os.O_RDONLY); err == nil {
		v.r, v.file, v.done = file, file, file.Close
		return v
	}
	v.all = untouched(id)
	return v
}

// File opens the memory of a segment that this process has attached as a file, for reading and writing. It needs
// CAP_CHECKPOINT_RESTORE. Through it whole ranges are copied where memory would fault page by page.
func File(mem *sysvipc.Memory, id int) (*os.File, error) {
	return mappedFile(id, int64(mem.Len()), os.O_RDWR)
}

// untouched reports whether no page of the segment was ever touched. Only the list of all
// segments tells.
func untouched(id int) bool {
	for st, err := range sysvipc.Segments() {
		if err != nil {
			return false
		}
		if st.ID == id {
			return st.Resident == 0 && st.SwappedOut == 0
		}
	}
	return false
}
