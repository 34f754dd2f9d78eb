package structure

import (
	"context"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// Word is a value of at most wordSize bytes: a Counter, or a Var of a small type. It is the
// structure's first word: the bytes of the value, and then zeros. It has no lock and no number.
// A C program uses it with the operations of stdatomic.h.
//
// The value has a line of its own. The event of a change, which is written only where
// a goroutine waits for one, lies in the next.
type Word struct{ core.Structure }

const wordSize = 8

// WordLen is how many bytes a word takes, with its event.
func WordLen(r *core.Region) uint64 { return core.Line + r.EventSize() }

// DeclareCounter finds the counter, or makes it, with value 0.
func DeclareCounter(r *core.Region, name string) (*Word, error) {
	t, err := r.Declare(context.Background(), core.Declaration{Kind: KindCounter, Name: name, Size: WordLen(r)})
	if err != nil {
		return nil, err
	}
	return &Word{t}, nil
}

// NewWord returns the word that is a structure.
func NewWord(t core.Structure) *Word { return &Word{t} }

func (w *Word) At(v *core.View) *uint64 { return (*uint64)(v.At(w.Offset)) }

// changed is the event of a change.
func (w *Word) changed() uint64 { return w.Offset + core.Line }

// Load returns the value.
func (w *Word) Load() (uint64, error) {
	v, err := w.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	value := atomic.LoadUint64(w.At(v))
	if w.Region.View.Load() != v { // meanwhile: it may be a zero that is none
		return 0, w.Region.Closed()
	}
	return value, nil
}

// Add adds delta and returns the new value.
func (w *Word) Add(delta uint64) (uint64, error) {
	v, err := w.BeginWord()
	if err != nil {
		return 0, err
	}
	defer w.EndWord()
	value := atomic.AddUint64(w.At(v), delta)
	w.Region.Notify(v, w.changed())
	return value, nil
}

// Store sets the value.
func (w *Word) Store(value uint64) error {
	v, err := w.BeginWord()
	if err != nil {
		return err
	}
	defer w.EndWord()
	atomic.StoreUint64(w.At(v), value)
	w.Region.Notify(v, w.changed())
	return nil
}

// CompareAndSwap sets the value to new if it is old, and reports whether it was.
func (w *Word) CompareAndSwap(old, new uint64) (bool, error) {
	v, err := w.BeginWord()
	if err != nil {
		return false, err
	}
	defer w.EndWord()
	swapped := atomic.CompareAndSwapUint64(w.At(v), old, new)
	if swapped {
		w.Region.Notify(v, w.changed())
	}
	return swapped, nil
}

// Next waits until the value is not seen.
func (w *Word) Next(ctx context.Context, seen uint64, first bool) (value uint64, err error) {
	v, err := w.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	err = w.Region.Wait(ctx, v, w.changed(), func() bool {
		value = atomic.LoadUint64(w.At(v))
		return (first || value != seen) && w.Region.View.Load() == v
	})
	if err != nil {
		value = 0
	}
	return value, err
}

// pack and unpack turn values of at most wordSize bytes into words and back.

func pack[T any](value T) (word uint64) {
	*(*T)(unsafe.Pointer(&word)) = value // it fits, and a word is aligned for all
	return word
}

func unpack[T any](word uint64) T { return *(*T)(unsafe.Pointer(&word)) }

// updateWord replaces the value by what change makes of it, and reports whether it did. Two
// values are one if == says so, also where their padding differs.
func updateWord[T any](ctx context.Context, w *Word, change func(*T) bool) (bool, error) {
	v, err := w.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	for {
		old := atomic.LoadUint64(w.At(v))
		value := unpack[T](old)
		if !change(&value) {
			return false, w.Open(v) // else what change was given may be a zero that is none
		}
		swapped, err := w.CompareAndSwap(old, pack(value))
		if err != nil || swapped {
			return swapped, err
		}
		if ctx.Err() != nil {
			return false, fmt.Errorf("shared: write var %q: %w", w.Name, ctx.Err())
		}
	}
}
