// Package pipe has the two ends that the command stands between: input that a signal ends, and output whose reader can end.
package pipe

import (
	"context"
	"io"
)

// Input ends a read for input that does not come when ctx is done. The
// read itself goes on until the process ends.
type Input struct {
	Context context.Context
	Reader  io.Reader
	buf     []byte // a read that goes on writes here, not to what is its caller's again
}

func (r *Input) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	if r.Context.Err() != nil {
		return 0, context.Cause(r.Context)
	}
	if len(r.buf) < len(p) {
		r.buf = make([]byte, len(p))
	}
	buf := r.buf[:len(p)]
	go func() {
		n, err := r.Reader.Read(buf)
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		return copy(p, buf[:got.n]), got.err
	case <-r.Context.Done():
		return 0, context.Cause(r.Context)
	}
}
