package pipe

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrReaderGone is why a wait ends when nobody reads our output any more.
var ErrReaderGone error = syscall.EPIPE

// WhileRead returns a context that ends when the reader of w goes, as head(1) does, so
// that no message is taken for nobody.
func WhileRead(parent context.Context, w io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	f, ok := w.(*os.File)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	if fd := int32(f.Fd()); readerGone(fd, 0) {
		cancel(ErrReaderGone)
	} else {
		go func() {
			if readerGone(fd, -1) {
				cancel(ErrReaderGone)
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// readerGone waits until nobody can read what is written to fd, or for so many
// milliseconds, -1 meaning for ever.
func readerGone(fd int32, timeout int) bool {
	fds := []unix.PollFd{{Fd: fd}} // POLLERR and POLLHUP come unasked
	for {
		if _, err := unix.Poll(fds, timeout); err != unix.EINTR {
			return err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
		}
	}
}

// IgnoreSIGPIPE lets a write to nobody fail, instead of ending the process with a message
// in its hands.
func IgnoreSIGPIPE() { signal.Ignore(syscall.SIGPIPE) }
