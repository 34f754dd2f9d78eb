package shared

import (
	"context"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// A value of at most wordSize bytes is its Var's first word: the bytes of the value, and
// then zeros. It has no lock and no number. A C program uses it with the operations of
// stdatomic.h.
const wordSize = 8

func (x *Var[T]) isWord() bool { return x.params[1] == 0 }

func (x *Var[T]) word(v *view) *uint64 { return (*uint64)(v.at(x.offset)) }

// pack and unpack turn values of at most wordSize bytes into words and back.

func pack[T any](value T) (word uint64) {
	*(*T)(unsafe.Pointer(&word)) = value // it fits, and a word is aligned for all
	return word
}

func unpack[T any](word uint64) T { return *(*T)(unsafe.Pointer(&word)) }

// updateWord replaces the value by what change makes of it. Two values are one if == says
// so, also where their padding differs.
func (x *Var[T]) updateWord(ctx context.Context, v *view, change func(*T) bool) (bool, error) {
	for {
		old := atomic.LoadUint64(x.word(v))
		value := unpack[T](old)
		changed := change(&value)
		swapped, err := x.swapWord(v, old, pack(value), changed, x.changed())
		switch {
		case err != nil:
			return false, err
		case swapped || !changed:
			return swapped, nil
		case ctx.Err() != nil:
			return false, fmt.Errorf("shared: write var %q: %w", x.name, ctx.Err())
		}
	}
}

// swapWord sets the word of a thing to new if it is old, and reports whether it was. Without
// change it only makes sure that old was read in the region.
func (t *thing) swapWord(v *view, old, new uint64, change bool, event uint64) (bool, error) {
	if !change {
		if t.region.view.Load() != v {
			return false, t.region.closed()
		}
		return false, nil
	}
	if _, err := t.beginWord(); err != nil {
		return false, err
	}
	defer t.endWord()
	if !atomic.CompareAndSwapUint64((*uint64)(v.at(t.offset)), old, new) {
		return false, nil
	}
	t.region.notify(v, event)
	return true, nil
}
