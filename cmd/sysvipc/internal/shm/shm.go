// Package shm is the verb shm: it reads and writes the bytes of segments.
package shm

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
)

// Command returns the verb.
func Command() *cobra.Command {
	return verb.Parent(&cobra.Command{
		Use:     "shm read|write",
		GroupID: verb.GroupUse,
		Short:   "Read and write segments",
	}, newRead(), newWrite())
}
