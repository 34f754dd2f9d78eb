package dynamic

import (
	"bytes"
	"context"
	"iter"
	"sync"

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

// Update calls change with the value for a key, or zeros if there is none, and stores
// what change made of it. No other writer of the key comes between. Change must not use the
// map. If it returns an error nothing is changed, and Update returns the error. It fails
// with [shared.ErrFull] if the key is new and there is no room, and may wait for another writer,
// until ctx is done.
func (m *Map) Update(ctx context.Context, key []byte, change func(value []byte, exists bool) error) error {
	if err := m.writable(); err != nil {
		return err
	}
	k, err := m.key(key)
	if err != nil {
		return err
	}
	value := make([]byte, m.Type.Size())
	return m.table.Update(ctx, k, core.ValuesOf(value), func(exists bool) (bool, error) { return true, change(value, exists) })
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
// changed, until ctx is done; one that was deleted has a nil Value. Of changes of an entry that
// come faster than the loop it yields the last, and none if that has led back to the value
// before. It keeps a copy of the whole map, and looks at all entries of a stripe after each
// change there: it is for what shows or records a map.
func (m *Map) WatchAll(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := m.writable(); err != nil {
			yield(Entry{}, err)
			return
		}
		type change struct {
			entries []structure.Entry
			err     error
		}
		changes := make(chan change)
		ctx, cancel := context.WithCancel(ctx)
		var stripes sync.WaitGroup
		defer stripes.Wait()
		defer cancel()
		for i := range m.table.Stripes {
			stripes.Go(func() {
				w := m.table.WatchStripe(i)
				for {
					var c change
					c.entries, c.err = w.Next(ctx)
					select {
					case changes <- c:
					case <-ctx.Done():
						return
					}
					if c.err != nil {
						return
					}
				}
			})
		}
		for {
			var c change
			select {
			case c = <-changes:
			case <-ctx.Done():
				// That of a stripe would say the same.
				c.err = m.fail("%w", ctx.Err())
			}
			for _, e := range c.entries {
				if !yield(Entry(e), nil) {
					return
				}
			}
			if c.err != nil {
				yield(Entry{}, c.err)
				return
			}
		}
	}
}

// Len returns the number of entries.
func (m *Map) Len() (int, error) { return m.table.Len() }
