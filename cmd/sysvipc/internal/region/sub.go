package region

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type subOptions struct {
	count  int
	output string
	wait   verb.WaitFlags
}

func newSub() *cobra.Command {
	var o subOptions
	cmd := &cobra.Command{
		Use:     "sub REGION NAME",
		Aliases: []string{"recv"},
		Short:   "Receive messages from a chan, a topic, or records",
		Long: `Receive messages from a chan, or those that are published to a topic from now on, and
print each as a line of JSON, until Ctrl-C, until the chan is closed, or until --count.

The messages of a chan are taken, and so are records: no other receiver gets them. A
record is a string, or {"base64":…} if it is not UTF-8. One that cannot be written,
since the disk is full or the reader has gone, is put back at the end. The messages of a
topic go to all its subscribers; this one delays no program, and says how many messages it
lost because it was too slow.`,
		Example: `  sysvipc region sub orders ticks
  sysvipc region sub orders in --count 1 --timeout 2s`,
		Args:              takes(1, 1, "a NAME"),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	f := cmd.Flags()
	f.IntVar(&o.count, "count", 0, "end after N messages")
	flags.Placeholder(cmd, "N", "count")
	o.wait.Add(cmd)
	flags.Output(cmd, &o.output, "lines", "jsonl")
	return cmd
}

func (o *subOptions) run(cmd *cobra.Command, args []string) error {
	if o.count < 0 || o.count == 0 && cmd.Flags().Changed("count") {
		return cli.Usage("--count %d: at least 1", o.count)
	}
	r, err := join(cmd, args[0])
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := dynamic.Of(r).Find(args[1])
	if err != nil {
		return err
	}
	a := s.Describe()
	pipe.IgnoreSIGPIPE()
	ctx, stop := pipe.WhileRead(cmd.Context(), cmd.OutOrStdout())
	defer stop()
	ctx, forget := whileThere(ctx, r.Segment())
	defer forget()
	receive, end, err := o.receiver(cmd, s)
	if err != nil {
		return err
	}
	defer end()
	out := &streamWriter{w: cmd.OutOrStdout(), name: a.Name, jsonl: o.output == "jsonl"}
	return cause(ctx, o.receive(ctx, out, s, receive))
}

// receiver returns how to receive from a chan or topic, and what to do at the end.
func (o *subOptions) receiver(cmd *cobra.Command, s dynamic.Structure) (receive func(context.Context) ([]byte, error), end func(), err error) {
	switch t := s.(type) {
	case *dynamic.Records:
		return t.Receive, func() {}, nil
	case *dynamic.Chan:
		return t.Receive, func() {}, nil
	case *dynamic.Topic:
		s, err := t.Subscribe(shared.Lossy)
		if err != nil {
			return nil, nil, err
		}
		next := func(ctx context.Context) ([]byte, error) {
			message, lost, err := s.Next(ctx)
			if lost > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "sysvipc: %q: %s lost: published faster than they could be written\n", t.Name, plural.Of(int(lost), "message"))
			}
			return message, err
		}
		return next, func() { _ = s.Close() }, nil
	}
	return nil, nil, kindError(s, "messages come from a chan, a topic or records; \"sysvipc region watch\" is for a value")
}

func (o *subOptions) receive(ctx context.Context, out *streamWriter, s dynamic.Structure, receive func(context.Context) ([]byte, error)) error {
	a := s.Describe()
	for {
		var message []byte
		what := fmt.Sprintf("%q: no message", a.Name)
		if out.lines > 0 {
			what += fmt.Sprintf(" after %s", plural.Of(out.lines, "message"))
		}
		err := doWaiting(ctx, &o.wait, what, func(ctx context.Context) (err error) {
			message, err = receive(ctx)
			return err
		})
		if errors.Is(err, io.EOF) {
			if out.lines < o.count {
				return cli.Fail(cli.ExitFailed, "%q is closed after %s", a.Name, plural.Of(out.lines, "message"))
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.write(messageJSON(a, message)); err != nil {
			return putBackMessage(s, message, err)
		}
		if out.lines == o.count {
			return nil
		}
	}
}

// putBackMessage saves a message of a chan that could not be written.
func putBackMessage(s dynamic.Structure, message []byte, why error) error {
	a := s.Describe()
	if a.Kind == "topic" {
		return why
	}
	send, err := sender(s)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("a message was taken from %q and could not be written: %v", a.Name, why)
	over, cancel := context.WithTimeout(context.Background(), -1)
	defer cancel()
	if err := send(over, message); err != nil {
		return cli.Fail(cli.ExitFailed, "%s; it could not be put back, and is lost: %s", what, messageJSON(a, message))
	}
	err = cli.Fail(cli.ExitFailed, "%s; it was put back at the end", what)
	if errors.Is(why, syscall.EPIPE) {
		return &cli.Error{Code: cli.ExitSignal + int(syscall.SIGPIPE), Err: err}
	}
	return err
}
