package shared

import (
	"bytes"
	"context"
	"iter"
	"unsafe"
)

// Watch yields the value for k now and after each change, until ctx is done: nil while there
// is none. What it yields is the caller's own. Of changes that come faster than the loop it
// yields the last, and none if that has led back to the value before.
//
// The changes of other keys in the same stripe wake the loop's process, and it sleeps again:
// see [Map].
func (m *Map[K, V]) Watch(ctx context.Context, k K) iter.Seq2[*V, error] {
	return func(yield func(*V, error) bool) {
		hash := m.hash(&k)
		for value, err := range m.watch(ctx, hash, unsafe.Pointer(&k)) {
			var own *V
			if value != nil {
				own = new(V)
				*own = *(*V)(unsafe.Pointer(unsafe.SliceData(value)))
			}
			if !yield(own, err) {
				return
			}
		}
	}
}

// watch yields the bytes of the value for a key, or nil, now and after each change.
func (t *table) watch(ctx context.Context, hash uint64, key unsafe.Pointer) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var seen []byte
		for first := true; ; first = false {
			value, err := t.next(ctx, hash, key, seen, first)
			if !yield(value, err) || err != nil {
				return
			}
			seen = value
		}
	}
}

// next waits until the value for a key is not seen. Nil is no value.
func (t *table) next(ctx context.Context, hash uint64, key unsafe.Pointer, seen []byte, first bool) ([]byte, error) {
	v, err := t.region.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	s := t.at(v, hash)
	value := wordBuffer(int(t.val))
	at := unsafe.Pointer(unsafe.SliceData(value))
	var ok bool
	var failed error
	changed := func() bool { return first || ok != (seen != nil) || ok && !bytes.Equal(value, seen) }
	for {
		err = t.region.wait(ctx, v, s.changed(), func() bool {
			ok, failed = s.read(hash, key, at)
			return failed != nil || changed()
		})
		if err == nil && failed == errBusy {
			ok, failed = s.readInTurn(ctx, hash, key, at)
		}
		switch {
		case err != nil:
			return nil, err
		case failed != nil:
			return nil, failed
		case !changed():
			continue
		case !ok:
			return nil, nil
		}
		return value, nil
	}
}
