package main

import (
	"github.com/spf13/cobra"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// each does something with every object and tells of every failure, also to note if
// that is not nil. The exit code is that of the first one.
func each(cmd *cobra.Command, refs []ref, note func(error), do func(ref, int) error) error {
	var first error
	for _, r := range refs {
		id, err := r.find()
		if err == nil {
			err = do(r, id)
		}
		if err == nil {
			continue
		}
		if cmd.Context().Err() != nil {
			return err
		}
		report(cmd.ErrOrStderr(), cmd, err)
		if note != nil {
			note(err)
		}
		if first == nil {
			first = &cli.Error{Code: cli.ExitCode(err)}
		}
	}
	return first
}
