package sem

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

type options struct {
	index int
	by    int
	undo  bool
	wait  verb.WaitFlags
}

func newTake() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "take REF",
		Short: "Take from a semaphore, or wait until there is enough",
		Long: `Take 1, or --by N, from a semaphore: acquire it, "P", semop -1. If its value is not large
enough, wait until it is. Ctrl-C leaves the semaphore as it is.

--undo gives back what was taken when this command ends, which is at once: it shows
whether one could have taken. To hold a lock while a command runs, use "sysvipc run".`,
		Example: `  sysvipc sem take sem:3
  sysvipc sem take sem:3 -n 1 --by 2 --timeout 5s
  sysvipc sem take sem:key=0x4d2 --nowait || echo busy`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args[0], sysvipc.Add(o.index, -o.by))
		},
	}
	o.add(cmd, "take")
	o.wait.Add(cmd)
	return cmd
}

func newGive() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "give REF",
		Short: "Give to a semaphore",
		Long: `Give 1, or --by N, to a semaphore: release it, "V", semop +1. It never waits. The kernel
does not ask whether it was taken before.

--undo takes it back when this command ends, which is at once: only who waits for it at
this moment sees it.`,
		Example: `  sysvipc sem give sem:3
  sysvipc sem give sem:3 -n 1 --by 2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args[0], sysvipc.Add(o.index, o.by))
		},
	}
	o.add(cmd, "give")
	return cmd
}

func newWait() *cobra.Command {
	o := options{by: 1}
	cmd := &cobra.Command{
		Use:   "wait REF",
		Short: "Wait until a semaphore is zero",
		Long: `Wait until the value of a semaphore is 0, and change nothing (semop 0). To wait until it
is large enough and take it, use "sysvipc sem take".`,
		Example: `  sysvipc sem wait sem:3
  sysvipc sem wait sem:3 -n 1 --timeout 5s`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args[0], sysvipc.WaitZero(o.index))
		},
	}
	o.addRef(cmd)
	o.wait.Add(cmd)
	return cmd
}

// add adds what take and give have.
func (o *options) add(cmd *cobra.Command, verb string) {
	o.addRef(cmd)
	f := cmd.Flags()
	f.IntVar(&o.by, "by", 1, verb+" N")
	flags.Placeholder(cmd, "N", "by")
	f.BoolVar(&o.undo, "undo", false, "undo it when this command ends, which is at once (SEM_UNDO)")
}

func (o *options) addRef(cmd *cobra.Command) {
	cmd.Args = ref.Args(sysvipc.KindSemaphores, 0, 0, "")
	cmd.ValidArgsFunction = ref.Complete(1, sysvipc.KindSemaphores)
	addIndex(cmd, &o.index, "index N of the semaphore")
}

func (o *options) run(cmd *cobra.Command, name string, op sysvipc.Op) error {
	if err := checkIndex(o.index); err != nil {
		return err
	}
	if o.by < 1 || o.by > arg.MaxValue {
		return cli.Usage("--by %d: from 1 to %d", o.by, arg.MaxValue)
	}
	if o.undo {
		op = op.Undo()
	}
	id, err := ref.ParseOne(cmd, name, sysvipc.KindSemaphores)
	if err != nil {
		return err
	}
	return operate(cmd, id, &o.wait, o.undo, op)
}

// operate makes operations on a set, all or none.
func operate(cmd *cobra.Command, id int, wait *verb.WaitFlags, undo bool, ops ...sysvipc.Op) error {
	set := sysvipc.SemaphoresByID(id)
	what := fmt.Sprintf("sem:%d: %s is not possible", id, strings.Trim(fmt.Sprint(ops), "[]"))
	err := wait.Do(cmd.Context(), what, func() (bool, error) {
		return set.TryDo(ops...)
	}, func(ctx context.Context) error {
		return set.Do(ctx, ops...)
	})
	if err == nil && undo {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: --undo takes effect now, as this command ends; to hold a semaphore while a command runs, see \"sysvipc run\"")
	}
	return err
}
