package sem

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

func newOp() *cobra.Command {
	var wait verb.WaitFlags
	cmd := &cobra.Command{
		Use:   "op REF OP…",
		Short: "Make several operations at once, all or none",
		Long: `Make several operations on a semaphore set as one, or wait until all are possible. Each
is an index with what to do:
  0=0  wait until semaphore 0 is zero
  0+1  give 1 to semaphore 0
  1-2  take 2 from semaphore 1
and :undo behind it has it undone when this command ends, which is at once.`,
		Example: `  sysvipc sem op sem:3 0=0 0+1
  sysvipc sem op sem:3 0-1 1-1 --timeout 5s`,
		Args:              ref.Args(sysvipc.KindSemaphores, 1, -1, "operations such as 0=0, 0+1 or 1-1"),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindSemaphores),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ops []sysvipc.Op
			undo := false
			for _, word := range args[1:] {
				op, err := parseOp(word)
				if err != nil {
					return err
				}
				ops = append(ops, op)
				undo = undo || strings.HasSuffix(word, ":undo")
			}
			id, err := ref.ParseOne(cmd, args[0], sysvipc.KindSemaphores)
			if err != nil {
				return err
			}
			return operate(cmd, id, &wait, undo, ops...)
		},
	}
	wait.Add(cmd)
	return cmd
}

// parseOp reads INDEX=0, INDEX+N or INDEX-N, and :undo.
func parseOp(s string) (sysvipc.Op, error) {
	bad := cli.Usage("%q is no operation: write 0=0 (wait for zero), 0+1 (give), 0-1 (take), and perhaps :undo behind it", s)
	text, undo := strings.CutSuffix(s, ":undo")
	i := strings.IndexAny(text, "=+-")
	if i < 1 || i+1 == len(text) || strings.ContainsAny(text[i+1:i+2], "+-") {
		return sysvipc.Op{}, bad
	}
	index, err := strconv.ParseUint(text[:i], 10, 16)
	if err != nil {
		return sysvipc.Op{}, bad
	}
	n, err := strconv.Atoi(text[i+1:])
	if err != nil || (n == 0) != (text[i] == '=') || n > arg.MaxValue {
		return sysvipc.Op{}, bad
	}
	if text[i] == '-' {
		n = -n
	}
	op := sysvipc.Add(int(index), n)
	if undo {
		op = op.Undo()
	}
	return op, nil
}
