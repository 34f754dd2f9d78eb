package sysv

import "testing"

// olderKernel makes Semtimedop use a 32-bit time.
func olderKernel(*testing.T) func(*testing.T) {
	return func(t *testing.T) {
		before := noTime64.Swap(true)
		t.Cleanup(func() { noTime64.Store(before) })
	}
}
