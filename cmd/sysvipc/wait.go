package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// waitFlags are those of verbs that may have to wait.
type waitFlags struct {
	timeout durationFlag
	nowait  bool
}

func (w *waitFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&w.timeout, "timeout", "give up after this time: 1.5s, 200ms, 2m; a bare number is seconds")
	f.BoolVar(&w.nowait, "nowait", false, "give up at once if it would have to wait")
	cmd.MarkFlagsMutuallyExclusive("timeout", "nowait")
}

// atOnce reports whether there shall be no waiting at all.
func (w *waitFlags) atOnce() bool { return w.nowait || w.timeout.set && w.timeout.d == 0 }

// do makes one call: try if there shall be no waiting, otherwise wait, with a context
// that ends at the timeout. What says what is not so yet: "sem:3: 0-1 is not possible".
func (w *waitFlags) do(ctx context.Context, what string, try func() (bool, error), wait func(context.Context) error) error {
	if w.atOnce() {
		ok, err := try()
		if err == nil && !ok {
			return cli.Fail(cli.ExitWouldBlock, "%s now, and the call is non-blocking", what)
		}
		return err
	}
	if w.timeout.set {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout.d)
		defer cancel()
	}
	err := wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return cli.Fail(cli.ExitWouldBlock, "%s: timed out after %v", what, w.timeout.d)
	}
	return err
}
