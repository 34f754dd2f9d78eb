package dynamic

import (
	"context"
	"iter"

	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Var is a [shared.Var].
type Var struct {
	Description
	value *structure.Variable
}

// Load returns the value.
func (x *Var) Load() ([]byte, error) {
	value, _, err := x.value.LoadBytes()
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Update changes the value by change, which no other writer comes between. Change must not use
// x, and may be called again if another writer was faster. If it returns an error the value
// stays as it was, and Update returns the error. Update may wait for another writer, until ctx
// is done.
func (x *Var) Update(ctx context.Context, change func(value []byte) error) error {
	if err := x.writable(); err != nil {
		return err
	}
	return x.value.UpdateBytes(ctx, change)
}

// Watch yields the value now and after each change, until ctx is done. Of changes that come
// faster than the loop it yields the last.
func (x *Var) Watch(ctx context.Context) iter.Seq2[[]byte, error] {
	return watch(&x.Description, func(seen uint64, first bool) ([]byte, uint64, error) { return x.value.NextBytes(ctx, seen, first) })
}

// watch yields what next waits for, which is given the number of the last value.
func watch(d *Description, next func(seen uint64, first bool) ([]byte, uint64, error)) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := d.writable(); err != nil { // a process that waits writes so into the region
			yield(nil, err)
			return
		}
		for seen, first := uint64(0), true; ; first = false {
			value, seq, err := next(seen, first)
			if !yield(value, err) || err != nil {
				return
			}
			seen = seq
		}
	}
}

// Position returns how often the value was changed. It fails for a value of at most 8 bytes.
func (x *Var) Position() (Position, error) {
	if x.value.IsWord() {
		return Position{}, x.fail("changes of a value of at most 8 bytes are not counted")
	}
	n, err := x.value.Changes()
	return Position{In: n}, err
}

// Counter is a [shared.Counter]. Its value is an int64.
type Counter struct {
	Description
	value *structure.Word
}

// Load returns the value.
func (c *Counter) Load() ([]byte, error) {
	word, err := c.value.Load()
	if err != nil {
		return nil, err
	}
	return structure.WordBytes(word), nil
}

// Update changes the value by change, as [Var.Update] does.
func (c *Counter) Update(ctx context.Context, change func(value []byte) error) error {
	if err := c.writable(); err != nil {
		return err
	}
	return structure.UpdateWord(ctx, c.value, c.Type.Size(), change)
}

// Watch yields the value now and after each change, as [shared.Counter.Watch] does.
func (c *Counter) Watch(ctx context.Context) iter.Seq2[[]byte, error] {
	return watch(&c.Description, func(seen uint64, first bool) ([]byte, uint64, error) {
		word, err := c.value.Next(ctx, seen, first)
		return structure.WordBytes(word), word, err
	})
}

// Position returns the value.
func (c *Counter) Position() (Position, error) {
	word, err := c.value.Load()
	return Position{In: word}, err
}
