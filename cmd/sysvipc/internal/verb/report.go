package verb

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// Report writes an error for the user. Only one about the command line comes with the usage of the verb. A reader that
// has gone, and Ctrl-C, need no message.
func Report(w io.Writer, cmd *cobra.Command, err error) {
	var own *cli.Error
	var stopped cli.Interrupt
	ref.NamesOf(cmd.Context()).Name(err)
	switch {
	case errors.As(err, &stopped), errors.Is(err, syscall.EPIPE):
		return
	case errors.As(err, &own) && own.Err == nil:
		return
	}
	fmt.Fprintln(w, "sysvipc: "+cli.Text(err))
	if cli.ExitCode(err) == cli.ExitUsage {
		fmt.Fprintf(w, "Usage: %s\nSee \"%s --help\".\n", cmd.UseLine(), cmd.CommandPath())
	}
}
