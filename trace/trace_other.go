//go:build !linux || !(amd64 || arm64)

package trace

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
)

// Trace is attached to the kernel. On this system there can be none.
type Trace struct{}

// Start returns [ErrUnsupported].
func Start(*Options) (*Trace, error) {
	return nil, fmt.Errorf("%w on %s/%s: it needs Linux on amd64 or arm64", ErrUnsupported, runtime.GOOS, runtime.GOARCH)
}

// Read returns [ErrUnsupported].
func (*Trace) Read() (*Summary, error) { return nil, ErrUnsupported }

// Holders returns [ErrUnsupported].
func (*Trace) Holders() ([]Holder, error) { return nil, ErrUnsupported }

// Next returns [ErrUnsupported].
func (*Trace) Next(context.Context) (*Event, error) { return nil, ErrUnsupported }

// Buffered returns 0.
func (*Trace) Buffered() int { return 0 }

// Close does nothing.
func (*Trace) Close() error { return nil }

// ErrnoName is the name of an error, as in errno(3).
func ErrnoName(e syscall.Errno) string { return "errno " + strconv.Itoa(int(e)) }
