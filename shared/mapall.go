package shared

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"unsafe"
)

// All yields the entries, in no order. An entry that is there from the beginning to the end
// is yielded once; one that comes or goes meanwhile is yielded once or not at all, unless it
// goes and comes again. Each value is one that the key had at some instant of the loop, which
// may change the map. If a stripe changes faster than it can be read, the loop takes its
// turn with the writers, for which it waits until ctx is done.
func (m *Map[K, V]) All(ctx context.Context) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		var entries []Entry[K, V]
		for i := range m.stripes {
			var err error
			if entries, err = m.snapshot(ctx, i, entries[:0]); err != nil {
				yield(Entry[K, V]{}, err)
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

// snapshot returns the entries of one stripe.
func (m *Map[K, V]) snapshot(ctx context.Context, i uint64, entries []Entry[K, V]) ([]Entry[K, V], error) {
	v, err := m.region.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	s := m.nth(v, i)
	for range 10 {
		moves := atomic.LoadUint64(&s.head().moves)
		if entries, err = m.scan(s, entries[:0]); err != nil {
			return nil, err
		}
		if atomic.LoadUint64(&s.head().moves) == moves {
			return entries, s.open()
		}
	}
	// Something is always being deleted: keep writers out.
	lock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.release(s)
	return m.scan(s, entries[:0])
}

// scan appends the entries of a stripe.
func (m *Map[K, V]) scan(s stripe, entries []Entry[K, V]) ([]Entry[K, V], error) {
	seen := make([]uint64, s.cells/64+1)
	for slot := range s.slots {
		var e Entry[K, V]
		cell, err := s.entry(slot, unsafe.Pointer(&e.Key), unsafe.Pointer(&e.Value))
		if err != nil {
			return nil, err
		}
		if cell == wordEmpty {
			continue
		}
		// An entry on its way is in two slots, which have the same cell.
		bit := uint64(1) << (cell % 64)
		if seen[cell/64]&bit != 0 && slices.ContainsFunc(entries, func(o Entry[K, V]) bool { return o.Key == e.Key }) {
			continue
		}
		seen[cell/64] |= bit
		entries = append(entries, e)
	}
	return entries, nil
}

// entry copies what is in slot, and returns the number of its cell, plus 1, or wordEmpty.
func (s stripe) entry(slot uint64, key, value unsafe.Pointer) (uint64, error) {
	at := s.word(slot)
	word := atomic.LoadUint64(at)
	for range tries {
		cell := word & cellMask
		if cell == wordEmpty || cell == wordHole {
			return wordEmpty, nil
		}
		if cell > s.cells {
			return wordEmpty, s.corrupt()
		}
		copyOut(key, s.cell(cell-1), uintptr(s.key))
		copyOut(value, unsafe.Add(s.cell(cell-1), s.value), uintptr(s.val))
		again := atomic.LoadUint64(at)
		if again == word {
			return cell, nil
		}
		word = again
	}
	return wordEmpty, fmt.Errorf("shared: map %q: an entry: %w", s.name, errBusy)
}
