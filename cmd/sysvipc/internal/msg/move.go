package msg

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type moveOptions struct {
	typ  int64
	wait verb.WaitFlags
}

func newMove() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use:   "move REF TO",
		Short: "Move the messages of a queue to another one",
		Long: `Move all messages of a queue, or those of one type, to the end of another one, in order.
It does not wait for more to come, but for room where they go.

No message is lost, whatever happens: each is copied first (MSG_COPY), sent, and only then
taken from its queue. Killed in between, one message is in both queues. A message that
another receiver takes in that moment is in both places, too, and it says so.`,
		Example: `  sysvipc msg move msg:name=orders msg:name=orders-old
  sysvipc msg move msg:5 msg:6 --type 7 --timeout 10s`,
		Args:              ref.Args(sysvipc.KindQueue, 1, 1, "the queue where they go"),
		ValidArgsFunction: ref.Complete(2, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	cmd.Flags().Int64Var(&o.typ, "type", 0, "only messages of type N")
	flags.Placeholder(cmd, "N", "type")
	o.wait.Add(cmd)
	return cmd
}

func (o *moveOptions) run(cmd *cobra.Command, args []string) error {
	if cmd.Flags().Changed("type") && o.typ < 1 {
		return cli.Usage("--type %d: a message has a type of at least 1", o.typ)
	}
	refs, err := ref.ParseAll(cmd, args, sysvipc.KindQueue)
	if err != nil {
		return err
	}
	if len(refs) != 2 {
		return cli.Usage("give two queues: from where, and where to")
	}
	m := &moving{wait: &o.wait}
	for i, q := range []**sysvipc.Queue{&m.from, &m.to} {
		id, err := refs[i].Find()
		if err != nil {
			return err
		}
		*q = sysvipc.QueueByID(id)
		if _, err := (*q).Stat(); err != nil {
			return err
		}
	}
	if m.from.ID() == m.to.ID() {
		return cli.Usage("both are msg:%d: nothing would end", m.from.ID())
	}
	m.selector, m.matches = sysvipc.Any, func(int64) bool { return true }
	if o.typ > 0 {
		m.selector, m.matches = sysvipc.OfType(o.typ), func(typ int64) bool { return typ == o.typ }
	}
	err = m.all(cmd.Context())
	if m.doubled > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "sysvipc: %s went to another receiver of msg:%d, too\n", plural.Of(m.doubled, "message"), m.from.ID())
	}
	if err != nil && m.moved > 0 {
		return fmt.Errorf("%w; moved before that: %s", err, plural.Of(m.moved, "message"))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "moved %s from msg:%d to msg:%d\n", plural.Of(m.moved, "message"), m.from.ID(), m.to.ID())
	return err
}

// moving is one run.
type moving struct {
	from, to *sysvipc.Queue
	selector sysvipc.Selector
	matches  func(typ int64) bool
	wait     *verb.WaitFlags

	passed         int // messages at the front that stay
	moved, doubled int
}

func (v *moving) all(ctx context.Context) error {
	for ctx.Err() == nil {
		m, ok, err := v.next()
		if err != nil || !ok {
			return err
		}
		if err := v.send(ctx, m); err != nil {
			return err
		}
		taken, ok, err := v.from.TryReceive(v.selector)
		switch {
		case err != nil:
			return fmt.Errorf("%w; the message last sent to msg:%d may be in both queues", err, v.to.ID())
		case !ok: // others took it, and the rest
			v.doubled++
		case taken.Type != m.Type || !bytes.Equal(taken.Data, m.Data):
			// Others took it. The one that came instead belongs there, too.
			v.doubled++
			if err := v.send(ctx, taken); err != nil {
				return putBack(v.from, taken, err)
			}
			v.moved++
		default:
			v.moved++
		}
	}
	return ctx.Err()
}

// next copies the first message that is to move.
func (v *moving) next() (sysvipc.Message, bool, error) {
	for began := v.passed; ; v.passed++ {
		m, err := v.from.Peek(v.passed)
		switch {
		case err == nil && v.matches(m.Type):
			return m, true, nil
		case err == nil:
			continue
		case !errors.Is(err, sysvipc.ErrWouldBlock):
			return m, false, err
		case began == 0:
			return m, false, nil
		}
		// That was the end. If others took messages that stood in front, some of ours may have been passed.
		v.passed, began = -1, 0
	}
}

func (v *moving) send(ctx context.Context, m sysvipc.Message) error {
	what := fmt.Sprintf("msg:%d: no room for %s", v.to.ID(), plural.Of(len(m.Data), "byte"))
	return v.wait.Do(ctx, what, func() (bool, error) {
		return v.to.TrySend(m.Type, m.Data)
	}, func(ctx context.Context) error {
		return v.to.Send(ctx, m.Type, m.Data)
	})
}
