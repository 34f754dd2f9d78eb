//go:build !linux

package pipe

import (
	"context"
	"errors"
	"io"
)

var ErrReaderGone = errors.New("nobody reads the output")

// WhileRead only returns ctx: there are no messages here.
func WhileRead(ctx context.Context, _ io.Writer) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func IgnoreSIGPIPE() {}
