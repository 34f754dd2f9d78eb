package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// errReaderGone is why a wait ends when nobody reads our output any more.
var errReaderGone error = syscall.EPIPE

// whileRead returns a context that ends when the reader of w goes, as head(1) does, so
// that no message is taken for nobody.
func whileRead(parent context.Context, w io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	f, ok := w.(*os.File)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	go func() {
		fds := []unix.PollFd{{Fd: int32(f.Fd())}} // POLLERR and POLLHUP come unasked
		for ctx.Err() == nil {
			n, err := unix.Poll(fds, -1)
			if err == unix.EINTR {
				continue
			}
			if n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				cancel(errReaderGone)
			}
			return
		}
	}()
	return ctx, func() { cancel(nil) }
}

// ignoreSIGPIPE lets a write to nobody fail, instead of ending the process with a message
// in its hands.
func ignoreSIGPIPE() { signal.Ignore(syscall.SIGPIPE) }
