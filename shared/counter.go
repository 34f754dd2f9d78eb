package shared

import (
	"context"
	"sync/atomic"
)

// Counter is an integer that all processes change by single atomic operations. A kill
// leaves it before or after an operation, never between. Safe for concurrent use.
type Counter struct{ thing }

// CounterOf returns the region's counter with this name, and makes it, with value 0, if
// there is none.
func CounterOf(r *Region, name string) (*Counter, error) {
	t, err := r.declare(context.Background(), wanted{kind: kindCounter, name: name, size: 8})
	if err != nil {
		return nil, err
	}
	return &Counter{t}, nil
}

// Add adds delta and returns the new value.
func (c *Counter) Add(delta int64) (int64, error) {
	v, err := c.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	return atomic.AddInt64((*int64)(v.at(c.offset)), delta), nil
}

// Load returns the value.
func (c *Counter) Load() (int64, error) {
	v, err := c.region.use()
	if err != nil {
		return 0, err
	}
	defer v.done()
	return atomic.LoadInt64((*int64)(v.at(c.offset))), nil
}

// Store sets the value.
func (c *Counter) Store(value int64) error {
	v, err := c.region.use()
	if err != nil {
		return err
	}
	defer v.done()
	atomic.StoreInt64((*int64)(v.at(c.offset)), value)
	return nil
}

// CompareAndSwap sets the value to new if it is old, and reports whether it was.
func (c *Counter) CompareAndSwap(old, new int64) (bool, error) {
	v, err := c.region.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	return atomic.CompareAndSwapInt64((*int64)(v.at(c.offset)), old, new), nil
}
