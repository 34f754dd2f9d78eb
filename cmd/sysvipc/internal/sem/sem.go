// Package sem is the verb sem: it reads, sets and operates the semaphores of a set.
package sem

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
)

// Command returns the verb.
func Command() *cobra.Command {
	return verb.Parent(&cobra.Command{
		Use:     "sem get|set|take|give|wait|op",
		GroupID: verb.GroupUse,
		Short:   "Read, set and operate semaphores",
	},
		newGet(), newSet(),
		newTake(), newGive(), newWait(), newOp(),
	)
}

// addIndex adds -n, which all verbs for one semaphore have.
func addIndex(cmd *cobra.Command, index *int, help string) {
	cmd.Flags().IntVarP(index, "index", "n", 0, help)
	flags.Placeholder(cmd, "N", "index")
}

// checkIndex refuses an index that no set has.
func checkIndex(index int) error {
	if index < 0 {
		return cli.Usage("-n %d: an index is not negative", index)
	}
	return nil
}
