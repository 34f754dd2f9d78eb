package region

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// errRemoved is why a wait in a region ends when its segment is removed: a process that has
// it attached keeps it, and would wait for ever for programs that make a new one.
var errRemoved = cli.Fail(cli.ExitRemoved, "the region was removed")

// whileThere returns a context that ends when the segment is removed. The kernel tells
// nobody of that, so it is asked twice a second. A region in a file has no segment.
func whileThere(parent context.Context, seg *sysvipc.Segment) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if seg != nil {
		go func() {
			ticker := time.NewTicker(500 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					if st, err := seg.Stat(); err == nil && st.Destroyed || errors.Is(err, sysvipc.ErrRemoved) || errors.Is(err, fs.ErrNotExist) {
						cancel(errRemoved)
					}
				}
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// cause replaces the error of a wait by why its context ended, if that was not the
// user's or a timeout's doing.
func cause(ctx context.Context, err error) error {
	for _, why := range []error{pipe.ErrReaderGone, errRemoved} {
		if err != nil && errors.Is(context.Cause(ctx), why) {
			return why
		}
	}
	return err
}
