package shared

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Doc is a value of any Go type, with maps, slices, strings and pointers, that all
// processes see. It lies in the region as the bytes that a [Codec] makes of it: each Load
// reads them again, so that what it returns is the caller's own. Safe for concurrent use.
//
// A reader never waits for a writer, and never sees half a value. Writers take turns. A
// writer that is killed, at any instant, leaves the value as it was before its write or
// after it; the next writer finds its lock and goes on.
type Doc[T any] struct {
	doc   *structure.Doc
	codec Codec
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

// DocOf returns the region's document with this name, as JSON, and makes it, with the zero
// value, if there is none. Its value has at most capacity bytes then; the document takes
// four times as many of the region. DocOf fails if another program declared it with another
// capacity or codec. Of types it knows nothing: what JSON cannot read is an error of Load.
func DocOf[T any](r *Region, name string, capacity int) (*Doc[T], error) {
	return DocWith[T](r, name, capacity, JSON)
}

// DocWith is DocOf with another codec.
func DocWith[T any](r *Region, name string, capacity int, codec Codec) (*Doc[T], error) {
	d, err := structure.DeclareDoc(core.Of(r), name, capacity, codec.Name())
	if err != nil {
		return nil, err
	}
	return &Doc[T]{d, codec}, nil
}

// Load returns the value, or the zero value of T if none was ever stored.
func (d *Doc[T]) Load() (T, error) {
	data, _, err := d.doc.Load()
	if err != nil {
		var none T
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
	return d.doc.Store(ctx, data)
}

// Update changes the value by change, which no other writer comes between. It must not use
// d. If it returns an error, or panics, or what it made of the value does not fit, the old
// value stays. Update returns change's error, and may wait for another writer, until ctx is
// done.
func (d *Doc[T]) Update(ctx context.Context, change func(*T) error) error {
	return d.doc.Update(ctx, func(data []byte) ([]byte, error) {
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
			data, seq, err := d.doc.Next(ctx, seen)
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
func (d *Doc[T]) Cap() int { return int(d.doc.Capacity) }

// encode makes bytes of a value. Those that are too many are refused before the lock is taken.
func (d *Doc[T]) encode(value T) ([]byte, error) {
	data, err := d.codec.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("shared: doc %q: %w", d.doc.Name, err)
	}
	return data, d.doc.Fits(data)
}

// decode makes a value of bytes; nil stands for none.
func (d *Doc[T]) decode(data []byte) (value T, err error) {
	if data == nil {
		return value, nil
	}
	if err = d.codec.Unmarshal(data, &value); err != nil {
		var none T
		return none, fmt.Errorf("shared: doc %q: %w", d.doc.Name, err)
	}
	return value, nil
}
