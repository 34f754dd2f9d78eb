package shared

import (
	"context"
	"fmt"
	"reflect"
	"unsafe"
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
// way, and [Map.Len] off by one: readers do not notice, and whoever sees the writer's end,
// or takes the same stripe next, puts it in order.
type Map[K, V comparable] struct {
	table
	blank []run // what == does not look at in keys
}

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
	ks, err := keyShape(reflect.TypeFor[K]())
	if err != nil {
		return nil, err
	}
	vs, err := shapeOf(reflect.TypeFor[V]())
	if err != nil {
		return nil, err
	}
	l, ok := mapLayoutOf(uint64(max(capacity, 0)), uint64(ks.size), uint64(vs.size), r.eventSize())
	if !ok {
		return nil, fmt.Errorf("shared: map %q: a capacity of %d: it can be 1 to %d", name, capacity, maxMapCapacity)
	}
	w := wanted{
		kind: kindMap, name: name, shape: entryShape[K, V](l), size: l.size(), params: [4]uint64{l.capacity, l.key, l.val},
		init: func(v *view, t thing) {
			for i := range l.stripes {
				(*stripeHead)(v.at(t.offset + i*l.stripe)).lock.kind = robustShared
			}
		},
	}
	t, err := r.declare(context.Background(), w)
	if err != nil {
		return nil, err
	}
	return &Map[K, V]{table: *newTable(t, l), blank: ignored(reflect.TypeFor[K]())}, nil
}

// entryShape is the shape of a cell.
func entryShape[K, V any](l mapLayout) shape {
	// Both were checked.
	k, _ := fieldOf(reflect.TypeFor[K](), "")
	v, _ := fieldOf(reflect.TypeFor[V](), "")
	k.name, v.name, v.offset = "key", "value", int(l.value)
	return shape{size: int(l.stride), align: 8, fields: []field{k, v}}
}

// hash clears what does not count in a key, and returns the key's hash.
func (m *Map[K, V]) hash(k *K) uint64 {
	b := bytesOf(unsafe.Pointer(k), uint64(unsafe.Sizeof(*k)))
	for _, r := range m.blank {
		clear(b[r.from:r.to])
	}
	return xxh64(b)
}

// Load returns the value for k, and whether there is one.
func (m *Map[K, V]) Load(k K) (V, bool, error) {
	var value, none V
	v, err := m.region.use()
	if err != nil {
		return none, false, err
	}
	defer v.done()
	hash := m.hash(&k)
	s := m.at(v, hash)
	ok, err := s.read(hash, unsafe.Pointer(&k), unsafe.Pointer(&value))
	if err == errBusy {
		ok, err = s.readInTurn(context.Background(), hash, unsafe.Pointer(&k), unsafe.Pointer(&value))
	}
	if !ok || err != nil {
		return none, false, err
	}
	return value, true, nil
}

// Store sets the value for k. It fails with [ErrFull] if k is new and there is no room. It
// may wait for another writer, until ctx is done, as all may that write.
func (m *Map[K, V]) Store(ctx context.Context, k K, value V) error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	hash := m.hash(&k)
	s := m.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release(s)
	slot, word, exists, err := s.find(hash, unsafe.Pointer(&k))
	if err != nil {
		return err
	}
	return s.put(hash, slot, word, exists, unsafe.Pointer(&k), unsafe.Pointer(&value))
}

// Update calls change with the value for k, or the zero value if there is none, and stores
// what change made of it if change returns true. No other writer of k comes between. Change
// must not write to m. If it panics, nothing is changed. Update fails with [ErrFull] if k
// is new and there is no room.
func (m *Map[K, V]) Update(ctx context.Context, k K, change func(value *V, exists bool) bool) error {
	v, err := m.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	hash := m.hash(&k)
	s := m.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release(s)
	slot, word, exists, err := s.find(hash, unsafe.Pointer(&k))
	if err != nil {
		return err
	}
	var value V
	if exists {
		copyOut(unsafe.Pointer(&value), unsafe.Add(s.cell(word&cellMask-1), s.value), unsafe.Sizeof(value))
	}
	if !change(&value, exists) {
		return nil
	}
	return s.put(hash, slot, word, exists, unsafe.Pointer(&k), unsafe.Pointer(&value))
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
	v, err := m.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	hash := m.hash(&k)
	s := m.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer lock.release(s)
	slot, word, found := s.probe(hash, unsafe.Pointer(&k))
	switch found {
	case hit:
		s.remove(slot, word)
		return true, nil
	case missed, crowded:
		return false, nil
	}
	return false, s.corrupt()
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() (int, error) {
	v, err := m.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	n := int(m.len(v))
	return n, m.open(v)
}

// Capacity returns for how many entries the map was made.
func (m *Map[K, V]) Capacity() int { return int(m.capacity) }
