package sem

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

func newSet() *cobra.Command {
	var index int
	cmd := &cobra.Command{
		Use:   "set REF VALUE…",
		Short: "Set the values of a set, or one of them",
		Long: `Set all values of a semaphore set at one instant, or with -n one of them. Who waits for
such a value goes on, and all processes forget what they would undo at their end.
Programs that only take and give need none of this. "sysvipc set --init" refuses a set that
is in use; this does not.`,
		Example: `  sysvipc sem set sem:3 1 0 0
  sysvipc sem set sem:3 1,0,0
  sysvipc sem set sem:key=0x4d2 -n 1 5`,
		Args:              ref.Args(sysvipc.KindSemaphores, 1, -1, "the values"),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindSemaphores),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIndex(index); err != nil {
				return err
			}
			values, err := arg.ParseValues(strings.Join(args[1:], ","))
			if err != nil {
				return err
			}
			id, err := ref.ParseOne(cmd, args[0], sysvipc.KindSemaphores)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("index") {
				return SetValues(cmd.Context(), id, values, true)
			}
			if len(values) != 1 {
				return cli.Usage("-n %d is for one value, and %d are given", index, len(values))
			}
			return sysvipc.SemaphoresByID(id).At(index).SetValue(values[0])
		},
	}
	addIndex(cmd, &index, "only the semaphore with index N")
	return cmd
}
