package msg

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type recvOptions struct {
	selection selectFlags
	out       writer
	wait      verb.WaitFlags
	count     int
	follow    bool
}

func newRecv() *cobra.Command {
	var o recvOptions
	cmd := &cobra.Command{
		Use:     "recv REF",
		Aliases: []string{"receive"},
		Short:   "Take messages from a queue",
		Long: `Take one message from a queue and write it to standard output, or wait for one.

-o lines writes each message as a line; control characters and what is not UTF-8 are
escaped (\n, \x1b). -o raw writes the bytes and nothing else, except to a terminal. -o
json and jsonl have the type and the size, and base64 instead of text for what is not
UTF-8; "msg send --jsonl" takes it back.

A message is written before the next one is taken. One that cannot be written, since the
disk is full or the reader has gone, is put back at the end of the queue. Ctrl-C leaves
the queue as it is. What was written to a pipe is gone, whether its reader reads it or
not: to take three messages, use --count 3 rather than head -n 3.`,
		Example: `  sysvipc msg recv msg:name=orders
  sysvipc msg recv msg:5 --type 7 --timeout 2s
  sysvipc msg recv msg:5 --follow --with-type
  sysvipc msg recv msg:5 --nowait -o raw >message`,
		Args:              ref.Args(sysvipc.KindQueue, 0, 0, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.selection.add(cmd)
	o.wait.Add(cmd)
	o.out.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.count, "count", 1, "take N messages")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on for ever")
	flags.Placeholder(cmd, "N", "count")
	cmd.MarkFlagsMutuallyExclusive("count", "follow")
	cmd.MarkFlagsMutuallyExclusive("nowait", "follow")
	return cmd
}

func (o *recvOptions) run(cmd *cobra.Command, arg string) error {
	if o.count < 1 {
		return cli.Usage("--count %d: at least 1", o.count)
	}
	selector, _, err := o.selection.chosen(cmd)
	if err != nil {
		return err
	}
	id, err := ref.ParseOne(cmd, arg, sysvipc.KindQueue)
	if err != nil {
		return err
	}
	pipe.IgnoreSIGPIPE()
	ctx, stop := pipe.WhileRead(cmd.Context(), cmd.OutOrStdout())
	defer stop()
	o.out.begin(cmd.OutOrStdout())
	err = o.receive(ctx, sysvipc.QueueByID(id), selector)
	if errors.Is(context.Cause(ctx), pipe.ErrReaderGone) {
		return pipe.ErrReaderGone
	}
	return errors.Join(err, o.out.end(cli.Cause(cmd.Context(), err)))
}

func (o *recvOptions) receive(ctx context.Context, q *sysvipc.Queue, selector sysvipc.Selector) error {
	for n := 0; o.follow || n < o.count; n++ {
		var m sysvipc.Message
		what := fmt.Sprintf("msg:%d: no message of %v", q.ID(), selector)
		if n > 0 {
			what += fmt.Sprintf(" after %s", plural.Of(n, "message"))
		}
		err := o.wait.Do(ctx, what, func() (ok bool, err error) {
			m, ok, err = q.TryReceive(selector)
			return ok, err
		}, func(ctx context.Context) (err error) {
			m, err = q.Receive(ctx, selector)
			return err
		})
		if err != nil {
			return err
		}
		if err := o.out.write(m, -1); err != nil {
			return putBack(q, m, err)
		}
	}
	return nil
}

// putBack saves a message that could not be written.
func putBack(q *sysvipc.Queue, m sysvipc.Message, why error) error {
	what := fmt.Sprintf("a message of type %d and %d bytes was taken from msg:%d and could not be written: %v", m.Type, len(m.Data), q.ID(), why)
	if ok, err := q.TrySend(m.Type, m.Data); err != nil || !ok {
		return cli.Fail(cli.ExitFailed, "%s; it could not be put back, and is lost: %q", what, m.Data)
	}
	err := cli.Fail(cli.ExitFailed, "%s; it was put back at the end of the queue", what)
	if errors.Is(why, syscall.EPIPE) {
		return &cli.Error{Code: cli.ExitSignal + int(syscall.SIGPIPE), Err: err}
	}
	return err
}
