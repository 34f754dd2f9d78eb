package shared

import (
	"fmt"
	"io/fs"
	"sort"
	"sync/atomic"
)

// Thing is one entry of a region's directory.
type Thing struct {
	Name     string
	Kind     string // "var", "counter", "mutex", "rwmutex", "map", "chan", "topic", "doc", "records"
	Offset   int64  // of its bytes
	Size     int64  // of its bytes
	Capacity int    // of a map, chan or topic, and of a doc or records in bytes; else 0
	Codec    string // of a doc: "json" if it is JSON; else ""

	// Type is that of the value, of the messages, or of the values of a map. It is nil
	// where there is none, and where the description cannot be read.
	Type *Type
	// Key is the type of a map's keys, else nil.
	Key *Type
}

// Things returns what there is in the region, in the order in which it was made.
func (r *Region) Things() ([]Thing, error) {
	v, err := r.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	var all []Thing
	for i := range uint64(r.config.entries) {
		e := (*entry)(v.at(r.plan.table + i*entryLen))
		if atomic.LoadUint32(&e.state) != entryReady {
			continue
		}
		if t, ok := r.entryThing(v, e); ok {
			all = append(all, r.describe(v, e, t, e.kind))
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Offset < all[j].Offset })
	return all, r.open(v)
}

// Things is [Region.Things].
func (o *Observer) Things() ([]Thing, error) { return o.r.Things() }

// describe says what is known of an entry. A type that cannot be true is left out.
func (r *Region) describe(v *view, e *entry, t thing, kind uint32) Thing {
	d := Thing{Name: t.name, Kind: kindNames[kind], Offset: int64(t.offset), Size: int64(t.size)}
	if d.Kind == "" {
		d.Kind = fmt.Sprintf("kind%d", kind)
	}
	text, fingerprint := r.shapeText(v, e, t), e.fingerprint
	switch kind {
	case kindCounter:
		if t.size == r.counterSize() {
			d.Type = kindType("i64")
		}
	case kindVar:
		if r.varFits(t) {
			d.Type, _ = typeOf(text, t.params[0], fingerprint)
		}
	case kindChan:
		if _, ok := ringOf(t); ok {
			d.Type, _ = typeOf(text, t.params[0], fingerprint)
			d.Capacity = int(t.params[1])
		}
	case kindRecords:
		if _, ok := recordRingOf(t); ok {
			d.Capacity = int(t.params[0])
		}
	case kindTopic:
		if _, ok := topicOf(t); ok {
			d.Type, _ = typeOf(text, t.params[0], fingerprint)
			d.Capacity = int(t.params[1])
		}
	case kindDoc:
		if d.Codec = r.docCodec(text, t); d.Codec != "" {
			d.Capacity = int(t.params[0])
		}
	case kindMap:
		if l, ok := t.region.mapLayout(t); ok {
			d.Capacity = int(l.capacity)
			if cell, err := typeOf(text, l.stride, fingerprint); err == nil {
				d.Key, _ = cell.part("key", l.key)
				d.Type, _ = cell.part("value", l.val)
			}
		}
	}
	return d
}

// varFits reports whether the parameters of a Var agree with its size.
func (r *Region) varFits(t thing) bool {
	size, stride := t.params[0], t.params[1]
	if size <= wordSize {
		return size > 0 && stride == 0 && t.size == line+r.eventSize()
	}
	return size <= maxMessage && stride == roundUp(size, line) && t.size == varHeadSize+cells*stride+r.eventSize()
}

// Any finds the thing with this name, to use it without its Go type. It fails with
// [fs.ErrNotExist] if there is none.
func (r *Region) Any(name string) (*Any, error) {
	v, err := r.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	e, err := r.find(v, name, nil)
	if err == nil {
		err = r.open(v)
	}
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fmt.Errorf("shared: region %q has no %q: %w", r.name, name, fs.ErrNotExist)
	}
	t, ok := r.entryThing(v, e)
	if !ok {
		return nil, fmt.Errorf("shared: %q in region %q: %w: its bytes lie outside", name, r.name, errCorrupt)
	}
	kind := e.kind // once: others may change it
	return &Any{Thing: r.describe(v, e, t, kind), thing: t, kind: kind}, r.open(v)
}

// Any is [Region.Any], for reading only.
func (o *Observer) Any(name string) (*Any, error) { return o.r.Any(name) }
