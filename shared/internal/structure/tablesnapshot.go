package structure

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// Entry is an entry of a map.
type Entry struct{ Key, Value []byte }

// All yields the entries, in no order. What it yields is the caller's own.
func (t *Table) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for i := range t.Stripes {
			all, err := t.snapshot(ctx, i)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for n := range all.len() {
				if !yield(all.at(n), nil) {
					return
				}
			}
		}
	}
}

// entries are those of a stripe, one behind the other: a key and its value each.
type entries struct {
	bytes    []byte
	key, val uint64
}

func (e *entries) len() int { return len(e.bytes) / int(e.key+e.val) }

// at returns the entry with this number.
func (e *entries) at(i int) Entry {
	b := e.bytes[i*int(e.key+e.val):]
	return Entry{b[:e.key:e.key], b[e.key : e.key+e.val : e.key+e.val]}
}

// has reports whether there is an entry with this key.
func (e *entries) has(key []byte) bool {
	for i := range e.len() {
		if bytes.Equal(e.at(i).Key, key) {
			return true
		}
	}
	return false
}

// snapshot returns the entries of a stripe. None is missing that was there all the time; if
// entries are deleted all the time, it keeps writers out, unless this process only reads: then
// one may be missing.
func (t *Table) snapshot(ctx context.Context, i uint64) (all entries, err error) {
	v, err := t.Region.Use()
	if err != nil {
		return all, err
	}
	defer v.Done()
	s := t.nth(v, i)
	for range 10 {
		moves := atomic.LoadUint64(&s.head().moves)
		if all, err = s.scan(); err != nil {
			return all, err
		}
		if atomic.LoadUint64(&s.head().moves) == moves {
			return all, s.open()
		}
	}
	if t.Region.Slot < 0 {
		return all, s.open()
	}
	lock, err := s.lock(ctx)
	if err != nil {
		return all, err
	}
	defer lock.release(s)
	return s.scan()
}

// scan copies the entries of a stripe.
func (s stripe) scan() (entries, error) {
	all := entries{key: s.Key, val: s.Val}
	seen := make([]uint64, s.cells/64+1)
	for slot := range s.slots {
		n := len(all.bytes)
		all.bytes = append(all.bytes, make([]byte, s.Key+s.Val)...)
		e := all.at(all.len() - 1)
		cell, err := s.entry(slot, unsafe.Pointer(unsafe.SliceData(e.Key)), unsafe.Pointer(unsafe.SliceData(e.Value)))
		if err != nil {
			return all, err
		}
		// An entry on its way is in two slots, which have the same cell.
		bit := uint64(1) << (cell % 64)
		all.bytes = all.bytes[:n]
		if cell == wordEmpty || seen[cell/64]&bit != 0 && all.has(e.Key) {
			continue
		}
		all.bytes = all.bytes[:n+int(s.Key+s.Val)]
		seen[cell/64] |= bit
	}
	return all, nil
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
		core.CopyOut(key, s.cell(cell-1), uintptr(s.Key))
		core.CopyOut(value, unsafe.Add(s.cell(cell-1), s.value), uintptr(s.Val))
		again := atomic.LoadUint64(at)
		if again == word {
			return cell, nil
		}
		word = again
	}
	return wordEmpty, fmt.Errorf("shared: map %q: an entry: %w", s.Name, errBusy)
}
