package shared

import (
	"context"
	"iter"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Counter is an integer that all processes change by single atomic operations. A kill
// leaves it before or after an operation, never between. Safe for concurrent use.
type Counter struct{ value structure.Word }

// CounterOf returns the region's counter with this name, and makes it, with value 0, if
// there is none.
func CounterOf(r *Region, name string) (*Counter, error) {
	w, err := structure.DeclareCounter(core.Of(r), name)
	if err != nil {
		return nil, err
	}
	return &Counter{*w}, nil
}

// Add adds delta and returns the new value.
func (c *Counter) Add(delta int64) (int64, error) {
	value, err := c.value.Add(uint64(delta))
	return int64(value), err
}

// Load returns the value.
func (c *Counter) Load() (int64, error) {
	value, err := c.value.Load()
	return int64(value), err
}

// Store sets the value.
func (c *Counter) Store(value int64) error { return c.value.Store(uint64(value)) }

// CompareAndSwap sets the value to new if it is old, and reports whether it was.
func (c *Counter) CompareAndSwap(old, new int64) (bool, error) {
	return c.value.CompareAndSwap(uint64(old), uint64(new))
}

// Watch yields the value now and after each change, until ctx is done. Of changes that
// come faster than the loop it yields the last, and none if that has led back to the value
// before. A C program that changes the counter by an atomic instruction of its own wakes
// nobody.
func (c *Counter) Watch(ctx context.Context) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		for seen, first := uint64(0), true; ; first = false {
			value, err := c.value.Next(ctx, seen, first)
			if !yield(int64(value), err) || err != nil {
				return
			}
			seen = value
		}
	}
}
