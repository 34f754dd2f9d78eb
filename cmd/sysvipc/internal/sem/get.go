package sem

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newGet() *cobra.Command {
	var index int
	var format string
	cmd := &cobra.Command{
		Use:   "get REF",
		Short: "Print the values of a set, or one of them",
		Long: `Print the values of a semaphore set, as they are at one instant, with spaces between
them; or with -n the value of one. "sysvipc show" also tells who waits.`,
		Example: `  sysvipc sem get sem:3
  sysvipc sem get sem:key=0x4d2 -n 1
  sysvipc sem get sem:3 -o json`,
		Args:              ref.Args(sysvipc.KindSemaphores, 0, 0, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindSemaphores),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIndex(index); err != nil {
				return err
			}
			id, err := ref.ParseOne(cmd, args[0], sysvipc.KindSemaphores)
			if err != nil {
				return err
			}
			values, err := readValues(cmd, id, index)
			if err != nil {
				return err
			}
			if format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "objects")
				d.Add(&output.Values{Ref: ref.Name(sysvipc.KindSemaphores, id), Values: values})
				return d.End(nil)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Trim(fmt.Sprint(values), "[]"))
			return err
		},
	}
	addIndex(cmd, &index, "only the semaphore with index N")
	flags.Output(cmd, &format, "text", "json")
	return cmd
}

func readValues(cmd *cobra.Command, id, index int) ([]int, error) {
	set := sysvipc.SemaphoresByID(id)
	if !cmd.Flags().Changed("index") {
		return set.Values()
	}
	value, err := set.At(index).Value()
	return []int{value}, err
}
