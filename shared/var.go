package shared

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"structs"
	"sync/atomic"
	"unsafe"
)

// Var is a variable of type T that all processes see. T is made of bools, sized numbers,
// strings of fixed size, and arrays and structs of them. Safe for concurrent use.
//
// A reader never waits for a writer, and never sees half a value. A value of at most 8
// bytes is one word, which is written by one atomic operation, and nobody waits for
// anybody; writers of larger ones take turns. A writer that is killed, at any instant,
// leaves the value as it was before its write or after it; the next writer finds its lock
// and goes on.
type Var[T comparable] struct {
	thing
	local chan struct{}
}

// A value of at most 8 bytes lies at the Var's beginning: see varword.go. A larger one is
// in one of four cells. The writer fills the cell after the current
// one and then publishes its number; the reader copies the current cell, and knows that
// nobody has touched it if at most two numbers have been published since: the third
// would have begun to fill it. So a writer that is killed halfway has spoiled nothing
// that anybody reads.
type varHead struct {
	_    structs.HostLayout
	seq  uint64 // number of the current cell, counted from the first
	_    [56]byte
	lock node
	_    [24]byte
}

// The cells come after the head, and after them the event of a change. The parameters are
// a value's size, and the length of a cell: 0 where the value is one word.
const (
	cells       = 4
	varHeadSize = 128
)

// VarOf returns the region's variable with this name, and makes it, with the zero value,
// if there is none. It fails if T cannot be shared, naming the field, and if another
// program declared the variable with a type of another shape.
func VarOf[T comparable](r *Region, name string) (*Var[T], error) {
	s, err := shapeOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	w := wanted{kind: kindVar, name: name, shape: s, size: line + r.eventSize(), params: [4]uint64{uint64(s.size)}}
	if s.size > wordSize {
		stride := roundUp(uint64(s.size), line)
		w.size, w.params[1] = varHeadSize+cells*stride+r.eventSize(), stride
		w.init = func(v *view, t thing) { (*varHead)(v.at(t.offset)).lock.kind = robustShared }
	}
	t, err := r.declare(context.Background(), w)
	if err != nil {
		return nil, err
	}
	return &Var[T]{thing: t, local: r.localLock(t.offset)}, nil
}

// Load returns the value.
func (x *Var[T]) Load() (value T, err error) {
	v := x.region.view.Load()
	if v == nil {
		return value, x.region.closed()
	}
	if x.isWord() {
		value = unpack[T](atomic.LoadUint64(x.word(v)))
	} else {
		h := x.head(v)
		for { // as load, which the compiler does not inline
			seq := atomic.LoadUint64(&h.seq)
			readCell(&value, x.cell(v, seq))
			if atomic.LoadUint64(&h.seq)-seq <= cells-2 {
				break
			}
		}
	}
	if x.region.view.Load() != v { // meanwhile: what was read may be zeros
		var none T
		value, err = none, x.region.closed()
	}
	v.done()
	return value, err
}

// load copies the value and returns its number.
func (x *Var[T]) load(v *view, value *T) uint64 {
	h := x.head(v)
	for {
		seq := atomic.LoadUint64(&h.seq)
		readCell(value, x.cell(v, seq))
		if atomic.LoadUint64(&h.seq)-seq <= cells-2 {
			return seq
		}
	}
}

// cell returns the cell with this number. It lies inside whatever the number is.
func (x *Var[T]) cell(v *view, seq uint64) unsafe.Pointer {
	return v.at(x.offset + varHeadSize + seq%cells*x.params[1])
}

// Store sets the value. It may wait for another writer, until ctx is done.
func (x *Var[T]) Store(ctx context.Context, value T) error {
	v, err := x.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	if x.isWord() {
		_, err := x.updateWord(ctx, v, func(v *T) bool { *v = value; return true })
		return err
	}
	g, err := x.begin(ctx, v)
	if err != nil {
		return err
	}
	x.publish(v, &value)
	g.unlock(&x.head(v).lock)
	return nil
}

func (x *Var[T]) head(v *view) *varHead { return (*varHead)(v.at(x.offset)) }

// begin takes the lock of the writers.
func (x *Var[T]) begin(ctx context.Context, v *view) (*guardian, error) {
	g, _, err := x.region.lock(ctx, v, &x.head(v).lock, x.local)
	if err != nil {
		return nil, fmt.Errorf("shared: write var %q: %w", x.name, err)
	}
	return g, nil
}

// publish makes value the current one. The lock's last holder may have been killed: then
// the cell after the current one is spoiled, and is filled again.
func (x *Var[T]) publish(v *view, value *T) {
	h := x.head(v)
	seq := atomic.LoadUint64(&h.seq)
	writeCell(x.cell(v, seq+1), value)
	atomic.StoreUint64(&h.seq, seq+1)
	x.region.notify(v, x.changed())
}

// Update changes the value by change, which no other writer comes between. It must not
// use x, and may be called again if another writer was faster. If it panics, the value
// stays as it was. Update may wait for another writer, until ctx is done.
func (x *Var[T]) Update(ctx context.Context, change func(*T)) error {
	_, err := x.update(ctx, func(v *T) bool { change(v); return true })
	return err
}

// CompareAndSwap sets the value to new if it is old, and reports whether it was. It may
// wait for another writer, until ctx is done.
func (x *Var[T]) CompareAndSwap(ctx context.Context, old, new T) (bool, error) {
	return x.update(ctx, func(v *T) bool {
		if *v != old {
			return false
		}
		*v = new
		return true
	})
}

func (x *Var[T]) update(ctx context.Context, change func(*T) bool) (bool, error) {
	v, err := x.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	if x.isWord() {
		return x.updateWord(ctx, v, change)
	}
	g, err := x.begin(ctx, v)
	if err != nil {
		return false, err
	}
	h := x.head(v)
	defer g.unlock(&h.lock)
	var value T
	readCell(&value, x.cell(v, atomic.LoadUint64(&h.seq)))
	if !change(&value) {
		return false, nil
	}
	x.publish(v, &value)
	return true, nil
}

// Watch yields the value now and after each change, until ctx is done. Of changes that
// come faster than the loop it yields the last.
func (x *Var[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var value, none T
		seen, first := uint64(0), true
		for {
			seq, err := x.next(ctx, seen, first, &value)
			if err != nil {
				yield(none, err)
				return
			}
			if seen, first = seq, false; !yield(value, nil) {
				return
			}
		}
	}
}

// next waits until the value's number, or the word that it is, is not seen.
func (x *Var[T]) next(ctx context.Context, seen uint64, first bool, value *T) (seq uint64, err error) {
	v, err := x.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	err = x.region.wait(ctx, v, x.changed(), func() bool {
		if x.isWord() {
			seq = atomic.LoadUint64(x.word(v))
			*value = unpack[T](seq)
		} else {
			seq = x.load(v, value)
		}
		return (first || seq != seen) && x.region.view.Load() == v
	})
	return seq, err
}

// changed is the event of a change. It lies behind the value.
func (x *Var[T]) changed() uint64 {
	if x.isWord() {
		return x.offset + line
	}
	return x.offset + varHeadSize + cells*x.params[1]
}
