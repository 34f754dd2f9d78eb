package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// initialise makes the region if it is raw, or its creator was killed, and checks it.
func (r *Region) initialise(ctx context.Context, v *View, fresh *Config) error {
	if len(v.Bytes) < HeaderLen {
		return fmt.Errorf("%w: it has %d bytes", ErrNoRegion, len(v.Bytes))
	}
	h := v.Header()
	if s := atomic.LoadUint32(&h.state); s < StateReady {
		if !r.blank && v.foreign(fresh) {
			return errForeign
		}
		g, _, err := LockNode(ctx, &h.Init, Door{}, func(word uint32) { FutexWait(&h.Init.Word, word, 0) })
		if err != nil {
			return err
		}
		if atomic.LoadUint32(&h.state) < StateReady {
			if fresh == nil {
				g.Unlock(&h.Init)
				return fmt.Errorf("its creator has not finished it, or was killed at it: open it with Ensure")
			}
			var stamp [16]byte
			if r.Segment != nil {
				stamp = stampOf(r.Segment.ID())
			}
			blank := r.blank && atomic.LoadUint32(&h.state) == stateRaw
			err = v.format(*fresh, stamp, blank)
		}
		g.Unlock(&h.Init)
		if err != nil {
			return err
		}
	}
	return r.check(v)
}

// format makes a region out of raw memory, or of what a killed creator has left. The
// init lock is held. Blank memory is all zeros: it is not written to, nor read, since the
// kernel takes a page for each that is touched.
func (v *View) format(c Config, stamp [16]byte, blank bool) error {
	c.size = uint64(len(v.Bytes))
	p := c.layout()
	if p.Heap > c.size {
		return fmt.Errorf("it has %d bytes, and needs %d for %d participants and %d entries, and more for what is in it", c.size, p.Heap, c.Slots, c.entries)
	}
	h := v.Header()
	h.magic, h.Version = magic, Version
	atomic.StoreUint32(&h.state, StateStarted)
	if !blank {
		clear(v.Bytes[p.slots:p.Heap])
	}
	h.Dir = Node{}
	h.Config, h.Boot = c, stamp
	h.Sum = c.checksum()
	h.free = RoundUp(p.Heap, Line)
	atomic.StoreUint32(&h.state, StateReady)
	return nil
}

var errForeign = fmt.Errorf("%w, and belongs to another program: it does not begin as a region does", ErrNoRegion)

// foreign reports whether memory that is no region yet is not to become one: a creator
// begins with the magic, and what it takes is as the kernel has made it, but for the init
// lock of those who come at the same time.
func (v *View) foreign(fresh *Config) bool {
	h, end := v.Header(), uint64(HeaderLen)
	if fresh != nil {
		end = min(fresh.layout().Heap, uint64(len(v.Bytes)))
	}
	before, after := unsafe.Offsetof(h.Init), unsafe.Offsetof(h.Init)+unsafe.Sizeof(h.Init)
	raw := h.magic == [8]byte{} && allZero(v.Bytes[:before]) && allZero(v.Bytes[after:end])
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
func (r *Region) check(v *View) error {
	h := v.Header()
	switch s := atomic.LoadUint32(&h.state); {
	case h.magic != magic:
		return errForeign
	case h.Version != Version:
		return fmt.Errorf("it was made by another release: its layout has version %d, and this program knows version %d; use programs of one release, or remove it when nobody uses it, to have it made again", h.Version, Version)
	case s != StateReady:
		return fmt.Errorf("%w: state %d", ErrCorrupt, s)
	}
	r.Config = h.Config
	if sum := h.Sum; sum != r.Config.checksum() {
		return fmt.Errorf("%w: the header's checksum is wrong", ErrCorrupt)
	}
	var err error
	if r.Plan, err = r.Config.plan(uint64(len(v.Bytes))); err != nil {
		return err
	}
	switch stored := cString(r.Config.name[:]); {
	case r.File != nil || stored == r.Name:
	case r.Name == "":
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
