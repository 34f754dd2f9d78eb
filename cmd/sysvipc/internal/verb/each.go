package verb

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// Each calls do for every object and reports each failure, also to note if that is not nil. The exit code is that of the first one.
func Each(cmd *cobra.Command, refs []ref.Ref, note func(error), do func(ref.Ref, int) error) error {
	var first error
	for _, r := range refs {
		id, err := r.Find()
		if err == nil {
			err = do(r, id)
		}
		if err == nil {
			continue
		}
		if cmd.Context().Err() != nil {
			return err
		}
		Report(cmd.ErrOrStderr(), cmd, err)
		if note != nil {
			note(err)
		}
		if first == nil {
			first = &cli.Error{Code: cli.ExitCode(err)}
		}
	}
	return first
}
