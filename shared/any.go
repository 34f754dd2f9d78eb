package shared

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Any is a thing in a region whose Go type the program does not have. Values are bytes,
// which the thing's [Type] turns into JSON and back. What the thing's own type says of
// crashes and of waiting holds here too. Safe for concurrent use.
type Any struct {
	Thing
	thing thing
	kind  uint32
}

// ErrReadOnly: the region was opened by [Look], and the call would have to write.
var ErrReadOnly = errors.New("the region is attached for reading only")

// use returns the region's memory, if the thing is of this kind and what is said of it can
// be true.
func (a *Any) use(kind uint32, write bool) (*view, error) {
	switch {
	case a.kind != kind:
		return nil, a.fail("its kind has no such method")
	case write && a.thing.region.slot < 0:
		return nil, a.fail("%w", ErrReadOnly)
	case kind != kindMutex && kind != kindDoc && kind != kindRecords && a.Type == nil:
		return nil, a.fail("%w: its type cannot be read", errCorrupt)
	}
	return a.thing.region.use()
}

func (a *Any) fail(format string, args ...any) error {
	return fmt.Errorf("shared: %s %q in region %q: "+format, append([]any{a.Kind, a.Name, a.thing.region.name}, args...)...)
}

// fits checks the length of a value that the caller hands in.
func (a *Any) fits(value []byte, t *Type) error {
	if len(value) != t.Size() {
		return a.fail("a value of %d bytes, where it has %d", len(value), t.Size())
	}
	return nil
}

// closed is an error if the region was closed since: what was read may be zeros.
func (a *Any) closed(v *view) error { return a.thing.open(v) }

// Load returns the value of a var or counter.
func (a *Any) Load() ([]byte, error) {
	if a.kind == kindCounter {
		return a.loadWord(kindCounter)
	}
	if a.isWord() {
		return a.loadWord(kindVar)
	}
	v, err := a.use(kindVar, false)
	if err != nil {
		return nil, err
	}
	defer v.done()
	value, _, err := a.copy(v)
	return value, err
}

// isWord reports whether the value is a single word: see varword.go.
func (a *Any) isWord() bool { return a.thing.params[1] == 0 }

// loadWord returns the value of a thing that is one word.
func (a *Any) loadWord(kind uint32) ([]byte, error) {
	v, err := a.use(kind, false)
	if err != nil {
		return nil, err
	}
	defer v.done()
	word := a.word(v)
	return unpackBytes(word, a.Type.Size()), a.closed(v)
}

func (a *Any) word(v *view) uint64 { return atomic.LoadUint64((*uint64)(v.at(a.thing.offset))) }

func unpackBytes(word uint64, size int) []byte {
	value := wordBuffer(size)
	copy(value, bytesOf(unsafe.Pointer(&word), 8))
	return value
}

func packBytes(value []byte) (word uint64) {
	copy(bytesOf(unsafe.Pointer(&word), 8), value)
	return word
}

// copy returns the value of a var that has cells, and its number. Writers that are honest
// never come round in so many tries.
func (a *Any) copy(v *view) (value []byte, seq uint64, err error) {
	seqAt := &(*varHead)(v.at(a.thing.offset)).seq
	value = wordBuffer(a.Type.Size())
	for range tries {
		seq = atomic.LoadUint64(seqAt)
		copyOut(unsafe.Pointer(unsafe.SliceData(value)), a.cell(v, seq), uintptr(len(value)))
		if atomic.LoadUint64(seqAt)-seq <= cells-2 {
			return value, seq, a.closed(v)
		}
	}
	return nil, 0, a.fail("it changes faster than it can be read")
}

// cell returns a cell of a var. It lies inside whatever the number is.
func (a *Any) cell(v *view, seq uint64) unsafe.Pointer {
	return v.at(a.thing.offset + varHeadSize + seq%cells*a.thing.params[1])
}

// Update changes the value of a var or counter by change, which no other writer comes
// between. Change must not use the thing, and may be called again if another writer was
// faster. If it returns an error the value stays as it was, and Update returns the error.
// Update may wait for another writer, until ctx is done.
func (a *Any) Update(ctx context.Context, change func(value []byte) error) error {
	if a.kind == kindCounter || a.isWord() {
		return a.updateWord(ctx, change)
	}
	v, err := a.use(kindVar, true)
	if err != nil {
		return err
	}
	defer v.done()
	r, h := a.thing.region, (*varHead)(v.at(a.thing.offset))
	g, _, err := r.lock(ctx, v, &h.lock, r.localLock(a.thing.offset))
	if err != nil {
		return a.fail("%w", err)
	}
	defer g.unlock(&h.lock)
	seq := atomic.LoadUint64(&h.seq)
	value := wordBuffer(a.Type.Size())
	at := unsafe.Pointer(unsafe.SliceData(value))
	copyOut(at, a.cell(v, seq), uintptr(len(value)))
	if err := change(value); err != nil {
		return err
	}
	copyIn(a.cell(v, seq+1), at, uintptr(len(value)))
	atomic.StoreUint64(&h.seq, seq+1)
	r.notify(v, a.changed())
	return nil
}

func (a *Any) updateWord(ctx context.Context, change func(value []byte) error) error {
	kind := uint32(kindVar)
	if a.kind == kindCounter {
		kind = kindCounter
	}
	v, err := a.use(kind, true)
	if err != nil {
		return err
	}
	defer v.done()
	for {
		old := a.word(v)
		value := unpackBytes(old, a.Type.Size())
		if err := change(value); err != nil {
			return err
		}
		if swapped, err := a.thing.swapWord(v, old, packBytes(value), true, a.changed()); err != nil || swapped {
			return err
		}
		if ctx.Err() != nil {
			return a.fail("%w", ctx.Err())
		}
	}
}

// changed is the event of a change of a var or counter.
func (a *Any) changed() uint64 {
	if a.isWord() {
		return a.thing.offset + line
	}
	return a.thing.offset + varHeadSize + cells*a.thing.params[1]
}

// Position says how far a thing has come, to compute rates from. What a thing does not
// count is 0.
type Position struct {
	In  uint64 // changes of a var or doc, the value of a counter, messages that were sent or published
	Out uint64 // messages that were received
	// Of records both are bytes, with what each takes of the room besides.
}

// Position returns how far the thing has come. It fails for what counts nothing: locks,
// maps, and vars of at most 8 bytes.
func (a *Any) Position() (Position, error) {
	switch a.kind {
	case kindCounter:
		v, err := a.use(kindCounter, false)
		if err != nil {
			return Position{}, err
		}
		defer v.done()
		return Position{In: a.word(v)}, a.closed(v)
	case kindChan:
		return a.chanPosition()
	case kindTopic:
		return a.topicPosition()
	case kindDoc:
		return a.docPosition()
	case kindRecords:
		return a.recordsPosition()
	case kindVar:
		if a.isWord() {
			return Position{}, a.fail("changes of a value of at most 8 bytes are not counted")
		}
		v, err := a.use(kindVar, false)
		if err != nil {
			return Position{}, err
		}
		defer v.done()
		seq := atomic.LoadUint64(&(*varHead)(v.at(a.thing.offset)).seq)
		return Position{In: seq}, a.closed(v)
	}
	return Position{}, a.fail("it does not count what is done with it")
}

// LockState is what the word of a mutex says.
type LockState struct {
	Locked bool
	TID    int  // a thread of the holder
	Died   bool // the last holder was killed with it; the next one is told
	Lost   bool // what it guards was not repaired: nobody can take it any more
}

// LockState returns what the word of a mutex says at this moment.
func (a *Any) LockState() (LockState, error) {
	v, err := a.use(kindMutex, false)
	if err != nil {
		return LockState{}, err
	}
	defer v.done()
	if a.thing.size < mutexBytes {
		return LockState{}, a.fail("%w: it has %d bytes", errCorrupt, a.thing.size)
	}
	n := (*node)(v.at(a.thing.offset))
	word := atomic.LoadUint32(&n.word)
	tid := int(word & futexTIDMask)
	return LockState{
		Locked: tid != 0, TID: tid, Died: word&futexOwnerDied != 0, Lost: atomic.LoadUint32(&n.owner) == notRecoverable,
	}, a.closed(v)
}
