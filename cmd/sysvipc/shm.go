package main

import "github.com/spf13/cobra"

func newShmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "shm read|write|grep|diff",
		GroupID:               groupUse,
		Short:                 "Read, write, search and compare segments",
		Args:                  verbs,
		RunE:                  missingVerb,
		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newShmReadCommand(), newShmWriteCommand(), newShmGrepCommand(), newShmDiffCommand())
	return cmd
}
