package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newVersionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := output.BuiltVersion("sysvipcd")
			if format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "versions")
				d.Add(v)
				return d.End(nil)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v)
			return err
		},
	}
	flags.Output(cmd, &format, "text", "json")
	return cmd
}
