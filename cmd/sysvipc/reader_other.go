//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errReaderGone = errors.New("nobody reads the output")

// whileRead only returns ctx: there are no messages here.
func whileRead(ctx context.Context, _ io.Writer) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func ignoreSIGPIPE() {}
