package shared

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// settle makes the region if it is raw, or its creator was killed, and checks it.
func (r *Region) settle(ctx context.Context, v *view, fresh *config) error {
	if len(v.bytes) < headerLen {
		return fmt.Errorf("%w: it has %d bytes", ErrNoRegion, len(v.bytes))
	}
	h := v.header()
	if s := atomic.LoadUint32(&h.state); s < stateReady {
		if !r.blank && v.foreign(fresh) {
			return errForeign
		}
		g, _, err := lockNode(ctx, &h.init, door{}, func(word uint32) { futexWait(&h.init.word, word, 0) })
		if err != nil {
			return err
		}
		if atomic.LoadUint32(&h.state) < stateReady {
			if fresh == nil {
				g.unlock(&h.init)
				return fmt.Errorf("its creator has not finished it, or was killed at it: open it with Ensure")
			}
			var stamp [16]byte
			if r.segment != nil {
				stamp = stampOf(r.segment.ID())
			}
			blank := r.blank && atomic.LoadUint32(&h.state) == stateRaw
			err = v.format(*fresh, stamp, blank)
		}
		g.unlock(&h.init)
		if err != nil {
			return err
		}
	}
	return r.check(v)
}

// format makes a region out of raw memory, or of what a killed creator has left. The
// init lock is held. Blank memory is all zeros: it is not written to, nor read, since the
// kernel takes a page for each that is touched.
func (v *view) format(c config, stamp [16]byte, blank bool) error {
	c.size = uint64(len(v.bytes))
	p := c.layout()
	if p.heap > c.size {
		return fmt.Errorf("it has %d bytes, and needs %d for %d participants and %d entries, and more for what is in it", c.size, p.heap, c.slots, c.entries)
	}
	h := v.header()
	h.magic, h.version = magic, version
	atomic.StoreUint32(&h.state, stateStarted)
	if !blank {
		clear(v.bytes[p.slots:p.heap])
	}
	h.dir = node{}
	h.config, h.boot = c, stamp
	h.sum = c.checksum()
	h.free = roundUp(p.heap, line)
	atomic.StoreUint32(&h.state, stateReady)
	return nil
}

var errForeign = fmt.Errorf("%w, and belongs to another program: it does not begin as a region does", ErrNoRegion)

// foreign reports whether memory that is no region yet is not to become one: a creator
// begins with the magic, and what it takes is as the kernel has made it, but for the init
// lock of those who come at the same time.
func (v *view) foreign(fresh *config) bool {
	h, end := v.header(), uint64(headerLen)
	if fresh != nil {
		end = min(fresh.layout().heap, uint64(len(v.bytes)))
	}
	before, after := unsafe.Offsetof(h.init), unsafe.Offsetof(h.init)+unsafe.Sizeof(h.init)
	raw := h.magic == [8]byte{} && allZero(v.bytes[:before]) && allZero(v.bytes[after:end])
	// Another creator may have come meanwhile.
	return !raw && h.magic != magic
}

var zeros [4096]byte

func allZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// check copies the region's config and looks whether it can be true.
func (r *Region) check(v *view) error {
	h := v.header()
	switch s := atomic.LoadUint32(&h.state); {
	case h.magic != magic:
		return errForeign
	case h.version != version:
		return fmt.Errorf("it was made by another release: its layout has version %d, and this program knows version %d; use programs of one release, or remove it when nobody uses it, to have it made anew", h.version, version)
	case s != stateReady:
		return fmt.Errorf("%w: state %d", errCorrupt, s)
	}
	r.config = h.config
	if sum := h.sum; sum != r.config.checksum() {
		return fmt.Errorf("%w: the header's checksum is wrong", errCorrupt)
	}
	var err error
	if r.plan, err = r.config.plan(uint64(len(v.bytes))); err != nil {
		return err
	}
	switch stored := cString(r.config.name[:]); {
	case r.file != nil || stored == r.name:
	case r.name == "":
		return fmt.Errorf("it is region %q, which has a name: use Open or Ensure", stored)
	case stored == "":
		return errors.New("it is a region without a name, which was made under the key that the name has: give this one another name, or use EnsureKey")
	default:
		return fmt.Errorf("it is region %q: two names with one key; give one of them another name, or use EnsureKey", stored)
	}
	return nil
}

// cString is b up to its first NUL.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
