package main

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
)

func newShmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "shm read|write",
		GroupID:               verb.GroupUse,
		Short:                 "Read and write segments",
		Args:                  verb.Subverbs,
		RunE:                  verb.Missing,
		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newShmReadCommand(), newShmWriteCommand())
	return cmd
}
