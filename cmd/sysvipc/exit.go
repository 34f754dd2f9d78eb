package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// report tells the user of an error. Only those about the command line come with the
// usage of the verb. Who reads no more of our output, or pressed Ctrl-C, knows it.
func report(w io.Writer, cmd *cobra.Command, err error) {
	var own *cli.Error
	var stopped cli.Interrupt
	typedNamesOf(cmd.Context()).name(err)
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
