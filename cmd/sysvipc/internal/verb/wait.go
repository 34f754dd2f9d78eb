package verb

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// WaitFlags are those of verbs that may have to wait.
type WaitFlags struct {
	Timeout arg.Duration
	NoWait  bool
}

// Add adds the flags to a verb.
func (w *WaitFlags) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&w.Timeout, "timeout", "give up after this time: 1.5s, 200ms, 2m; a bare number is seconds")
	f.BoolVar(&w.NoWait, "nowait", false, "give up at once if it would have to wait")
	cmd.MarkFlagsMutuallyExclusive("timeout", "nowait")
}

// AtOnce reports whether there shall be no waiting at all.
func (w *WaitFlags) AtOnce() bool { return w.NoWait || w.Timeout.Given && w.Timeout.D == 0 }

// Do makes one call: try if there shall be no waiting, otherwise wait, with a context
// that ends at the timeout. What says what is not so yet: "sem:3: 0-1 is not possible".
func (w *WaitFlags) Do(ctx context.Context, what string, try func() (bool, error), wait func(context.Context) error) error {
	if w.AtOnce() {
		ok, err := try()
		if err == nil && !ok {
			return cli.Fail(cli.ExitWouldBlock, "%s now, and the call is non-blocking", what)
		}
		return err
	}
	if w.Timeout.Given {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.Timeout.D)
		defer cancel()
	}
	err := wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return cli.Fail(cli.ExitWouldBlock, "%s: timed out after %v", what, w.Timeout.D)
	}
	return err
}
