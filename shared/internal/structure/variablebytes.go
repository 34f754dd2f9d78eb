package structure

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// A variable for those who do not have its type: its value is bytes.

// valueLen is how many bytes the value has.
func (x *Variable) valueLen() int { return int(x.Params[0]) }

// wordBytes are the bytes of a value that is one word.
func (x *Variable) wordBytes(word uint64) []byte {
	return WordBytes(word)[:x.valueLen()]
}

// LoadBytes returns the value, and its number, or the word that it is.
func (x *Variable) LoadBytes() (bytes []byte, seq uint64, err error) {
	if x.IsWord() {
		seq, err := x.one.Load()
		return x.wordBytes(seq), seq, err
	}
	v, err := x.Region.Use()
	if err != nil {
		return nil, 0, err
	}
	defer v.Done()
	bytes = make([]byte, x.valueLen())
	seq, ok := x.read(v, func(cell unsafe.Pointer) {
		core.CopyOut(unsafe.Pointer(unsafe.SliceData(bytes)), cell, uintptr(len(bytes)))
	})
	if err := x.Open(v); err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, fmt.Errorf("shared: var %q: %w", x.Name, errBusy)
	}
	return bytes, seq, nil
}

// UpdateBytes changes the value by change, which may be called again if another writer was
// faster. It may wait for another writer, until ctx is done.
func (x *Variable) UpdateBytes(ctx context.Context, change func(bytes []byte) error) error {
	if x.IsWord() {
		return UpdateWord(ctx, &x.one, x.valueLen(), change)
	}
	v, err := x.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	g, err := x.begin(ctx, v)
	if err != nil {
		return fmt.Errorf("shared: write var %q: %w", x.Name, err)
	}
	defer g.Unlock(&x.head(v).lock)
	bytes, seq := make([]byte, x.valueLen()), x.seq(v)
	at := unsafe.Pointer(unsafe.SliceData(bytes))
	core.CopyOut(at, x.cell(v, seq), uintptr(len(bytes)))
	if err := change(bytes); err != nil {
		return err
	}
	core.CopyIn(x.cell(v, seq+1), at, uintptr(len(bytes)))
	x.publish(v, seq+1)
	return nil
}

// UpdateWord is updateBytes for a word of which the value takes size bytes.
func UpdateWord(ctx context.Context, w *Word, size int, change func(bytes []byte) error) (failed error) {
	_, err := updateWord(ctx, w, func(bytes *[wordSize]byte) bool {
		failed = change(bytes[:size])
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// NextBytes waits until the value's number, or the word that it is, is not seen.
func (x *Variable) NextBytes(ctx context.Context, seen uint64, first bool) (bytes []byte, seq uint64, err error) {
	v, err := x.Region.Use()
	if err != nil {
		return nil, 0, err
	}
	defer v.Done()
	var failed error
	err = x.Region.Wait(ctx, v, x.changed(), func() bool {
		bytes, seq, failed = x.LoadBytes()
		return first || seq != seen || failed != nil
	})
	if err == nil {
		err = failed
	}
	return bytes, seq, err
}

// WordBytes are the bytes of a word.
func WordBytes(word uint64) []byte {
	bytes := unpack[[wordSize]byte](word)
	return bytes[:]
}
