package structure

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// stripeWatch follows the changes of a stripe.
type stripeWatch struct {
	table  *Table
	index  uint64
	words  []uint64          // of the stripe's index, as it was last seen
	values map[string][]byte // what was yielded
}

// WatchStripe returns what follows the changes of the stripe with this number.
func (t *Table) WatchStripe(i uint64) *stripeWatch {
	return &stripeWatch{table: t, index: i, values: make(map[string][]byte)}
}

// Next waits until the stripe has changed since the last call, and returns what is new. A nil
// value is an entry that was deleted.
func (w *stripeWatch) Next(ctx context.Context) (news []Entry, err error) {
	t := w.table
	v, err := t.Region.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	s := t.nth(v, w.index)
	first := w.words == nil
	if first {
		w.words = make([]uint64, t.slots)
	}
	for len(news) == 0 {
		err := t.Region.Wait(ctx, v, s.changed(), func() bool { return s.differs(w.words) || first })
		if err != nil {
			return nil, err
		}
		// The words come first: what changes from here on is seen the next time.
		for slot := range w.words {
			w.words[slot] = atomic.LoadUint64(s.word(uint64(slot)))
		}
		all, err := t.snapshot(ctx, w.index)
		if err != nil {
			return nil, err
		}
		if news = w.compare(all); first {
			break
		}
	}
	return news, nil
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

// compare returns what is new in the entries, and notes them as yielded.
func (w *stripeWatch) compare(all entries) (news []Entry) {
	now := make(map[string][]byte, all.len())
	for i := range all.len() {
		e := all.at(i)
		now[string(e.Key)] = e.Value
		if old, ok := w.values[string(e.Key)]; !ok || !bytes.Equal(old, e.Value) {
			news = append(news, Entry{e.Key, bytes.Clone(e.Value)})
		}
	}
	for key := range w.values {
		if _, ok := now[key]; !ok {
			news = append(news, Entry{Key: []byte(key)})
		}
	}
	w.values = now
	return news
}

// WatchAll yields the entries as they are now, and after each change those that have changed. A nil
// value is an entry that was deleted.
func (t *Table) WatchAll(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		type change struct {
			entries []Entry
			err     error
		}
		changes := make(chan change)
		ctx, cancel := context.WithCancel(ctx)
		var stripes sync.WaitGroup
		defer stripes.Wait()
		defer cancel()
		for i := range t.Stripes {
			stripes.Go(func() {
				w := t.WatchStripe(i)
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
				c.err = fmt.Errorf("shared: watch map %q: %w", t.Name, ctx.Err())
			}
			for _, e := range c.entries {
				if !yield(e, nil) {
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
