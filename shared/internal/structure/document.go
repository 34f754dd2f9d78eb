package structure

import (
	"context"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// Doc is a Doc without its type: the bytes of its value, in four cells. A cell is the number
// of its bytes, 8 bytes long, and then the bytes. Number 0 is no value. The parameters are the
// capacity, the length of a cell, and the hash of the codec's name, which stands in the shape
// as the name of a field: json:[65536]u8@8.
type Doc struct {
	Cells
	Codec    string
	Capacity uint64
}

const docBytes = 8

const (
	maxDoc       = 1 << 30
	maxCodecName = 32
)

// DeclareDoc finds the document, or makes it, with no value.
func DeclareDoc(r *core.Region, name string, capacity int, codec string) (*Doc, error) {
	if capacity < 1 || capacity > maxDoc {
		return nil, fmt.Errorf("shared: doc %q: a capacity of %d bytes: use 1 to %d", name, capacity, maxDoc)
	}
	if codec == "" || len(codec) > maxCodecName || !isWord(codec) {
		return nil, fmt.Errorf("shared: doc %q: a codec's name is up to %d letters, digits and dashes, and not %q", name, maxCodecName, codec)
	}
	stride := core.RoundUp(docBytes+uint64(capacity), core.Line)
	bytes := shape.Field{Name: codec, Kind: "u8", Count: capacity, Size: 1, Offset: docBytes}
	w := core.Declaration{
		Kind: KindDoc, Name: name, Shape: shape.Shape{Size: docBytes + capacity, Align: 8, Fields: []shape.Field{bytes}},
		Size: cellsLen(r, stride), Params: [4]uint64{uint64(capacity), stride, core.HashName(codec)}, Init: formatCells,
	}
	t, err := r.Declare(context.Background(), w)
	if err != nil {
		if has := codecOf(r, name); has != "" && has != codec {
			return nil, r.Refuse(w, "it is in %q, and is declared in %q", has, codec)
		}
		return nil, err
	}
	return newDoc(t, codec), nil
}

func newDoc(t core.Structure, codec string) *Doc {
	return &Doc{Cells{t, t.Params[1], t.Region.LocalLock(t.Offset)}, codec, t.Params[0]}
}

// DocOf returns the document that lies in t, if what its entry says can be true, and text, the
// shape of its type.
func DocOf(t core.Structure, text string) (*Doc, bool) {
	capacity, stride := t.Params[0], t.Params[1]
	s, err := shape.Parse(text)
	if err != nil || capacity == 0 || capacity > maxDoc || stride != core.RoundUp(docBytes+capacity, core.Line) || t.Size != cellsLen(t.Region, stride) {
		return nil, false
	}
	codec := s.Fields[0].Name
	if len(codec) > maxCodecName || !isWord(codec) || core.HashName(codec) != t.Params[2] {
		return nil, false
	}
	return newDoc(t, codec), true
}

// codecOf returns the name of the codec that a document was made with, or "".
func codecOf(r *core.Region, name string) string {
	v, err := r.Use()
	if err != nil {
		return ""
	}
	defer v.Done()
	e, err := r.Find(v, name, nil)
	if err != nil || e == nil || e.Kind != KindDoc {
		return ""
	}
	s, err := shape.Parse(string(e.Shape[:min(int(e.ShapeLen), len(e.Shape))]))
	if err != nil || len(s.Fields) == 0 {
		return ""
	}
	return s.Fields[0].Name
}

func isWord(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Fits refuses bytes that are too many.
func (d *Doc) Fits(data []byte) error {
	if uint64(len(data)) > d.Capacity {
		return fmt.Errorf("shared: doc %q: %w: %d bytes of %s do not fit into %d", d.Name, sysvipc.ErrTooBig, len(data), d.Codec, d.Capacity)
	}
	return nil
}

// Load returns the bytes of the current value, nil if there is none, and its number.
func (d *Doc) Load() ([]byte, uint64, error) {
	v, err := d.Region.Use()
	if err != nil {
		return nil, 0, err
	}
	defer v.Done()
	data, seq, err := d.bytes(v)
	if closed := d.Open(v); closed != nil {
		return nil, 0, closed
	}
	return data, seq, err
}

// bytes copies the bytes of the current value, and returns its number.
func (d *Doc) bytes(v *core.View) (data []byte, seq uint64, err error) {
	if d.seq(v) == 0 {
		return nil, 0, nil
	}
	var n uint64
	seq, ok := d.read(v, func(cell unsafe.Pointer) {
		if n = atomic.LoadUint64((*uint64)(cell)); n <= d.Capacity {
			data = make([]byte, n)
			core.CopyOut(unsafe.Pointer(unsafe.SliceData(data)), unsafe.Add(cell, docBytes), uintptr(n))
		}
	})
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("shared: doc %q: %w", d.Name, errBusy)
	case n > d.Capacity:
		return nil, 0, fmt.Errorf("shared: doc %q: %w: a value of %d bytes in %d", d.Name, core.ErrCorrupt, n, d.Capacity)
	}
	return data, seq, nil
}

// Update sets the bytes to what change returns, which is given those that there are, or nil,
// and must not use the document. It may wait for another writer, until ctx is done.
func (d *Doc) Update(ctx context.Context, change func(data []byte) ([]byte, error)) error {
	return d.write(ctx, func(v *core.View) ([]byte, error) {
		data, _, err := d.bytes(v)
		if err != nil {
			return nil, err
		}
		return change(data)
	})
}

// Store sets the bytes.
func (d *Doc) Store(ctx context.Context, data []byte) error {
	return d.write(ctx, func(*core.View) ([]byte, error) { return data, nil })
}

// write publishes the bytes that make returns, which is called with the lock held.
func (d *Doc) write(ctx context.Context, make func(v *core.View) ([]byte, error)) error {
	v, err := d.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	g, err := d.begin(ctx, v)
	if err != nil {
		return fmt.Errorf("shared: write doc %q: %w", d.Name, err)
	}
	defer g.Unlock(&d.head(v).lock)
	data, err := make(v)
	if err == nil {
		err = d.Fits(data)
	}
	if err != nil {
		return err
	}
	seq := d.seq(v) + 1
	if seq == 0 {
		seq = cells // what another process has written there may be anything
	}
	at := d.cell(v, seq)
	atomic.StoreUint64((*uint64)(at), uint64(len(data)))
	core.CopyIn(unsafe.Add(at, docBytes), unsafe.Pointer(unsafe.SliceData(data)), uintptr(len(data)))
	d.publish(v, seq)
	return nil
}

// Next waits until the value's number is not seen.
func (d *Doc) Next(ctx context.Context, seen uint64) (data []byte, seq uint64, err error) {
	v, err := d.Region.Use()
	if err != nil {
		return nil, 0, err
	}
	defer v.Done()
	if err := d.Region.Wait(ctx, v, d.changed(), func() bool { return d.seq(v) != seen }); err != nil {
		return nil, 0, err
	}
	return d.Load()
}
