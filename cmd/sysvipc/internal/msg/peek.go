package msg

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

type peekOptions struct {
	selection selectFlags
	out       writer
	count     int
}

func newPeek() *cobra.Command {
	var o peekOptions
	cmd := &cobra.Command{
		Use:   "peek REF",
		Short: "Look at the messages of a queue and leave them there",
		Long: `Write the messages of a queue to standard output and leave them where they are: no field
of the queue changes. They come in the order in which they were sent, whatever their
type; --type, --up-to and --except leave some out.

The output is that of "msg recv", and in JSON also each message's index. While others
receive, a message may be missing.`,
		Example: `  sysvipc msg peek msg:name=orders
  sysvipc msg peek msg:5 --count 1 --with-type
  sysvipc msg peek msg:5 -o json`,
		Args:              ref.Args(sysvipc.KindQueue, 0, 0, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.selection.add(cmd)
	o.out.add(cmd)
	cmd.Flags().IntVar(&o.count, "count", 0, "at most N messages (default: all)")
	flags.Placeholder(cmd, "N", "count")
	return cmd
}

func (o *peekOptions) run(cmd *cobra.Command, arg string) error {
	if o.count < 0 || o.count == 0 && cmd.Flags().Changed("count") {
		return cli.Usage("--count %d: at least 1", o.count)
	}
	_, matches, err := o.selection.chosen(cmd)
	if err != nil {
		return err
	}
	id, err := ref.ParseOne(cmd, arg, sysvipc.KindQueue)
	if err != nil {
		return err
	}
	o.out.begin(cmd.OutOrStdout())
	err = o.peek(cmd, sysvipc.QueueByID(id), matches)
	return errors.Join(err, o.out.end(err))
}

func (o *peekOptions) peek(cmd *cobra.Command, q *sysvipc.Queue, matches func(int64) bool) error {
	shown := 0
	for index := 0; o.count == 0 || shown < o.count; index++ {
		m, err := q.Peek(index)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			return nil // that was the last one
		}
		if err != nil {
			return err
		}
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if matches(m.Type) {
			shown++
			if err := o.out.write(m, index); err != nil {
				return err
			}
		}
	}
	return nil
}
