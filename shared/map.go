package shared

import (
	"context"
	"iter"
	"reflect"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// Map is a map that all processes see, for a number of entries that is fixed when it is
// made. K and V are made of bools, sized numbers, and arrays and structs of them; K has no
// floats. Two keys are one if == says so. Safe for concurrent use.
//
// A reader takes no lock, waits for no writer, and never sees half an entry. Writers take
// turns if their keys fall into the same of up to 64 stripes.
//
// A writer that is killed, at any instant, leaves the entry as it was before its write or
// after it. It may leave a cell that belongs to nothing, a key whose index entry was on its
// way, and [Map.Len] off by one: readers do not notice, and the process that sees the writer's end,
// or takes the same stripe next, puts it in order.
type Map[K, V comparable] struct{ table structure.Table }

// ErrFull: a map has no room for one more entry. What was in it is unchanged.
var ErrFull = structure.ErrFull

// Entry is one key of a [Map] with its value.
type Entry[K, V comparable] struct {
	Key   K
	Value V
}

// MapOf returns the region's map with this name, and makes it, empty, if there is none. It
// fails if K or V cannot be shared, naming the field, if K has floats, and if another
// program declared the map with other types or another capacity.
//
// A map takes about 1.1 to 1.6 times the room of its entries, and 8 to 16 bytes for each.
func MapOf[K, V comparable](r *Region, name string, capacity int) (*Map[K, V], error) {
	ks, err := shape.OfKey(reflect.TypeFor[K]())
	if err != nil {
		return nil, err
	}
	vs, err := shape.Of(reflect.TypeFor[V]())
	if err != nil {
		return nil, err
	}
	t, err := structure.DeclareMap(core.Of(r), name, ks, vs, capacity)
	if err != nil {
		return nil, err
	}
	return &Map[K, V]{*t}, nil
}

// Load returns the value for k, and whether there is one.
func (m *Map[K, V]) Load(k K) (value V, ok bool, err error) {
	if ok, err = m.table.Load(core.ValueOf(&k), core.ValueOf(&value)); !ok {
		var none V
		value = none
	}
	return value, ok, err
}

// Store sets the value for k. It fails with [ErrFull] if k is new and there is no room. It
// may wait for another writer, until ctx is done, as all may that write.
func (m *Map[K, V]) Store(ctx context.Context, k K, value V) error {
	return m.table.Store(ctx, core.ValueOf(&k), core.ValueOf(&value))
}

// Update calls change with the value for k, or the zero value if there is none, and stores
// what change made of it if change returns true. No other writer of k comes between. Change
// must not write to m. If it panics, nothing is changed. Update fails with [ErrFull] if k
// is new and there is no room.
func (m *Map[K, V]) Update(ctx context.Context, k K, change func(value *V, exists bool) bool) error {
	var value V
	return m.table.Update(ctx, core.ValueOf(&k), core.ValueOf(&value), func(exists bool) (bool, error) {
		return change(&value, exists), nil
	})
}

// LoadOrStore returns the value for k if there is one, else it stores value and returns
// it. Loaded tells which.
func (m *Map[K, V]) LoadOrStore(ctx context.Context, k K, value V) (actual V, loaded bool, err error) {
	if actual, loaded, err = m.Load(k); loaded || err != nil {
		return actual, loaded, err
	}
	err = m.Update(ctx, k, func(v *V, exists bool) bool {
		if loaded = exists; !exists {
			*v = value
		}
		actual = *v
		return !exists
	})
	if err != nil {
		var none V
		return none, false, err
	}
	return actual, loaded, nil
}

// CompareAndSwap sets the value for k to new if there is one and it is old, and reports
// whether it did.
func (m *Map[K, V]) CompareAndSwap(ctx context.Context, k K, old, new V) (swapped bool, err error) {
	err = m.Update(ctx, k, func(v *V, exists bool) bool {
		if swapped = exists && *v == old; swapped {
			*v = new
		}
		return swapped
	})
	return swapped && err == nil, err
}

// Delete deletes the entry for k, and reports whether there was one.
func (m *Map[K, V]) Delete(ctx context.Context, k K) (bool, error) {
	return m.table.Delete(ctx, core.ValueOf(&k))
}

// All yields the entries, in no order. An entry that is there from the beginning to the end
// is yielded once; one that comes or goes meanwhile is yielded once or not at all, unless it
// goes and comes again. Each value is one that the key had at some instant of the loop, which
// may change the map. If a stripe changes faster than it can be read, the loop takes its
// turn with the writers, for which it waits until ctx is done.
func (m *Map[K, V]) All(ctx context.Context) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		for bytes, err := range m.table.All(ctx) {
			var e Entry[K, V]
			if err == nil {
				copy(core.ValueOf(&e.Key).Bytes(), bytes.Key)
				copy(core.ValueOf(&e.Value).Bytes(), bytes.Value)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Watch yields the value for k now and after each change, until ctx is done: nil while there
// is none. What it yields is the caller's own. Of changes that come faster than the loop it
// yields the last, and none if that has led back to the value before.
//
// The changes of other keys in the same stripe wake the loop's process, and it sleeps again:
// see [Map].
func (m *Map[K, V]) Watch(ctx context.Context, k K) iter.Seq2[*V, error] {
	return func(yield func(*V, error) bool) {
		for value, err := range m.table.Watch(ctx, core.ValueOf(&k)) {
			var own *V
			if value != nil {
				own = new(V)
				copy(core.ValueOf(own).Bytes(), value)
			}
			if !yield(own, err) {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() (int, error) { return m.table.Len() }

// Cap returns for how many entries the map was made.
func (m *Map[K, V]) Cap() int { return int(m.table.Capacity) }
