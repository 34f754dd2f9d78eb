package core

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sysvipc/sysvipc/shared/shape"
)

// Kind is what the core knows of a kind of structures.
type Kind struct {
	Name     string
	Unit     string // what its capacity is counted in; "" if it has none
	Capacity int    // which parameter that is
	// SameType compares the types of two that differ in their capacity; nil where the
	// fingerprints do.
	SameType func(a, b [4]uint64) bool
	// Locks calls do with the offset of each robust lock in a structure; nil where there are none.
	Locks func(t Structure, do func(at uint64))
	// Repair brings into order what a participant that died has left half done in a structure; nil
	// where there is nothing to do.
	Repair func(v *View, t Structure, dead Owner)
	// Retire has nobody take a Mutex or an RWMutex any more, whose lock this process holds, or
	// returns false if others hold it; nil for structures that nobody holds.
	Retire func(v *View, t Structure) bool
}

// Kinds are all kinds, by the number that an entry has of its own.
type Kinds []Kind

// Of returns the kind with this number, which others have written.
func (k Kinds) Of(number uint32) Kind {
	if int64(number) < int64(len(k)) {
		return k[number]
	}
	return Kind{}
}

// Structure is what this process knows of an entry, checked against the region's size: it
// may touch size bytes at offset.
type Structure struct {
	Region *Region
	Name   string
	Offset uint64
	Size   uint64
	Params [4]uint64
}

// Open tells whether the region is still that of the view. If not, what was read may be zeros.
func (t *Structure) Open(v *View) error { return t.Region.open(v) }

// Declaration is what a program declares.
type Declaration struct {
	Kind   uint32
	Name   string
	Shape  shape.Shape // of its type; empty for structures without one
	Size   uint64
	Params [4]uint64
	Init   func(v *View, t Structure) // brings fresh, zero bytes into their first state
}

// Declare finds the structure in the directory, or adds it.
func (r *Region) Declare(ctx context.Context, w Declaration) (Structure, error) {
	v, err := r.Use()
	if err != nil {
		return Structure{}, err
	}
	defer v.Done()
	if len(w.Name) == 0 || len(w.Name) > maxName {
		return Structure{}, r.Refuse(w, "a name has from 1 to %d bytes", maxName)
	}
	if e, err := r.Find(v, w.Name, nil); e != nil || err != nil {
		t, err := r.match(v, e, w, err)
		if closed := r.open(v); closed != nil {
			return Structure{}, closed
		}
		if e == nil || e.named(w.Name) { // else it was removed meanwhile
			return t, err
		}
	}
	t, err := r.declareLocked(ctx, v, w)
	for end := time.Now().Add(waitForRoom); errors.Is(err, errNoSpace) && r.waiting(v) && time.Now().Before(end); {
		r.letGo(v)
		t, err = r.declareLocked(ctx, v, w)
	}
	return t, err
}

// declareLocked is Declare with the directory's lock.
func (r *Region) declareLocked(ctx context.Context, v *View, w Declaration) (Structure, error) {
	g, err := r.lockDirectory(ctx, v)
	if err != nil {
		return Structure{}, r.Refuse(w, "%w", err)
	}
	defer g.Unlock(&v.Header().Dir)
	var room *Entry
	if e, err := r.Find(v, w.Name, &room); e != nil || err != nil {
		return r.match(v, e, w, err)
	}
	if room == nil {
		return Structure{}, r.Refuse(w, "all %d entries are taken: make the region with more Entries", r.Config.entries)
	}
	return r.add(v, room, w)
}

// named reports whether this is the entry of a structure with this name.
func (e *Entry) named(name string) bool {
	return atomic.LoadUint32(&e.state) == entryReady && e.hash == HashName(name) && e.nameLen <= maxName && string(e.name[:e.nameLen]) == name
}

// Find returns the entry with this name, or nil. Room, if not nil, is set to an entry that
// can be taken for it: one that is free, or at which a process was killed.
func (r *Region) Find(v *View, name string, room **Entry) (*Entry, error) {
	hash := HashName(name)
	mask := uint64(r.Config.entries - 1)
	for i := range uint64(r.Config.entries) {
		e := (*Entry)(v.At(r.Plan.Table + (hash+i)&mask*EntryLen))
		switch atomic.LoadUint32(&e.state) {
		case entryReady:
			if e.hash == hash && e.nameLen <= maxName && string(e.name[:e.nameLen]) == name {
				return e, nil
			}
		case entryFree:
			if room != nil && (*room == nil || atomic.LoadUint32(&(*room).Kind) == kindRoom && (*room).size > 0) {
				*room = e
			}
			return nil, nil
		case entryStarted:
			// One that has bytes to give is the last choice: they would be lost.
			if room != nil && (*room == nil || atomic.LoadUint32(&(*room).Kind) == kindRoom && (*room).size > 0) {
				*room = e
			}
		default:
			return nil, fmt.Errorf("shared: region %q: %w: an entry of its directory has no valid state", r.Name, ErrCorrupt)
		}
	}
	return nil, nil
}

// match checks an entry against what the program declares.
func (r *Region) match(v *View, e *Entry, w Declaration, err error) (Structure, error) {
	if err != nil {
		return Structure{}, err
	}
	t, ok := r.entryStructure(v, e)
	k := r.kinds.Of(w.Kind)
	here, there := k.capacityOf(w.Params), k.capacityOf(t.Params)
	switch {
	case e.Kind != w.Kind:
		return t, r.Refuse(w, "it is of another kind there: %s", r.kinds.Of(e.Kind).Name)
	case !ok:
		return t, fmt.Errorf("shared: %s %q: %w: its bytes lie outside", k.Name, w.Name, ErrCorrupt)
	case here != there && (e.Fingerprint == w.Shape.Fingerprint() || k.SameType != nil && k.SameType(t.Params, w.Params)):
		return t, r.Refuse(w, "it was made for %d %s, and is declared for %d: they must be equal", there, k.Unit, here)
	case e.Fingerprint != w.Shape.Fingerprint():
		return t, r.Refuse(w, "another program declares it with another type: %s (remove it by Drop or \"sysvipc region rm\", then it can have this one; a Doc takes a value that will grow)", differs(r.shapeText(v, e, t), w.Shape))
	case t.Size != w.Size || t.Params != w.Params:
		return t, r.Refuse(w, "it was made with other sizes")
	}
	typ, theirs := w.Shape.String(), r.shapeText(v, e, t)
	if name := shape.MovedField(typ, theirs); name != "" {
		return t, r.Refuse(w, "another program declares it with another type, in which the field %s is at another place: %s here, %s there", name, typ, theirs)
	}
	return r.used(v, e, t)
}

// used returns the structure of an entry as this process uses it.
func (r *Region) used(v *View, e *Entry, t Structure) (Structure, error) {
	h, ok := r.handle(v, e, t)
	if t.Region = h; !ok {
		return t, h.Closed()
	}
	return t, nil
}

// capacityOf is that of a structure of this kind with these parameters.
func (k Kind) capacityOf(params [4]uint64) uint64 {
	if k.Unit == "" {
		return 0
	}
	return params[k.Capacity]
}

// entryStructure copies what an entry says, and reports whether it can be true.
func (r *Region) entryStructure(v *View, e *Entry) (Structure, bool) {
	t, ok := r.nameless(e)
	t.Name = string(e.name[:min(e.nameLen, maxName)])
	return t, ok
}

// nameless is entryStructure without the name.
func (r *Region) nameless(e *Entry) (Structure, bool) {
	t := Structure{Region: r, Offset: e.offset, Size: e.size, Params: e.Params}
	return t, t.Offset >= r.Plan.Heap && t.Offset%Line == 0 && t.Size <= r.Config.size && t.Offset <= r.Config.size-t.Size
}

// maxShape is how long the text of a shape may be to be kept.
const maxShape = 1 << 20

// shapeText returns the text of the shape of a structure's type. One that is too long for the
// entry lies behind the structure's bytes.
func (r *Region) shapeText(v *View, e *Entry, t Structure) string {
	n := uint64(e.ShapeLen)
	if n <= uint64(len(e.Shape)) {
		return string(e.Shape[:n])
	}
	at := t.Offset + RoundUp(t.Size, Line)
	if n > maxShape || at > r.Config.size || n > r.Config.size-at {
		return ""
	}
	return string(v.Bytes[at : at+n])
}

// differs says in which field the type with this text differs from s.
func differs(text string, s shape.Shape) string {
	theirs, err := shape.Parse(text)
	if err != nil {
		return "its fields are too many to be listed"
	}
	return s.Differs(theirs)
}

// add takes room for a new structure. The directory lock is held. A kill at any point leaves
// the entry started, and the next one who adds takes it again. The heap's free part moves
// before the entry is ready, so that no bytes are ever given twice; a kill between the two
// leaves them unused.
func (r *Region) add(v *View, e *Entry, w Declaration) (Structure, error) {
	h := v.Header()
	size, text := RoundUp(w.Size, Line), w.Shape.String()
	room := e.Shape[:]
	if len(text) > len(room) && len(text) <= maxShape {
		room = nil // it lies behind the bytes
		size += RoundUp(uint64(len(text)), Line)
	}
	start, waiting := r.reuse(v, size)
	again := start != 0
	if !again {
		start = h.free
	}
	if start < r.Plan.Heap || start%Line != 0 || start > r.Config.size || size > r.Config.size-start {
		advice := "make the region with a larger Size"
		if waiting > 0 {
			advice = fmt.Sprintf("%d bytes of structures that were removed wait until the processes that used them have noticed, which takes Go programs some seconds, and until others have detached it", waiting)
		}
		return Structure{}, r.Refuse(w, "%w: it takes %d bytes, and %d of %d are left (%s)", errNoSpace, size, r.Config.size-min(start, r.Config.size), r.Config.size, advice)
	}
	atomic.StoreUint32(&e.Kind, 0)
	atomic.StoreUint32(&e.state, entryStarted)
	t := Structure{Region: r, Name: w.Name, Offset: start, Size: w.Size, Params: w.Params}
	clear(v.Bytes[start : start+size])
	if w.Init != nil {
		w.Init(v, t)
	}
	e.Kind, e.hash, e.offset, e.size = w.Kind, HashName(w.Name), start, w.Size
	e.Fingerprint, e.Params = w.Shape.Fingerprint(), w.Params
	e.nameLen = uint32(copy(e.name[:], w.Name))
	if room == nil {
		room = v.Bytes[start+RoundUp(w.Size, Line) : start+size]
	}
	e.ShapeLen = uint32(copy(room, text))
	if !again {
		atomic.StoreUint64(&h.free, start+size)
	}
	if r.kinds.Of(w.Kind).Repair != nil {
		v.mark(r.Plan, r.Plan.marks, e)
	}
	if r.hasLocks(w.Kind, t) {
		v.mark(r.Plan, r.Plan.locks, e)
	}
	atomic.StoreUint32(&e.state, entryReady)
	return r.used(v, e, t)
}

func (r *Region) Refuse(w Declaration, format string, args ...any) error {
	return fmt.Errorf("shared: %s %q in region %q: "+format, append([]any{r.kinds.Of(w.Kind).Name, w.Name, r.Name}, args...)...)
}

// Found is what the directory says of a structure.
type Found struct {
	Structure
	Kind        uint32
	Fingerprint uint64
	Shape       string // the text of the shape of its type
}

// found copies what an entry says, once: others may change it. It returns false where that cannot be
// true, and an error if the structure was removed meanwhile.
func (r *Region) found(v *View, e *Entry) (f Found, ok bool, err error) {
	f.Structure, ok = r.entryStructure(v, e)
	f.Kind, f.Fingerprint = e.Kind, e.Fingerprint
	f.Shape = r.shapeText(v, e, f.Structure)
	if ok {
		f.Structure, err = r.used(v, e, f.Structure)
	}
	return f, ok, err
}

// EachEntry calls do with each structure in the region.
func (r *Region) EachEntry(do func(Found)) error {
	v, err := r.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	for i := range uint64(r.Config.entries) {
		e := (*Entry)(v.At(r.Plan.Table + i*EntryLen))
		if atomic.LoadUint32(&e.state) != entryReady {
			continue
		}
		if f, ok, err := r.found(v, e); ok && err == nil {
			do(f)
		}
	}
	return r.open(v)
}

// FindEntry looks for the structure with this name.
func (r *Region) FindEntry(name string) (f Found, ok bool, err error) {
	v, err := r.Use()
	if err != nil {
		return f, false, err
	}
	defer v.Done()
	e, err := r.Find(v, name, nil)
	if err == nil {
		err = r.open(v)
	}
	if err != nil || e == nil {
		return f, false, err
	}
	if f, ok, err = r.found(v, e); err != nil {
		return f, false, err
	} else if !ok {
		return f, false, fmt.Errorf("shared: %q in region %q: %w: its bytes lie outside", name, r.Name, ErrCorrupt)
	}
	return f, true, r.open(v)
}
