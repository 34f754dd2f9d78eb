package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newVersionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		GroupID: verb.GroupOther,
		Short:   "Print the version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "versions")
				d.Add(builtVersion())
				return d.End(nil)
			}
			return printVersion(cmd.OutOrStdout())
		},
	}
	flags.Output(cmd, &format, "text", "json")
	return cmd
}

func printVersion(w io.Writer) error {
	_, err := fmt.Fprintln(w, builtVersion())
	return err
}

func builtVersion() *output.Version { return output.BuiltVersion("sysvipc") }
