package shared

import (
	"context"
	"iter"
	"math"
	"sync/atomic"

	"github.com/sysvipc/sysvipc"
)

// doc returns the document that lies in the thing, whose bytes nobody decodes here.
func (a *Any) doc(write bool) (*Doc[[]byte], *view, error) {
	if a.kind == kindDoc && a.Codec == "" {
		return nil, nil, a.fail("%w: its sizes do not fit", errCorrupt)
	}
	v, err := a.use(kindDoc, write)
	if err != nil {
		return nil, nil, err
	}
	return &Doc[[]byte]{thing: a.thing, local: a.thing.region.localLock(a.thing.offset), capacity: a.thing.params[0]}, v, nil
}

// docCodec returns the codec of a document, if what its entry says can be true.
func (r *Region) docCodec(text string, t thing) string {
	capacity, stride := t.params[0], t.params[1]
	s, err := parseShape(text)
	if err != nil || capacity == 0 || capacity > maxDoc || stride != roundUp(docBytes+capacity, line) || t.size != varHeadSize+cells*stride+r.eventSize() {
		return ""
	}
	if name := s.fields[0].name; len(name) <= maxCodecName && isWord(name) && hashName(name) == t.params[2] {
		return name
	}
	return ""
}

// LoadDoc returns the bytes that the codec has made of a document's value, or nil if none
// was ever stored.
func (a *Any) LoadDoc() ([]byte, error) {
	d, v, err := a.doc(false)
	if err != nil {
		return nil, err
	}
	defer v.done()
	data, _, err := d.load(v)
	return data, err
}

// UpdateDoc sets a document's bytes to what change returns, which the codec must be able to
// read. Change gets what there is, or nil. No other writer comes between. If it returns an
// error, or too many bytes, the old value stays, and the error is returned. UpdateDoc may
// wait for another writer, until ctx is done.
func (a *Any) UpdateDoc(ctx context.Context, change func(data []byte) ([]byte, error)) error {
	d, v, err := a.doc(true)
	if err != nil {
		return err
	}
	defer v.done()
	return d.write(ctx, func(v *view) ([]byte, error) {
		data, _, err := d.read(v)
		if err == nil {
			data, err = change(data)
		}
		if err == nil && uint64(len(data)) > d.capacity {
			err = a.fail("%w: %d bytes of %s do not fit into %d", sysvipc.ErrTooBig, len(data), a.Codec, d.capacity)
		}
		return data, err
	})
}

// WatchDoc yields the bytes of a document's value now and after each change, until ctx is
// done. Of changes that come faster than the loop it yields the last.
func (a *Any) WatchDoc(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		d, v, err := a.doc(true)
		if err != nil {
			yield(nil, err)
			return
		}
		v.done()
		for seen := uint64(math.MaxUint64); ; {
			data, seq, err := d.next(ctx, seen)
			if !yield(data, err) || err != nil {
				return
			}
			seen = seq
		}
	}
}

// docPosition is how often a document was stored.
func (a *Any) docPosition() (Position, error) {
	d, v, err := a.doc(false)
	if err != nil {
		return Position{}, err
	}
	defer v.done()
	return Position{In: atomic.LoadUint64(&(*varHead)(v.at(d.offset)).seq)}, a.closed(v)
}
