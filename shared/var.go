package shared

import (
	"context"
	"iter"
	"math"
	"reflect"
	"structs"
	"sync/atomic"
	"unsafe"
)

// Var is a variable of type T that all processes see. T is made of bools, sized numbers,
// and arrays and structs of them. Safe for concurrent use.
//
// A reader never waits for a writer, and never sees half a value. Writers take turns. A
// writer that is killed, at any instant, leaves the value as it was before its write or
// after it; the next writer finds its lock and goes on.
type Var[T comparable] struct {
	thing
	local chan struct{}
}

// A Var holds its value in one of four cells. The writer fills the cell after the current
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
	stride := roundUp(uint64(s.size), line)
	t, err := r.declare(context.Background(), wanted{
		kind: kindVar, name: name, shape: s, size: varHeadSize + cells*stride + r.eventSize(), params: [4]uint64{uint64(s.size), stride},
		init: func(v *view, t thing) { (*varHead)(v.at(t.offset)).lock.kind = robustShared },
	})
	if err != nil {
		return nil, err
	}
	return &Var[T]{thing: t, local: r.localLock(t.offset)}, nil
}

// Load returns the value.
func (x *Var[T]) Load() (T, error) {
	var value T
	v, err := x.region.use()
	if err != nil {
		return value, err
	}
	defer v.done()
	x.load(v, &value)
	return value, nil
}

// load copies the value and returns its number.
func (x *Var[T]) load(v *view, value *T) uint64 {
	h := (*varHead)(v.at(x.offset))
	for {
		seq := atomic.LoadUint64(&h.seq)
		copyOut(unsafe.Pointer(value), x.cell(v, seq), unsafe.Sizeof(*value))
		if atomic.LoadUint64(&h.seq)-seq <= cells-2 {
			return seq
		}
	}
}

// cell returns the cell with this number. It lies inside whatever the number is.
func (x *Var[T]) cell(v *view, seq uint64) unsafe.Pointer {
	return v.at(x.offset + varHeadSize + seq%cells*x.params[1])
}

// Store sets the value.
func (x *Var[T]) Store(value T) error {
	return x.Update(func(v *T) { *v = value })
}

// Update changes the value by change, which no other writer comes between. It must not
// use x. If it panics, the value stays as it was.
func (x *Var[T]) Update(change func(*T)) error {
	_, err := x.update(func(v *T) bool { change(v); return true })
	return err
}

// CompareAndSwap sets the value to new if it is old, and reports whether it was.
func (x *Var[T]) CompareAndSwap(old, new T) (bool, error) {
	return x.update(func(v *T) bool {
		if *v != old {
			return false
		}
		*v = new
		return true
	})
}

func (x *Var[T]) update(change func(*T) bool) (bool, error) {
	v, err := x.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	h := (*varHead)(v.at(x.offset))
	g, _, err := x.region.lock(context.Background(), v, &h.lock, x.local)
	if err != nil {
		return false, err
	}
	defer g.unlock(&h.lock)
	// The lock's last holder may have been killed: then the cell after the current one is
	// spoiled, and is filled again.
	seq := atomic.LoadUint64(&h.seq)
	var value T
	copyOut(unsafe.Pointer(&value), x.cell(v, seq), unsafe.Sizeof(value))
	if !change(&value) {
		return false, nil
	}
	copyIn(x.cell(v, seq+1), unsafe.Pointer(&value), unsafe.Sizeof(value))
	atomic.StoreUint64(&h.seq, seq+1)
	x.region.notify(v, x.changed())
	return true, nil
}

// Watch yields the value now and after each change, until ctx is done. Of changes that
// come faster than the loop it yields the last.
func (x *Var[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var value T
		seen := uint64(math.MaxUint64)
		for {
			seq, err := x.next(ctx, seen, &value)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if seen = seq; !yield(value, nil) {
				return
			}
		}
	}
}

// next waits until the value's number is not seen.
func (x *Var[T]) next(ctx context.Context, seen uint64, value *T) (uint64, error) {
	v, err := x.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	var seq uint64
	err = x.region.wait(ctx, v, x.changed(), func() bool {
		seq = x.load(v, value)
		return seq != seen
	})
	return seq, err
}

// changed is the event of a change. It lies behind the cells.
func (x *Var[T]) changed() uint64 { return x.offset + varHeadSize + cells*x.params[1] }
