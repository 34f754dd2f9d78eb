package structure

import (
	"bytes"
	"context"
	"sync/atomic"
)

// StripeWatch follows the changes of a stripe.
type StripeWatch struct {
	table  *Table
	index  uint64
	words  []uint64          // of the stripe's index, as it was last seen
	values map[string][]byte // what was yielded
}

// WatchStripe returns what follows the changes of the stripe with this number.
func (t *Table) WatchStripe(i uint64) *StripeWatch {
	return &StripeWatch{table: t, index: i, values: make(map[string][]byte)}
}

// Next waits until the stripe has changed since the last call, and returns what is new. A nil
// value is an entry that was deleted.
func (w *StripeWatch) Next(ctx context.Context) (news []Entry, err error) {
	t := w.table
	v, err := t.Region.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	s := t.nth(v, w.index)
	first := w.words == nil
	if first {
		w.words = make([]uint64, t.Slots)
	}
	for len(news) == 0 {
		err := t.Region.Wait(ctx, v, s.changed(), func() bool { return s.differs(w.words) || first })
		if err != nil {
			return nil, err
		}
		// The words come first: what changes from here on is seen the next time.
		for slot := range w.words {
			w.words[slot] = atomic.LoadUint64(s.Word(uint64(slot)))
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
func (s Stripe) differs(words []uint64) bool {
	for slot, word := range words {
		if atomic.LoadUint64(s.Word(uint64(slot))) != word {
			return true
		}
	}
	return false
}

// compare returns what is new in the entries, and notes them as yielded.
func (w *StripeWatch) compare(all entries) (news []Entry) {
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
