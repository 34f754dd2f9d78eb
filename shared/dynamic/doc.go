package dynamic

import (
	"context"
	"iter"
	"math"

	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Doc is a [shared.Doc], whose bytes nobody decodes here.
type Doc struct {
	Description
	doc *structure.Doc
}

// Load returns the bytes that the codec has made of the value, or nil if none was ever stored.
func (d *Doc) Load() ([]byte, error) {
	data, _, err := d.doc.Load()
	return data, err
}

// Update sets the bytes to what change returns, which the codec must be able to read. Change gets
// what there is, or nil. No other writer comes between. If it returns an error, or too many
// bytes, the old value stays, and the error is returned. Update may wait for another writer,
// until ctx is done.
func (d *Doc) Update(ctx context.Context, change func(data []byte) ([]byte, error)) error {
	if err := d.writable(); err != nil {
		return err
	}
	return d.doc.Update(ctx, change)
}

// Watch yields the bytes of the value now and after each change, until ctx is done. Of changes
// that come faster than the loop it yields the last.
func (d *Doc) Watch(ctx context.Context) iter.Seq2[[]byte, error] {
	return watch(&d.Description, func(seen uint64, first bool) ([]byte, uint64, error) {
		if first {
			seen = math.MaxUint64
		}
		return d.doc.Next(ctx, seen)
	})
}

// Position returns how often the value was stored.
func (d *Doc) Position() (Position, error) {
	n, err := d.doc.Changes()
	return Position{In: n}, err
}
