package structure

import (
	"bytes"
	"context"
	"iter"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// Watch yields the bytes of the value for a key, or nil, now and after each change.
func (t *Table) Watch(ctx context.Context, key core.Value) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		hash := t.hash(key)
		var seen []byte
		for first := true; ; first = false {
			value, err := t.next(ctx, hash, key.At, seen, first)
			if !yield(value, err) || err != nil {
				return
			}
			seen = value
		}
	}
}

// next waits until the value for a key is not seen. Nil is no value.
func (t *Table) next(ctx context.Context, hash uint64, key unsafe.Pointer, seen []byte, first bool) ([]byte, error) {
	v, err := t.Region.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	s := t.at(v, hash)
	value := make([]byte, t.Val)
	at := unsafe.Pointer(unsafe.SliceData(value))
	var ok bool
	var failed error
	changed := func() bool { return first || ok != (seen != nil) || ok && !bytes.Equal(value, seen) }
	for {
		err = t.Region.Wait(ctx, v, s.changed(), func() bool {
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
