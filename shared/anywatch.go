package shared

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Watch yields the value of a var or counter now and after each change, until ctx is done. Of
// changes that come faster than the loop it yields the last.
func (a *Any) Watch(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for seen, first := uint64(0), true; ; first = false {
			value, seq, err := a.next(ctx, seen, first)
			if !yield(value, err) || err != nil {
				return
			}
			seen = seq
		}
	}
}

// next waits until the value's number, or the word that it is, is not seen.
func (a *Any) next(ctx context.Context, seen uint64, first bool) (value []byte, seq uint64, err error) {
	kind := uint32(kindVar)
	if a.kind == kindCounter {
		kind = kindCounter
	}
	v, err := a.use(kind, true)
	if err != nil {
		return nil, 0, err
	}
	defer v.done()
	var failed error
	err = a.thing.region.wait(ctx, v, a.changed(), func() bool {
		if kind == kindCounter || a.isWord() {
			seq = a.word(v)
			value = unpackBytes(seq, a.Type.Size())
		} else if value, seq, failed = a.copy(v); failed != nil {
			return true
		}
		return (first || seq != seen) && a.closed(v) == nil
	})
	if err == nil {
		err = failed
	}
	return value, seq, err
}

// WatchKey yields the value for a key of a map now and after each change, until ctx is done:
// nil while there is none. See [Map.Watch].
func (a *Any) WatchKey(ctx context.Context, key []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		m, v, err := a.table(true)
		if err == nil {
			v.done()
			err = a.fits(key, a.Key)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		key := a.keyCopy(key)
		for value, err := range m.watch(ctx, xxh64(key), unsafe.Pointer(unsafe.SliceData(key))) {
			if !yield(bytes.Clone(value), err) {
				return
			}
		}
	}
}

// WatchEntries yields the entries of a map as they are now, in no order, and after each change
// those that have changed, until ctx is done; one that was deleted has a nil Value. Of changes
// of an entry that come faster than the loop it yields the last, and none if that has led back
// to the value before. It keeps a copy of the whole map, and looks at all entries of a stripe
// after each change there: it is for what shows or records a map.
func (a *Any) WatchEntries(ctx context.Context) iter.Seq2[AnyEntry, error] {
	return func(yield func(AnyEntry, error) bool) {
		m, v, err := a.table(true)
		if err != nil {
			yield(AnyEntry{}, err)
			return
		}
		v.done()
		type change struct {
			entries []AnyEntry
			err     error
		}
		changes := make(chan change)
		ctx, cancel := context.WithCancel(ctx)
		var stripes sync.WaitGroup
		defer stripes.Wait()
		defer cancel()
		for i := range m.stripes {
			stripes.Go(func() {
				w := stripeWatch{table: m, index: i, values: make(map[string][]byte)}
				for {
					var c change
					c.entries, c.err = w.next(ctx)
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
				c.err = a.fail("%w", ctx.Err())
			}
			for _, e := range c.entries {
				if !yield(e, nil) {
					return
				}
			}
			if c.err != nil {
				yield(AnyEntry{}, c.err)
				return
			}
		}
	}
}

// stripeWatch follows the changes of a stripe.
type stripeWatch struct {
	*table
	index  uint64
	words  []uint64          // of its index, as it was last seen
	values map[string][]byte // what was told
}

// next waits until the stripe has changed since the last call, and returns what is new.
func (w *stripeWatch) next(ctx context.Context) (news []AnyEntry, err error) {
	v, err := w.region.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	s := w.nth(v, w.index)
	first := w.words == nil
	if first {
		w.words = make([]uint64, s.slots)
	}
	for len(news) == 0 {
		err := w.region.wait(ctx, v, s.changed(), func() bool { return s.differs(w.words) || first })
		if err != nil {
			return nil, err
		}
		// The words come first: what changes from here on is seen the next time.
		for slot := range w.words {
			w.words[slot] = atomic.LoadUint64(s.word(uint64(slot)))
		}
		entries, err := s.settledEntries(ctx)
		if err != nil {
			return nil, err
		}
		if news = w.compare(entries); first {
			break
		}
	}
	return news, nil
}

// settledEntries returns the entries of a stripe, none of which is missing.
func (s stripe) settledEntries(ctx context.Context) ([]AnyEntry, error) {
	entries, settled, err := s.anyEntries()
	if err == nil && !settled {
		var lock held
		if lock, err = s.lock(ctx); err != nil {
			return nil, err
		}
		defer lock.release(s)
		entries, _, err = s.anyEntries()
	}
	if err == nil {
		err = s.open()
	}
	return entries, err
}

// differs reports whether a word of the index is not as it was.
func (s stripe) differs(words []uint64) bool {
	for slot, word := range words {
		if atomic.LoadUint64(s.word(uint64(slot))) != word {
			return true
		}
	}
	return false
}

// compare returns what is new in the entries, and takes it for told.
func (w *stripeWatch) compare(entries []AnyEntry) (news []AnyEntry) {
	now := make(map[string][]byte, len(entries))
	for _, e := range entries {
		now[string(e.Key)] = e.Value
		if old, ok := w.values[string(e.Key)]; !ok || !bytes.Equal(old, e.Value) {
			news = append(news, AnyEntry{e.Key, bytes.Clone(e.Value)})
		}
	}
	for key := range w.values {
		if _, ok := now[key]; !ok {
			news = append(news, AnyEntry{Key: []byte(key)})
		}
	}
	w.values = now
	return news
}
