package main

import (
	"context"
	"io"
)

// interruptibleReader ends a read for input that does not come when ctx is done. The
// read itself goes on until the process ends.
type interruptibleReader struct {
	ctx context.Context
	r   io.Reader
	buf []byte // a read that goes on writes here, not to what is its caller's again
}

func (r *interruptibleReader) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if len(r.buf) < len(p) {
		r.buf = make([]byte, len(p))
	}
	buf := r.buf[:len(p)]
	go func() {
		n, err := r.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		return copy(p, buf[:got.n]), got.err
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}
