package main

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/demo"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
)

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: verb.GroupOther,
		Short:   "A guided tour with real processes, which checks itself",
		Long: `Go through the programs of the Perl manual's page on System V IPC with real processes,
and through what that page cannot do: a killed holder, a wait that is called off, a race
of creators, a variable that processes share. Where perl is installed, real Perl programs
take part.

Each step is shown as a command line that you can use yourself. Each claim is checked, and
the end says how many were: the exit code is 0 only if all were right. The tour takes a few
seconds and leaves nothing behind, also after Ctrl-C.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), cmd.OutOrStdout(), `After "go run ./cmd/sysvipc demo", write "go run ./cmd/sysvipc" for "sysvipc".`)
		},
		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(&cobra.Command{
		Use:    "creator GATE KEY",
		Short:  "Make a set together with others: a part of the tour",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return demo.Creator(cmd.Context(), args, cmd.OutOrStdout())
		},
	}, &cobra.Command{
		Use:    "sharer REGION INDEX",
		Short:  "Add to a shared variable together with others: a part of the tour",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE:   func(cmd *cobra.Command, args []string) error { return demo.Sharer(cmd.Context(), args) },
	})
	return cmd
}
