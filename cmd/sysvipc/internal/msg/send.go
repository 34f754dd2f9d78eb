package msg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type sendOptions struct {
	typ   int64
	lines bool
	jsonl bool
	wait  verb.WaitFlags
}

func newSend() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send REF [TEXT…]",
		Short: "Send messages to a queue",
		Long: `Send each TEXT as a message, or all of standard input as one message if no TEXT or - is
given. Nothing is added to it, no newline and no NUL; an empty message is one, too.

--lines sends each line of standard input as a message, without its newline. --jsonl
sends one message for each JSON object on standard input, as "msg recv -o jsonl" writes
them: {"type":7,"text":"hello"}, or "base64" instead of "text"; without a type, --type
applies.

While the queue is full it waits. Messages are sent one after the other: of several,
some may have been sent when an error comes, and the error says how many.`,
		Example: `  sysvipc msg send msg:name=orders 'first order'
  sysvipc msg send msg:5 --type 7 <message
  tail -f log | sysvipc msg send msg:5 --lines
  sysvipc msg peek msg:5 -o jsonl | sysvipc msg send msg:6 --jsonl`,
		Args:              ref.Args(sysvipc.KindQueue, 0, -1, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	verb.TextMayBeginWithDash(cmd)
	o.wait.Add(cmd)
	f := cmd.Flags()
	f.Int64Var(&o.typ, "type", 1, "type N of the messages, at least 1")
	flags.Placeholder(cmd, "N", "type")
	f.BoolVar(&o.lines, "lines", false, "send each line of standard input")
	f.BoolVar(&o.jsonl, "jsonl", false, "send each JSON object of standard input")
	cmd.MarkFlagsMutuallyExclusive("lines", "jsonl")
	return cmd
}

func (o *sendOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case args[0] == "-":
		return cli.Usage("standard input is what is to be sent: give the REF as an argument")
	case len(args) > 1 && (o.lines || o.jsonl):
		return cli.Usage("--lines and --jsonl read standard input: give no TEXT")
	case o.typ < 1:
		return cli.Usage("--type %d: a message has a type of at least 1", o.typ)
	}
	id, err := ref.ParseOne(cmd, args[0], sysvipc.KindQueue)
	if err != nil {
		return err
	}
	q := sysvipc.QueueByID(id)
	sent := 0
	for m, err := range o.messages(cmd.InOrStdin(), args[1:]) {
		if err == nil {
			err = o.wait.Do(cmd.Context(), fmt.Sprintf("msg:%d: no room for %s", id, plural.Of(len(m.Data), "byte")), func() (bool, error) {
				return q.TrySend(m.Type, m.Data)
			}, func(ctx context.Context) error {
				return q.Send(ctx, m.Type, m.Data)
			})
		}
		if err != nil && sent > 0 {
			return fmt.Errorf("%w; sent before that: %s", err, plural.Of(sent, "message"))
		}
		if err != nil {
			return err
		}
		sent++
	}
	return nil
}

// messages yields what is to be sent. An error ends it.
func (o *sendOptions) messages(stdin io.Reader, texts []string) iter.Seq2[sysvipc.Message, error] {
	switch {
	case o.lines:
		return o.eachLine(stdin)
	case o.jsonl:
		return o.eachJSON(stdin)
	case len(texts) == 0 || len(texts) == 1 && texts[0] == "-":
		return o.whole(stdin)
	}
	return func(yield func(sysvipc.Message, error) bool) {
		for _, text := range texts {
			if !yield(sysvipc.Message{Type: o.typ, Data: []byte(text)}, nil) {
				return
			}
		}
	}
}

// whole reads one message, and no more than shows that it is too long.
func (o *sendOptions) whole(stdin io.Reader) iter.Seq2[sysvipc.Message, error] {
	return func(yield func(sysvipc.Message, error) bool) {
		most := longestMessage()
		data, err := io.ReadAll(io.LimitReader(stdin, int64(most)+1))
		switch {
		case err != nil:
			err = fmt.Errorf("read standard input: %w", err)
		case len(data) > most:
			err = cli.Fail(cli.ExitLimit, "standard input is too long for one message: kernel.msgmax allows %d bytes; nothing was sent (--lines sends each line)", most)
		}
		yield(sysvipc.Message{Type: o.typ, Data: data}, err)
	}
}

// longestMessage is the limit of the kernel.
func longestMessage() int {
	lim, err := sysvipc.ReadLimits()
	if err != nil {
		return 1 << 30
	}
	return lim.Queues.MaxMessage
}

func (o *sendOptions) eachLine(stdin io.Reader) iter.Seq2[sysvipc.Message, error] {
	return func(yield func(sysvipc.Message, error) bool) {
		in := bufio.NewReader(stdin)
		for {
			line, err := in.ReadBytes('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				yield(sysvipc.Message{}, fmt.Errorf("read standard input: %w", err))
				return
			}
			if len(line) > 0 && !yield(sysvipc.Message{Type: o.typ, Data: bytes.TrimSuffix(line, []byte("\n"))}, nil) || err != nil {
				return
			}
		}
	}
}

func (o *sendOptions) eachJSON(stdin io.Reader) iter.Seq2[sysvipc.Message, error] {
	return func(yield func(sysvipc.Message, error) bool) {
		in := json.NewDecoder(stdin)
		in.DisallowUnknownFields()
		for n := 1; ; n++ {
			// What "msg recv" and "msg peek" write.
			var m struct {
				Schema      string
				Index, Size int
				Type        *int64
				Text        *string
				Base64      *string
			}
			err := in.Decode(&m)
			if errors.Is(err, io.EOF) {
				return
			}
			msg := sysvipc.Message{Type: o.typ}
			if m.Type != nil {
				msg.Type = *m.Type
			}
			switch {
			case err != nil:
			case m.Text != nil && m.Base64 == nil:
				msg.Data = []byte(*m.Text)
			case m.Base64 != nil && m.Text == nil:
				msg.Data, err = base64.StdEncoding.DecodeString(*m.Base64)
			default:
				err = errors.New(`it needs either "text" or "base64"`)
			}
			if err != nil {
				err = fmt.Errorf("JSON object %d of standard input: %w", n, err)
			}
			if !yield(msg, err) || err != nil {
				return
			}
		}
	}
}
