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

// Action is what [Map.Update] does with an entry.
type Action int

const (
	Keep   Action = iota // leave it as it is, or that there is none
	Store                // store the value
	Delete               // delete it, if there is one
)

// Update calls change with the value for k, or the zero value if there is none, and does what
// change returns: it stores what change made of the value, deletes the entry, or keeps it as
// it is. No other writer of k comes between. Change must not write to m. If it panics, nothing
// is changed. Update fails with [ErrFull] if k is new and there is no room.
func (m *Map[K, V]) Update(ctx context.Context, k K, change func(value *V, exists bool) Action) error {
	var value V
	return m.table.Update(ctx, core.ValueOf(&k), core.ValueOf(&value), func(exists bool) (structure.Action, error) {
		return structure.Action(change(&value, exists)), nil
	})
}

// LoadOrStore returns the value for k if there is one, else it stores value and returns
// it. Loaded tells which.
func (m *Map[K, V]) LoadOrStore(ctx context.Context, k K, value V) (actual V, loaded bool, err error) {
	if actual, loaded, err = m.Load(k); loaded || err != nil {
		return actual, loaded, err
	}
	err = m.Update(ctx, k, func(v *V, exists bool) Action {
		if loaded = exists; exists {
			actual = *v
			return Keep
		}
		*v, actual = value, value
		return Store
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
	err = m.Update(ctx, k, func(v *V, exists bool) Action {
		if swapped = exists && *v == old; !swapped {
			return Keep
		}
		*v = new
		return Store
	})
	return swapped && err == nil, err
}

// Delete deletes the entry for k, and reports whether there was one.
func (m *Map[K, V]) Delete(ctx context.Context, k K) (bool, error) {
	return m.table.Delete(ctx, core.ValueOf(&k))
}

// LoadAndDelete deletes the entry for k, and returns the value that it had. Loaded tells whether
// there was one.
func (m *Map[K, V]) LoadAndDelete(ctx context.Context, k K) (value V, loaded bool, err error) {
	err = m.Update(ctx, k, func(v *V, exists bool) Action {
		value, loaded = *v, exists
		return Delete
	})
	return value, loaded, err
}

// CompareAndDelete deletes the entry for k if its value is old, and reports whether it did.
func (m *Map[K, V]) CompareAndDelete(ctx context.Context, k K, old V) (deleted bool, err error) {
	err = m.Update(ctx, k, func(v *V, exists bool) Action {
		if deleted = exists && *v == old; !deleted {
			return Keep
		}
		return Delete
	})
	return deleted, err
}

// Clear deletes all entries, one stripe after the other: an entry that another writer stores
// meanwhile may stay. If this process is killed, or ctx is done, some entries may be deleted and
// others not.
func (m *Map[K, V]) Clear(ctx context.Context) error { return m.table.Clear(ctx) }

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

// Change is an entry of a [Map] as [Map.WatchAll] sees it.
type Change[K, V comparable] struct {
	Key   K
	Value *V // nil once the entry is deleted; the caller's own
}

// WatchAll yields the entries as they are now, in no order, and after each change those that
// have changed, until ctx is done.
//
// A loop that is slower than the writers holds nobody up. Of the changes of an entry that come
// meanwhile it gets the last, and none if they have led back to the value before; of an entry that
// came and went it sees nothing. When the writers rest, it has got what the map is then.
//
// It keeps a copy of the whole map, and after a change looks at all entries of that stripe, some
// 1,000 of a large map: [Map.Watch] costs less for a single key.
func (m *Map[K, V]) WatchAll(ctx context.Context) iter.Seq2[Change[K, V], error] {
	return func(yield func(Change[K, V], error) bool) {
		for bytes, err := range m.table.WatchAll(ctx) {
			var c Change[K, V]
			copy(core.ValueOf(&c.Key).Bytes(), bytes.Key)
			if bytes.Value != nil {
				c.Value = new(V)
				copy(core.ValueOf(c.Value).Bytes(), bytes.Value)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() (int, error) { return m.table.Len() }

// Cap returns for how many entries the map was made.
func (m *Map[K, V]) Cap() int { return int(m.table.Capacity) }
