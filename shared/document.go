package shared

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc"
)

// Doc is a value of any Go type, with maps, slices, strings and pointers, that all
// processes see. It lies in the region as the bytes that a [Codec] makes of it: each Load
// reads them anew, so that what it returns is the caller's own. Safe for concurrent use.
//
// A reader never waits for a writer, and never sees half a value. Writers take turns. A
// writer that is killed, at any instant, leaves the value as it was before its write or
// after it; the next writer finds its lock and goes on.
type Doc[T any] struct {
	thing
	local    chan struct{}
	codec    Codec
	capacity uint64
}

// Codec turns values into bytes and back. Programs that share a [Doc] use codecs of one
// name, which is at most 32 bytes long and says what the bytes are.
type Codec interface {
	Name() string
	Marshal(value any) ([]byte, error)
	Unmarshal(data []byte, value any) error // may keep data
}

// JSON is the codec that [DocOf] uses: encoding/json.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Name() string                           { return "json" }
func (jsonCodec) Marshal(value any) ([]byte, error)      { return json.Marshal(value) }
func (jsonCodec) Unmarshal(data []byte, value any) error { return json.Unmarshal(data, value) }

// The bytes lie in cells as a Var's value does: the head of a Var, four cells, and the
// event of a change. A cell is the number of its bytes, 8 bytes long, and then the bytes.
// The parameters are the capacity, the length of a cell, and the hash of the codec's name,
// which stands in the shape as the name of a field: json:[65536]u8@8. Number 0 is no value.
const docBytes = 8

const (
	maxDoc       = 1 << 30
	maxCodecName = 32
)

// DocOf returns the region's document with this name, as JSON, and makes it, with the zero
// value, if there is none. Its value has at most capacity bytes then; the document takes
// four times as many of the region. DocOf fails if another program declared it with another
// capacity or codec. Of types it knows nothing: what JSON cannot read is an error of Load.
func DocOf[T any](r *Region, name string, capacity int) (*Doc[T], error) {
	return DocWith[T](r, name, capacity, JSON)
}

// DocWith is DocOf with another codec.
func DocWith[T any](r *Region, name string, capacity int, codec Codec) (*Doc[T], error) {
	if capacity < 1 || capacity > maxDoc {
		return nil, fmt.Errorf("shared: doc %q: a capacity of %d bytes: use 1 to %d", name, capacity, maxDoc)
	}
	if n := codec.Name(); n == "" || len(n) > maxCodecName || !isWord(n) {
		return nil, fmt.Errorf("shared: doc %q: a codec's name is up to %d letters, digits and dashes, and not %q", name, maxCodecName, n)
	}
	stride := roundUp(docBytes+uint64(capacity), line)
	bytes := field{name: codec.Name(), kind: "u8", count: capacity, size: 1, offset: docBytes}
	w := wanted{
		kind: kindDoc, name: name, shape: shape{size: docBytes + capacity, align: 8, fields: []field{bytes}},
		size:   varHeadSize + cells*stride + r.eventSize(),
		params: [4]uint64{uint64(capacity), stride, hashName(codec.Name())},
		init:   func(v *view, t thing) { (*varHead)(v.at(t.offset)).lock.kind = robustShared },
	}
	t, err := r.declare(context.Background(), w)
	if err != nil {
		if has := r.codecOf(name); has != "" && has != codec.Name() {
			return nil, r.refuse(w, "it is in %q, and is declared in %q", has, codec.Name())
		}
		return nil, err
	}
	return &Doc[T]{thing: t, local: r.localLock(t.offset), codec: codec, capacity: uint64(capacity)}, nil
}

// codecOf returns the name of the codec that a document was made with, or "".
func (r *Region) codecOf(name string) string {
	v, err := r.use()
	if err != nil {
		return ""
	}
	defer v.done()
	e, err := r.find(v, name, nil)
	if err != nil || e == nil || e.kind != kindDoc {
		return ""
	}
	s, err := parseShape(string(e.shape[:min(int(e.shapeLen), len(e.shape))]))
	if err != nil || len(s.fields) == 0 {
		return ""
	}
	return s.fields[0].name
}

func isWord(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Load returns the value, or the zero value of T if none was ever stored.
func (d *Doc[T]) Load() (T, error) {
	var none T
	v, err := d.region.use()
	if err != nil {
		return none, err
	}
	defer v.done()
	data, _, err := d.load(v)
	if err != nil {
		return none, err
	}
	return d.decode(data)
}

// Store sets the value. If it does not fit, Store fails with [sysvipc.ErrTooBig], and the
// old value stays. It may wait for another writer, until ctx is done.
func (d *Doc[T]) Store(ctx context.Context, value T) error {
	data, err := d.encode(value)
	if err != nil {
		return err
	}
	return d.write(ctx, func(*view) ([]byte, error) { return data, nil })
}

// Update changes the value by change, which no other writer comes between. It must not use
// d. If it returns an error, or panics, or what it made of the value does not fit, the old
// value stays. Update returns change's error, and may wait for another writer, until ctx is
// done.
func (d *Doc[T]) Update(ctx context.Context, change func(*T) error) error {
	return d.write(ctx, func(v *view) ([]byte, error) {
		data, _, err := d.read(v)
		if err != nil {
			return nil, err
		}
		value, err := d.decode(data)
		if err != nil {
			return nil, err
		}
		if err := change(&value); err != nil {
			return nil, err
		}
		return d.encode(value)
	})
}

// Watch yields the value now and after each change, until ctx is done. Of changes that
// come faster than the loop it yields the last. A value that the codec cannot read is
// yielded as an error, and the loop goes on.
func (d *Doc[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		seen := uint64(math.MaxUint64)
		for {
			data, seq, err := d.next(ctx, seen)
			if err != nil {
				yield(none, err)
				return
			}
			seen = seq
			if !yield(d.decode(data)) {
				return
			}
		}
	}
}

// Cap returns how many bytes the value may have.
func (d *Doc[T]) Cap() int { return int(d.capacity) }

func (d *Doc[T]) encode(value T) ([]byte, error) {
	data, err := d.codec.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("shared: doc %q: %w", d.name, err)
	}
	if uint64(len(data)) > d.capacity {
		return nil, fmt.Errorf("shared: doc %q: %w: %d bytes of %s do not fit into %d", d.name, sysvipc.ErrTooBig, len(data), d.codec.Name(), d.capacity)
	}
	return data, nil
}

// decode makes a value of bytes; nil stands for none.
func (d *Doc[T]) decode(data []byte) (value T, err error) {
	if data == nil {
		return value, nil
	}
	if err = d.codec.Unmarshal(data, &value); err != nil {
		var none T
		return none, fmt.Errorf("shared: doc %q: %w", d.name, err)
	}
	return value, nil
}

func (d *Doc[T]) cell(v *view, seq uint64) unsafe.Pointer {
	return v.at(d.offset + varHeadSize + seq%cells*d.params[1])
}

// load is read for whoever does not hold the lock, beside a Close.
func (d *Doc[T]) load(v *view) ([]byte, uint64, error) {
	data, seq, err := d.read(v)
	if closed := d.open(v); closed != nil {
		return nil, 0, closed
	}
	return data, seq, err
}

// read copies the bytes of the current value, and returns its number.
func (d *Doc[T]) read(v *view) ([]byte, uint64, error) {
	h := (*varHead)(v.at(d.offset))
	for {
		seq := atomic.LoadUint64(&h.seq)
		if seq == 0 {
			return nil, 0, nil
		}
		at := d.cell(v, seq)
		n := atomic.LoadUint64((*uint64)(at))
		var data []byte
		if n <= d.capacity {
			data = make([]byte, n)
			copyOut(unsafe.Pointer(unsafe.SliceData(data)), unsafe.Add(at, docBytes), uintptr(n))
		}
		if atomic.LoadUint64(&h.seq)-seq > cells-2 {
			continue
		}
		if n > d.capacity {
			return nil, 0, fmt.Errorf("shared: doc %q: %w: a value of %d bytes in %d", d.name, errCorrupt, n, d.capacity)
		}
		return data, seq, nil
	}
}

// write publishes the bytes that make returns, which is called with the lock held.
func (d *Doc[T]) write(ctx context.Context, make func(v *view) ([]byte, error)) error {
	v, err := d.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	h := (*varHead)(v.at(d.offset))
	g, _, err := d.region.lock(ctx, v, &h.lock, d.local)
	if err != nil {
		return fmt.Errorf("shared: write doc %q: %w", d.name, err)
	}
	defer g.unlock(&h.lock)
	// As for a Var: a writer that was killed has spoiled no cell that is current.
	data, err := make(v)
	if err != nil {
		return err
	}
	seq := atomic.LoadUint64(&h.seq) + 1
	if seq == 0 {
		seq = cells // what another process has written there may be anything
	}
	at := d.cell(v, seq)
	atomic.StoreUint64((*uint64)(at), uint64(len(data)))
	copyIn(unsafe.Add(at, docBytes), unsafe.Pointer(unsafe.SliceData(data)), uintptr(len(data)))
	atomic.StoreUint64(&h.seq, seq)
	d.region.notify(v, d.changed())
	return nil
}

// next waits until the value's number is not seen.
func (d *Doc[T]) next(ctx context.Context, seen uint64) (data []byte, seq uint64, err error) {
	v, err := d.region.use()
	if err != nil {
		return nil, 0, err
	}
	defer v.done()
	h := (*varHead)(v.at(d.offset))
	err = d.region.wait(ctx, v, d.changed(), func() bool { return atomic.LoadUint64(&h.seq) != seen })
	if err != nil {
		return nil, 0, err
	}
	return d.load(v)
}

// changed is the event of a change. It lies behind the cells.
func (d *Doc[T]) changed() uint64 { return d.offset + varHeadSize + cells*d.params[1] }
