package shared

import (
	"context"
	"iter"
	"sync/atomic"
	"unsafe"
)

// AnyEntry is an entry of a map, as bytes.
type AnyEntry struct{ Key, Value []byte }

// table returns the map that lies in the thing. Its type was read only if its layout fits.
func (a *Any) table(write bool) (*table, *view, error) {
	v, err := a.use(kindMap, write)
	if err != nil {
		return nil, nil, err
	}
	l, ok := a.thing.region.mapLayout(a.thing)
	if !ok || a.Key == nil {
		return nil, nil, a.fail("%w: its type cannot be read", errCorrupt)
	}
	return newTable(a.thing, l), v, nil
}

// LoadKey returns the value for a key of a map, and whether there is one.
func (a *Any) LoadKey(key []byte) (value []byte, ok bool, err error) {
	m, v, err := a.table(false)
	if err != nil {
		return nil, false, err
	}
	defer v.done()
	if err := a.fits(key, a.Key); err != nil {
		return nil, false, err
	}
	key = a.keyCopy(key)
	hash := xxh64(key)
	value = wordBuffer(int(m.val))
	ok, err = m.at(v, hash).read(hash, unsafe.Pointer(unsafe.SliceData(key)), unsafe.Pointer(unsafe.SliceData(value)))
	switch {
	case err == nil && ok:
		return value, true, a.closed(v)
	case err == errBusy:
		err = a.fail("%w", err)
	}
	return nil, false, err
}

// keyCopy copies a key, as its users compare it: without what lies between its fields.
func (a *Any) keyCopy(key []byte) []byte {
	out := wordBuffer(len(key))
	a.Key.root.copyFields(out, key)
	return out
}

func (f field) copyFields(to, from []byte) {
	if f.kind != "" {
		copy(to[:f.bytes()], from)
		return
	}
	for i := range max(f.count, 1) {
		for _, inner := range f.fields {
			if at := i*f.size + inner.offset; inner.name != "_" {
				inner.copyFields(to[at:], from[at:])
			}
		}
	}
}

// UpdateKey calls change with the value for a key, or zeros if there is none, and stores
// what change made of it. No other writer of the key comes between. Change must not use the
// map. If it returns an error nothing is changed, and UpdateKey returns the error. It fails
// with [ErrFull] if the key is new and there is no room, and may wait for another writer,
// until ctx is done.
func (a *Any) UpdateKey(ctx context.Context, key []byte, change func(value []byte, exists bool) error) error {
	return a.writeKey(ctx, key, func(s stripe, hash uint64, key unsafe.Pointer) error {
		slot, word, exists, err := s.find(hash, key)
		if err != nil {
			return err
		}
		value := wordBuffer(int(s.val))
		at := unsafe.Pointer(unsafe.SliceData(value))
		if exists {
			copyOut(at, unsafe.Add(s.cell(word&cellMask-1), s.value), uintptr(s.val))
		}
		if err := change(value, exists); err != nil {
			return err
		}
		return s.put(hash, slot, word, exists, key, at)
	})
}

// DeleteKey deletes the entry for a key of a map, and reports whether there was one.
func (a *Any) DeleteKey(ctx context.Context, key []byte) (deleted bool, err error) {
	err = a.writeKey(ctx, key, func(s stripe, hash uint64, key unsafe.Pointer) error {
		slot, word, found := s.probe(hash, key)
		switch found {
		case hit:
			deleted = true
			s.remove(slot, word)
			return nil
		case missed, crowded:
			return nil
		}
		return s.corrupt()
	})
	return deleted && err == nil, err
}

// writeKey calls write with the lock of a key's stripe.
func (a *Any) writeKey(ctx context.Context, key []byte, write func(s stripe, hash uint64, key unsafe.Pointer) error) error {
	m, v, err := a.table(true)
	if err != nil {
		return err
	}
	defer v.done()
	if err := a.fits(key, a.Key); err != nil {
		return err
	}
	key = a.keyCopy(key)
	hash := xxh64(key)
	s := m.at(v, hash)
	lock, err := s.lock(ctx)
	if err != nil {
		return a.fail("%w", err)
	}
	defer lock.release(s)
	return write(s, hash, unsafe.Pointer(unsafe.SliceData(key)))
}

// Entries yields the entries of a map, in no order, as [Map.All] does; but where entries
// are deleted all the time, it may miss one that is there.
func (a *Any) Entries() iter.Seq2[AnyEntry, error] {
	return func(yield func(AnyEntry, error) bool) {
		m, v, err := a.table(false)
		if err != nil {
			yield(AnyEntry{}, err)
			return
		}
		defer v.done()
		for i := range m.stripes {
			entries, _, err := m.nth(v, i).anyEntries()
			if err == nil {
				err = a.closed(v)
			}
			if err != nil {
				yield(AnyEntry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// anyEntries returns the entries of a stripe. Settled tells that none is missing, since
// none was deleted meanwhile.
func (s stripe) anyEntries() (entries []AnyEntry, settled bool, err error) {
	for range 100 {
		moves := atomic.LoadUint64(&s.head().moves)
		seen := make(map[string]bool)
		entries = entries[:0]
		for slot := range s.slots {
			if cell := atomic.LoadUint64(s.word(slot)) & cellMask; cell == wordEmpty || cell == wordHole {
				continue
			}
			e := AnyEntry{wordBuffer(int(s.key)), wordBuffer(int(s.val))}
			cell, err := s.entry(slot, unsafe.Pointer(unsafe.SliceData(e.Key)), unsafe.Pointer(unsafe.SliceData(e.Value)))
			if err != nil {
				return nil, false, err
			}
			if cell != wordEmpty && !seen[string(e.Key)] {
				seen[string(e.Key)] = true
				entries = append(entries, e)
			}
		}
		if atomic.LoadUint64(&s.head().moves) == moves {
			return entries, true, nil
		}
	}
	return entries, false, nil
}

// Len returns how many entries a map has, or how many messages or records wait.
func (a *Any) Len() (int, error) {
	if a.kind == kindRecords {
		return a.recordsLen()
	}
	if a.kind == kindChan {
		p, err := a.chanPosition()
		return int(min((p.In-p.Out)&positionMask, uint64(a.Capacity))), err
	}
	m, v, err := a.table(false)
	if err != nil {
		return 0, err
	}
	defer v.done()
	return int(m.len(v)), a.closed(v)
}
