package main

import "github.com/spf13/cobra"

func newShmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "shm read|write",
		GroupID:               groupUse,
		Short:                 "Read and write segments",
		Args:                  verbs,
		RunE:                  missingVerb,
		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newShmReadCommand(), newShmWriteCommand())
	return cmd
}
