package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/holders"
)

// seenTaking has a look ask the trace of "sysvipcd serve --trace", if one runs, who holds semaphores.
func seenTaking(cmd *cobra.Command) *inspect.Options {
	return &inspect.Options{Taken: askTrace(cmd.ErrOrStderr())}
}

// askTrace asks it, and says on errOut why it was not believed.
func askTrace(errOut io.Writer) func(context.Context, uint64) []inspect.Taken {
	return func(ctx context.Context, namespace uint64) []inspect.Taken {
		if !holders.SamePIDs() {
			return nil
		}
		seen, err := holders.Ask(ctx, holders.Path(namespace), namespace)
		if err != nil {
			fmt.Fprintln(errOut, "sysvipc: "+terminal.Escape(err.Error()))
		}
		return seen
	}
}
