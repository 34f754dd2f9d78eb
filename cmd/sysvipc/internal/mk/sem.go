package mk

import (
	"context"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

func newSem() *cobra.Command {
	var o options
	var init arg.Values
	var nsems int
	cmd := &cobra.Command{
		Use:   "sem --init VALUES",
		Short: "Make a semaphore set with its values",
		Long: `Make a semaphore set and print its REF. The set is never seen without its values: who
finds it waits until they are set. One that exists keeps its values, and must have at
least as many semaphores.

--init 1,0 makes two semaphores with the values 1 and 0. --nsems 8 makes eight with the
value 0, and --nsems 8 --init 1 eight with the value 1.`,
		Example: `  sysvipc mk sem --init 1 --name lock
  sysvipc mk sem --init 1,0,0 --key 0x4d2 --excl
  sysvipc mk sem --nsems 8 --init 1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			values, err := initialValues(cmd, init, nsems)
			if err != nil {
				return err
			}
			return o.run(cmd, semMaker(cmd.Context(), values), sysvipc.Creator{})
		},
	}
	o.add(cmd)
	cmd.Flags().Var(&init, "init", "values, with commas between them")
	cmd.Flags().IntVar(&nsems, "nsems", 0, "make N semaphores")
	flags.Placeholder(cmd, "N", "nsems")
	return cmd
}

func semMaker(ctx context.Context, values []int) maker {
	return maker{
		kind: sysvipc.KindSemaphores,
		create: func(c sysvipc.Creator, key sysvipc.Key, mode fs.FileMode) (int, error) {
			s, err := c.CreateSemaphores(key, mode, values...)
			return ref.IDOf(s, err)
		},
		ensure: func(c sysvipc.Creator, key sysvipc.Key, mode fs.FileMode) (int, error) {
			s, err := c.EnsureSemaphores(ctx, key, mode, values...)
			return ref.IDOf(s, err)
		},
		over: func(l sysvipc.Limits) bool { return len(values) > l.Semaphores.MaxPerSet },
	}
}

// initialValues combines --init and --nsems.
func initialValues(cmd *cobra.Command, init arg.Values, nsems int) ([]int, error) {
	counted := cmd.Flags().Changed("nsems")
	switch {
	case counted && nsems < 1:
		return nil, cli.Usage("--nsems %d: a set has at least one semaphore", nsems)
	case !counted && len(init.List) == 0:
		return nil, cli.Usage("say how many semaphores and their values: --init 1 for one with the value 1, --init 1,0 for two, --nsems 8 for eight with the value 0")
	case !counted:
		return init.List, nil
	case len(init.List) == nsems:
		return init.List, nil
	case len(init.List) > 1:
		return nil, cli.Usage("--nsems %d and --init with %d values contradict each other", nsems, len(init.List))
	case nsems > maxSet:
		return nil, cli.Fail(cli.ExitLimit, "--nsems %d: no kernel makes a set of more than %d semaphores", nsems, maxSet)
	}
	values := make([]int, nsems)
	for i := range values {
		if len(init.List) == 1 {
			values[i] = init.List[0]
		}
	}
	return values, nil
}

// maxSet is how many semaphores an index can tell apart.
const maxSet = 1 << 16
