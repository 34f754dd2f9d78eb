package structure

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// What the users of a Map do with it. Keys and values are bytes. What they promise is said at
// Map.

// DeclareMap finds the map, or makes it, empty. Keys of this shape differ by their
// bytes.
func DeclareMap(r *core.Region, name string, key, val shape.Shape, capacity int) (*Table, error) {
	l, ok := mapLayoutOf(uint64(max(capacity, 0)), uint64(key.Size), uint64(val.Size), r.EventSize())
	if !ok {
		return nil, fmt.Errorf("shared: map %q: a capacity of %d: it can be 1 to %d", name, capacity, maxMapCapacity)
	}
	t, err := r.Declare(context.Background(), core.Declaration{
		Kind: KindMap, Name: name, Shape: entryShape(key, val, l), Size: l.size(), Params: [4]uint64{l.Capacity, l.Key, l.Val},
		Init: func(v *core.View, t core.Structure) {
			for i := range l.Stripes {
				(*stripeHead)(v.At(t.Offset + i*l.stripe)).lock.Kind = core.RobustShared
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return NewTable(t, l, shape.Blank(key.Size, key.Fields)), nil
}

// entryShape is the shape of a cell.
func entryShape(key, val shape.Shape, l mapLayout) shape.Shape {
	k, v := key.Field("key", 0), val.Field("value", int(l.value))
	return shape.Shape{Size: int(l.Stride), Align: 8, Fields: []shape.Field{k, v}}
}

// hash clears what does not count in a key, and returns the key's hash.
func (t *Table) hash(key core.Value) uint64 {
	b := key.Bytes()
	for _, r := range t.blank {
		clear(b[r.From:r.To])
	}
	return xxh64(b)
}

// Load copies the value for a key, and reports whether there is one. If writers are always in
// its way, it takes its turn with them, unless this process only reads.
func (t *Table) Load(key, val core.Value) (bool, error) {
	v, err := t.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	hash := t.hash(key)
	s := t.at(v, hash)
	ok, err := s.read(hash, key.At, val.At)
	if err == errBusy && t.Region.Slot >= 0 {
		ok, err = s.readInTurn(context.Background(), hash, key.At, val.At)
	}
	return ok && err == nil, err
}

// Store sets the value for a key.
func (t *Table) Store(ctx context.Context, key, val core.Value) error {
	v, err := t.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	hash := t.hash(key)
	s := t.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release(s)
	slot, word, exists, err := s.find(hash, key.At)
	if err != nil {
		return err
	}
	return s.put(hash, slot, word, exists, key.At, val.At)
}

// Action is what Update does with an entry.
type Action int

const (
	KeepEntry Action = iota
	StoreEntry
	DeleteEntry
)

// Update calls change when val has the value for a key, if there is one, and does what change
// returns: it stores what val is then, or deletes the entry, or keeps it.
func (t *Table) Update(ctx context.Context, key, val core.Value, change func(exists bool) (Action, error)) error {
	v, err := t.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	hash := t.hash(key)
	s := t.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release(s)
	slot, word, exists, err := s.find(hash, key.At)
	if err != nil {
		return err
	}
	if exists {
		core.CopyOut(val.At, unsafe.Add(s.cell(word&cellMask-1), s.value), uintptr(s.Val))
	}
	action, err := change(exists)
	switch {
	case err != nil:
		return err
	case action == StoreEntry:
		return s.put(hash, slot, word, exists, key.At, val.At)
	case action == DeleteEntry && exists:
		s.remove(slot, word)
	}
	return nil
}

// Clear deletes all entries, one stripe after the other.
func (t *Table) Clear(ctx context.Context) error {
	v, err := t.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	for i := range t.Stripes {
		s := t.nth(v, i)
		lock, err := s.lock(ctx)
		if err != nil {
			return err
		}
		s.clear()
		lock.release(s)
	}
	return nil
}

// Delete deletes the entry for a key, and reports whether there was one.
func (t *Table) Delete(ctx context.Context, key core.Value) (bool, error) {
	v, err := t.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	hash := t.hash(key)
	s := t.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer lock.release(s)
	slot, word, found := s.probe(hash, key.At)
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
func (t *Table) Len() (int, error) {
	v, err := t.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	n := int(t.count(v))
	return n, t.Open(v)
}
