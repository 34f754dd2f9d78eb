package shared

import (
	"context"
	"fmt"
	"sync/atomic"
)

// The kinds of things in a region.
const (
	kindMutex = iota + 1
	kindVar
	kindCounter
	kindRWMutex
	kindMap
	kindChan
	kindTopic
	kindDoc
	kindRecords
)

var kindNames = map[uint32]string{kindMutex: "mutex", kindVar: "var", kindCounter: "counter", kindRWMutex: "rwmutex", kindMap: "map", kindChan: "chan", kindTopic: "topic", kindDoc: "doc", kindRecords: "records"}

// thing is what this process knows of an entry, checked against the region's size: it
// may touch size bytes at offset.
type thing struct {
	region *Region
	name   string
	offset uint64
	size   uint64
	params [4]uint64
}

// open tells whether the region is still that of the view. If not, what was read may be zeros.
func (t *thing) open(v *view) error { return t.region.open(v) }

// wanted is what a program declares.
type wanted struct {
	kind   uint32
	name   string
	shape  shape // of its type; empty for things without one
	size   uint64
	params [4]uint64
	init   func(v *view, t thing) // brings fresh, zero bytes into their first state
}

// declare finds the thing in the directory, or adds it.
func (r *Region) declare(ctx context.Context, w wanted) (thing, error) {
	v, err := r.use()
	if err != nil {
		return thing{}, err
	}
	defer v.done()
	if len(w.name) == 0 || len(w.name) > maxName {
		return thing{}, r.refuse(w, "a name has from 1 to %d bytes", maxName)
	}
	if e, err := r.find(v, w.name, nil); e != nil || err != nil {
		t, err := r.match(v, e, w, err)
		if closed := r.open(v); closed != nil {
			return thing{}, closed
		}
		return t, err
	}
	h := v.header()
	g, _, err := r.lock(ctx, v, &h.dir, nil)
	if err != nil {
		return thing{}, r.refuse(w, "%w", err)
	}
	defer g.unlock(&h.dir)
	var room *entry
	if e, err := r.find(v, w.name, &room); e != nil || err != nil {
		return r.match(v, e, w, err)
	}
	if room == nil {
		return thing{}, r.refuse(w, "all %d entries are taken: make the region with more Entries", r.config.entries)
	}
	return r.add(v, room, w)
}

// find returns the entry with this name, or nil. Room, if not nil, is set to an entry that
// can be taken for it: one that is free, or that somebody was killed at.
func (r *Region) find(v *view, name string, room **entry) (*entry, error) {
	hash := hashName(name)
	mask := uint64(r.config.entries - 1)
	for i := range uint64(r.config.entries) {
		e := (*entry)(v.at(r.plan.table + (hash+i)&mask*entryLen))
		switch atomic.LoadUint32(&e.state) {
		case entryReady:
			if e.hash == hash && e.nameLen <= maxName && string(e.name[:e.nameLen]) == name {
				return e, nil
			}
		case entryFree:
			if room != nil && *room == nil {
				*room = e
			}
			return nil, nil
		case entryStarted:
			if room != nil && *room == nil {
				*room = e
			}
		default:
			return nil, fmt.Errorf("shared: region %q: %w: an entry of its directory has no valid state", r.name, errCorrupt)
		}
	}
	return nil, nil
}

// match checks an entry against what the program declares.
func (r *Region) match(v *view, e *entry, w wanted, err error) (thing, error) {
	if err != nil {
		return thing{}, err
	}
	t, ok := r.entryThing(v, e)
	switch {
	case e.kind != w.kind:
		return t, r.refuse(w, "it is of another kind there: %s", kindNames[e.kind])
	case !ok:
		return t, fmt.Errorf("shared: %s %q: %w: its bytes lie outside", kindNames[w.kind], w.name, errCorrupt)
	case w.capacity(t.params) != w.capacity(w.params) && (e.fingerprint == w.shape.fingerprint() || w.kind == kindDoc && t.params[2] == w.params[2]):
		return t, r.refuse(w, "it was made for %d %s, and is declared for %d: they must be equal", w.capacity(t.params), units[w.kind], w.capacity(w.params))
	case e.fingerprint != w.shape.fingerprint():
		return t, r.refuse(w, "another program declares it with another type: %s", differs(r.shapeText(v, e, t), w.shape))
	case t.size != w.size || t.params != w.params:
		return t, r.refuse(w, "it was made with other sizes")
	}
	here, there := w.shape.String(), r.shapeText(v, e, t)
	if name := MovedField(here, there); name != "" {
		return t, r.refuse(w, "another program declares it with another type, in which the field %s is at another place: %s here, %s there", name, here, there)
	}
	return t, nil
}

// units are what the capacity of a thing is counted in.
var units = map[uint32]string{kindMap: "entries", kindChan: "messages", kindTopic: "messages", kindDoc: "bytes", kindRecords: "bytes"}

// capacity is that of a thing of this kind with these parameters.
func (w wanted) capacity(params [4]uint64) uint64 {
	switch w.kind {
	case kindChan, kindTopic:
		return params[1]
	case kindMap, kindDoc, kindRecords:
		return params[0]
	}
	return 0
}

// entryThing copies what an entry says, and reports whether it can be true.
func (r *Region) entryThing(v *view, e *entry) (thing, bool) {
	t, ok := r.nameless(e)
	t.name = string(e.name[:min(e.nameLen, maxName)])
	return t, ok
}

// nameless is entryThing without the name.
func (r *Region) nameless(e *entry) (thing, bool) {
	t := thing{region: r, offset: e.offset, size: e.size, params: e.params}
	return t, t.offset >= r.plan.heap && t.offset%line == 0 && t.size <= r.config.size && t.offset <= r.config.size-t.size
}

// maxShape is how long the text of a shape may be to be kept.
const maxShape = 1 << 20

// shapeText returns the text of the shape of a thing's type. One that is too long for the
// entry lies behind the thing's bytes.
func (r *Region) shapeText(v *view, e *entry, t thing) string {
	n := uint64(e.shapeLen)
	if n <= uint64(len(e.shape)) {
		return string(e.shape[:n])
	}
	at := t.offset + roundUp(t.size, line)
	if n > maxShape || at > r.config.size || n > r.config.size-at {
		return ""
	}
	return string(v.bytes[at : at+n])
}

// differs says in which field the type with this text differs from s.
func differs(text string, s shape) string {
	theirs, err := parseShape(text)
	if err != nil {
		return "its fields are too many to be told"
	}
	return s.differs(theirs)
}

// add takes room for a new thing. The directory lock is held. A kill at any point leaves
// the entry started, and the next one who adds takes it again. The heap's free part moves
// before the entry is ready, so that no bytes are ever given twice; a kill between the two
// leaves them unused.
func (r *Region) add(v *view, e *entry, w wanted) (thing, error) {
	h := v.header()
	size, text := roundUp(w.size, line), w.shape.String()
	room := e.shape[:]
	if len(text) > len(room) && len(text) <= maxShape {
		room = nil // it lies behind the bytes
		size += roundUp(uint64(len(text)), line)
	}
	start := h.free
	if start < r.plan.heap || start%line != 0 || start > r.config.size || size > r.config.size-start {
		return thing{}, r.refuse(w, "%w: it takes %d bytes, and %d of %d are left (make the region with a larger Size)", errNoSpace, size, r.config.size-min(start, r.config.size), r.config.size)
	}
	atomic.StoreUint32(&e.state, entryStarted)
	t := thing{region: r, name: w.name, offset: start, size: w.size, params: w.params}
	clear(v.bytes[start : start+size])
	if w.init != nil {
		w.init(v, t)
	}
	e.kind, e.hash, e.offset, e.size = w.kind, hashName(w.name), start, w.size
	e.fingerprint, e.params = w.shape.fingerprint(), w.params
	e.nameLen = uint32(copy(e.name[:], w.name))
	if room == nil {
		room = v.bytes[start+roundUp(w.size, line) : start+size]
	}
	e.shapeLen = uint32(copy(room, text))
	atomic.StoreUint64(&h.free, start+size)
	if repairs[w.kind] != nil {
		v.mark(r.plan, r.plan.marks, e)
	}
	if hasLocks(w.kind, t) {
		v.mark(r.plan, r.plan.locks, e)
	}
	atomic.StoreUint32(&e.state, entryReady)
	return t, nil
}

func (r *Region) refuse(w wanted, format string, args ...any) error {
	return fmt.Errorf("shared: %s %q in region %q: "+format, append([]any{kindNames[w.kind], w.name, r.name}, args...)...)
}
