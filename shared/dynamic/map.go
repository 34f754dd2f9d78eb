package dynamic

import (
	"bytes"
	"context"
	"iter"

	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Map is a [shared.Map].
type Map struct {
	Description
	table *structure.Table
}

// Entry is an entry of a map, as bytes.
type Entry struct{ Key, Value []byte }

// key copies a key, of which the map may clear what == does not look at.
func (m *Map) key(key []byte) (core.Value, error) {
	return core.ValuesOf(bytes.Clone(key)), m.fits(key, m.Key)
}

// Load returns the value for a key, and whether there is one.
func (m *Map) Load(key []byte) (value []byte, ok bool, err error) {
	k, err := m.key(key)
	if err != nil {
		return nil, false, err
	}
	value = make([]byte, m.Type.Size())
	if ok, err = m.table.Load(k, core.ValuesOf(value)); !ok {
		return nil, false, err
	}
	return value, true, nil
}

// Update calls change with the value for a key, or zeros if there is none, and does what change
// returns: it stores what change made of the value, deletes the entry, or keeps it. No other
// writer of the key comes between. Change must not use the map. If it returns an error nothing is
// changed, and Update returns the error. It fails with [shared.ErrFull] if the key is new and there
// is no room, and may wait for another writer, until ctx is done.
func (m *Map) Update(ctx context.Context, key []byte, change func(value []byte, exists bool) (shared.Action, error)) error {
	if err := m.writable(); err != nil {
		return err
	}
	k, err := m.key(key)
	if err != nil {
		return err
	}
	value := make([]byte, m.Type.Size())
	return m.table.Update(ctx, k, core.ValuesOf(value), func(exists bool) (structure.Action, error) {
		action, err := change(value, exists)
		return structure.Action(action), err
	})
}

// Delete deletes the entry for a key, and reports whether there was one.
func (m *Map) Delete(ctx context.Context, key []byte) (bool, error) {
	if err := m.writable(); err != nil {
		return false, err
	}
	k, err := m.key(key)
	if err != nil {
		return false, err
	}
	return m.table.Delete(ctx, k)
}

// LoadAndDelete deletes the entry for a key, and returns the value that it had, or nil if there was
// none.
func (m *Map) LoadAndDelete(ctx context.Context, key []byte) (old []byte, err error) {
	err = m.Update(ctx, key, func(value []byte, exists bool) (shared.Action, error) {
		if exists {
			old = value
		}
		return shared.Delete, nil
	})
	return old, err
}

// Clear deletes all entries, as [shared.Map.Clear] does.
func (m *Map) Clear(ctx context.Context) error {
	if err := m.writable(); err != nil {
		return err
	}
	return m.table.Clear(ctx)
}

// All yields the entries, in no order, as [shared.Map.All] does; but where entries are deleted
// all the time, one that only reads the region may miss an entry that is there.
func (m *Map) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range m.table.All(ctx) {
			if !yield(Entry(e), err) || err != nil {
				return
			}
		}
	}
}

// Watch yields the value for a key now and after each change, until ctx is done: nil while there
// is none. See [shared.Map.Watch].
func (m *Map) Watch(ctx context.Context, key []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		k, err := m.key(key)
		if err == nil {
			err = m.writable()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for value, err := range m.table.Watch(ctx, k) {
			if !yield(bytes.Clone(value), err) {
				return
			}
		}
	}
}

// WatchAll yields the entries as they are now, in no order, and after each change those that have
// changed, until ctx is done; one that was deleted has a nil Value. See [shared.Map.WatchAll].
func (m *Map) WatchAll(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := m.writable(); err != nil {
			yield(Entry{}, err)
			return
		}
		for e, err := range m.table.WatchAll(ctx) {
			if !yield(Entry(e), err) || err != nil {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (m *Map) Len() (int, error) { return m.table.Len() }
