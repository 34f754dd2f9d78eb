package shared

import (
	"context"
	"iter"
	"sync/atomic"
)

// Counter is an integer that all processes change by single atomic operations. A kill
// leaves it before or after an operation, never between. Safe for concurrent use.
type Counter struct{ thing }

// The value has a line of its own. The event of a change, which is written only where
// somebody waits for one, lies in the next.

func (r *Region) counterSize() uint64 { return line + r.eventSize() }

// CounterOf returns the region's counter with this name, and makes it, with value 0, if
// there is none.
func CounterOf(r *Region, name string) (*Counter, error) {
	t, err := r.declare(context.Background(), wanted{kind: kindCounter, name: name, size: r.counterSize()})
	if err != nil {
		return nil, err
	}
	return &Counter{t}, nil
}

func (c *Counter) value(v *view) *int64 { return (*int64)(v.at(c.offset)) }

func (c *Counter) changed() uint64 { return c.offset + line }

// Add adds delta and returns the new value.
func (c *Counter) Add(delta int64) (int64, error) {
	v, err := c.beginWord()
	if err != nil {
		return 0, err
	}
	defer c.endWord()
	value := atomic.AddInt64(c.value(v), delta)
	c.region.notify(v, c.changed())
	return value, nil
}

// Load returns the value.
func (c *Counter) Load() (int64, error) {
	v, err := c.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	value := atomic.LoadInt64(c.value(v))
	if c.region.view.Load() != v { // meanwhile: it may be a zero that is none
		return 0, c.region.closed()
	}
	return value, nil
}

// Store sets the value.
func (c *Counter) Store(value int64) error {
	v, err := c.beginWord()
	if err != nil {
		return err
	}
	defer c.endWord()
	atomic.StoreInt64(c.value(v), value)
	c.region.notify(v, c.changed())
	return nil
}

// CompareAndSwap sets the value to new if it is old, and reports whether it was.
func (c *Counter) CompareAndSwap(old, new int64) (bool, error) {
	v, err := c.beginWord()
	if err != nil {
		return false, err
	}
	defer c.endWord()
	swapped := atomic.CompareAndSwapInt64(c.value(v), old, new)
	if swapped {
		c.region.notify(v, c.changed())
	}
	return swapped, nil
}

// Watch yields the value now and after each change, until ctx is done. Of changes that
// come faster than the loop it yields the last, and none if that has led back to the value
// before. A C program that changes the counter by an atomic instruction of its own wakes
// nobody.
func (c *Counter) Watch(ctx context.Context) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		for seen, first := int64(0), true; ; first = false {
			value, err := c.next(ctx, seen, first)
			if !yield(value, err) || err != nil {
				return
			}
			seen = value
		}
	}
}

// next waits until the value is not seen.
func (c *Counter) next(ctx context.Context, seen int64, first bool) (value int64, err error) {
	v, err := c.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	err = c.region.wait(ctx, v, c.changed(), func() bool {
		value = atomic.LoadInt64(c.value(v))
		return (first || value != seen) && c.region.view.Load() == v
	})
	if err != nil {
		value = 0
	}
	return value, err
}
