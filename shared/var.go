package shared

import (
	"context"
	"iter"
	"reflect"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// Var is a variable of type T that all processes see. T is made of bools, sized numbers,
// strings of fixed size, and arrays and structs of them. Safe for concurrent use.
//
// A reader never waits for a writer, and never sees half a value. A value of at most 8
// bytes is one word, which is written by one atomic operation, and nobody waits for
// anybody; writers of larger ones take turns. A writer that is killed, at any instant,
// leaves the value as it was before its write or after it; the next writer finds its lock
// and goes on.
type Var[T comparable] struct{ value structure.Variable }

// VarOf returns the region's variable with this name, and makes it, with the zero value,
// if there is none. It fails if T cannot be shared, naming the field, and if another
// program declared the variable with a type of another shape.
func VarOf[T comparable](r *Region, name string) (*Var[T], error) {
	s, err := shape.Of(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	x, err := structure.DeclareVar(core.Of(r), name, s)
	if err != nil {
		return nil, err
	}
	return &Var[T]{*x}, nil
}

// Load returns the value.
func (x *Var[T]) Load() (value T, err error) {
	_, err = structure.Load(&x.value, &value)
	return value, err
}

// Store sets the value. It may wait for another writer, until ctx is done.
func (x *Var[T]) Store(ctx context.Context, value T) error {
	return structure.Store(ctx, &x.value, &value)
}

// Update changes the value by change, which no other writer comes between. It must not
// use x, and may be called again if another writer was faster. If it panics, the value
// stays as it was. Update may wait for another writer, until ctx is done.
func (x *Var[T]) Update(ctx context.Context, change func(*T)) error {
	_, err := structure.Update(ctx, &x.value, func(v *T) bool { change(v); return true })
	return err
}

// CompareAndSwap sets the value to new if it is old, and reports whether it was. It may
// wait for another writer, until ctx is done.
func (x *Var[T]) CompareAndSwap(ctx context.Context, old, new T) (bool, error) {
	return structure.Update(ctx, &x.value, func(v *T) bool {
		if *v != old {
			return false
		}
		*v = new
		return true
	})
}

// Watch yields the value now and after each change, until ctx is done. Of changes that
// come faster than the loop it yields the last.
func (x *Var[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var value, none T
		seen, first := uint64(0), true
		for {
			seq, err := structure.Next(ctx, &x.value, seen, first, &value)
			if err != nil {
				yield(none, err)
				return
			}
			if seen, first = seq, false; !yield(value, nil) {
				return
			}
		}
	}
}
