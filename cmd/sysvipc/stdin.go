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
}

func (r *interruptibleReader) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(p)) // p is the caller's again if we leave early
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
