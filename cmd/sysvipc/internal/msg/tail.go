package msg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

type tailOptions struct {
	out      writer
	last     int
	interval arg.Duration
}

func newTail() *cobra.Command {
	o := tailOptions{interval: arg.Duration{D: 200 * time.Millisecond}}
	cmd := &cobra.Command{
		Use:   "tail REF",
		Short: "Follow what is sent to a queue, and leave it there",
		Long: `Write the last messages of a queue, and then those that are sent to it, and leave them
where they are: no field of the queue changes. Ctrl-C ends it, and so does the end of the
queue (exit code 7).

The kernel tells nobody of a message but who receives it. So this looks at the queue again
and again, and misses what is sent and received between two looks; where the kernel's own
fields show that, it says so. Of messages that are equal in type and text, one that goes
and one that comes look like one that stays. Where nothing may be missed, receive and send
on, or use --interval 1ms and believe little.`,
		Example: `  sysvipc msg tail msg:name=orders -t
  sysvipc msg tail msg:5 --last 0 --interval 20ms -o jsonl`,
		Args:              ref.Args(sysvipc.KindQueue, 0, 0, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	flags.Output(cmd, &o.out.format, "lines", "raw", "jsonl")
	f := cmd.Flags()
	f.BoolVarP(&o.out.withTypes, "with-type", "t", false, "with -o lines, the type and a tab before each line")
	f.IntVar(&o.last, "last", 10, "begin with the last N messages that are there")
	flags.Placeholder(cmd, "N", "last")
	f.Var(&o.interval, "interval", "look this often")
	return cmd
}

func (o *tailOptions) run(cmd *cobra.Command, arg string) error {
	switch {
	case o.last < 0:
		return cli.Usage("--last %d: at least 0", o.last)
	case o.interval.D < time.Millisecond:
		return cli.Usage("--interval %v: at least 1ms", o.interval.D)
	}
	id, err := ref.ParseOne(cmd, arg, sysvipc.KindQueue)
	if err != nil {
		return err
	}
	pipe.IgnoreSIGPIPE()
	ctx, stop := pipe.WhileRead(cmd.Context(), cmd.OutOrStdout())
	defer stop()
	o.out.begin(cmd.OutOrStdout())
	err = o.follow(ctx, cmd, sysvipc.QueueByID(id))
	if errors.Is(context.Cause(ctx), pipe.ErrReaderGone) {
		return pipe.ErrReaderGone
	}
	return err
}

func (o *tailOptions) follow(ctx context.Context, cmd *cobra.Command, q *sysvipc.Queue) error {
	t := tail{q: q}
	there, err := t.look()
	if err != nil {
		return err
	}
	fresh := there[max(0, len(there)-o.last):]
	again := time.NewTicker(o.interval.D)
	defer again.Stop()
	for {
		for _, m := range fresh {
			if err := o.out.write(m, -1); err != nil {
				return err
			}
		}
		if t.missed {
			fmt.Fprintf(cmd.ErrOrStderr(), "sysvipc: something was sent to msg:%d and received between two looks\n", q.ID())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
		if fresh, err = t.look(); errors.Is(err, sysvipc.ErrRemoved) {
			return cli.Fail(cli.ExitRemoved, "msg:%d was removed", q.ID())
		}
		if err != nil {
			return err
		}
	}
}

// tail finds out what is new on a queue.
type tail struct {
	q      *sysvipc.Queue
	before []sysvipc.Message
	stat   sysvipc.QueueStat // after the last look
	looked time.Time
	missed bool // something was sent, and is not there
}

// look returns the messages that have come since the last look.
func (t *tail) look() ([]sysvipc.Message, error) {
	now := time.Now()
	stat, err := t.q.Stat()
	if err != nil {
		return nil, err
	}
	t.missed = false
	// The kernel notes seconds. A last send in a second that was over when we looked is one that we know.
	if !t.looked.IsZero() && stat.Sent.Equal(t.stat.Sent) && stat.Sent.Add(2*time.Second).Before(t.looked) {
		t.stat, t.looked = stat, now
		return nil, nil
	}
	var all []sysvipc.Message
	for {
		m, err := t.q.Peek(len(all))
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	fresh := all[left(t.before, all):]
	first := t.looked.IsZero()
	t.missed = !first && len(fresh) == 0 && (!stat.Sent.Equal(t.stat.Sent) || stat.LastSendPID != t.stat.LastSendPID)
	t.before, t.looked = all, now
	t.stat, err = t.q.Stat() // again: what came while we looked was perhaps seen
	return fresh, err
}

// left returns how many of the messages were there before: they are what is left of the ones before, in their order, and
// stand in front of all that came later.
func left(before, now []sysvipc.Message) int {
	n := 0
	for _, m := range before {
		if n < len(now) && now[n].Type == m.Type && bytes.Equal(now[n].Data, m.Data) {
			n++
		}
	}
	return n
}
