package region

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

func newPub() *cobra.Command {
	var wait verb.WaitFlags
	cmd := &cobra.Command{
		Use:     "pub REGION NAME [VALUE…]",
		Aliases: []string{"send"},
		Short:   "Send messages to a chan or to records, or publish them to a topic",
		Long: `Send each VALUE, in JSON, as a message to a chan, or publish it to a topic; without VALUE,
each line of standard input. Fields of structs that VALUE does not name are zero. A record
is a string, whose quotes can be left out, or {"base64":…} for bytes that are no text.

It waits while a chan is full, or while the gated subscribers of a topic are behind. Of
several messages some may have been sent when an error comes, and the error says how many.`,
		Example: `  sysvipc region pub orders in '{"ID":1,"Qty":10}'
  sysvipc region sub orders in | sysvipc region pub backup in`,
		Args:              takes(1, -1, "a NAME"),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return runPub(cmd, args, &wait) }),
	}
	verb.TextMayBeginWithDash(cmd)
	wait.Add(cmd)
	return cmd
}

func runPub(cmd *cobra.Command, args []string, wait *verb.WaitFlags) error {
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
	send, err := sender(s)
	if err != nil {
		return err
	}
	sent := 0
	for text, err := range valuesOf(cmd.InOrStdin(), args[2:], longest(a)) {
		var message []byte
		if err == nil {
			message, err = messageOf(a, text)
		}
		if err == nil {
			err = doWaiting(cmd.Context(), wait, fmt.Sprintf("%q: no room for the message", a.Name), func(ctx context.Context) error {
				return send(ctx, message)
			})
		}
		if err != nil && sent > 0 {
			return &cli.Error{Code: cli.ExitCode(cli.Cause(cmd.Context(), withoutPrefix(err))), Err: fmt.Errorf("after %s: %w", plural.Of(sent, "message"), plainError{err})}
		}
		if err != nil {
			return err
		}
		sent++
	}
	return nil
}

// messageOf makes a message of JSON. Of records, a text needs no quotes.
func messageOf(a *dynamic.Description, text string) ([]byte, error) {
	if a.Kind != "records" {
		message := make([]byte, a.Type.Size())
		return message, setFromText(a.Type, message, text, "VALUE")
	}
	var quoted string
	if json.Unmarshal([]byte(text), &quoted) == nil {
		return []byte(quoted), nil
	}
	var object struct{ Base64 []byte }
	if json.Unmarshal([]byte(text), &object) == nil && object.Base64 != nil {
		return object.Base64, nil
	}
	return []byte(text), nil
}

// messageJSON is the reverse of messageOf.
func messageJSON(a *dynamic.Description, message []byte) rawJSON {
	switch {
	case a.Kind != "records":
		return jsonOf(a.Type, message)
	case utf8.Valid(message):
		return output.AppendString(nil, string(message))
	}
	return output.Append(nil, output.Base64{Base64: message})
}

// sender returns how to send to a chan, topic or records.
func sender(s dynamic.Structure) (func(context.Context, []byte) error, error) {
	switch s := s.(type) {
	case *dynamic.Records:
		return s.Send, nil
	case *dynamic.Chan:
		return s.Send, nil
	case *dynamic.Topic:
		return s.Publish, nil
	}
	return nil, kindError(s, "messages are sent to a chan, a topic or records; \"sysvipc region set\" sets a value")
}

// longest is how long the text of a value may be: more than any that fits, also with
// long names of fields and white space; but an input without an end is not read into memory.
func longest(a *dynamic.Description) int64 {
	size := a.Cap // of a doc or records, in bytes
	if a.Type != nil {
		size = a.Type.Size()
	}
	return 1<<20 + 128*int64(size)
}

// valuesOf yields the arguments, or the lines of the input if there are none.
func valuesOf(in io.Reader, args []string, longest int64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if len(args) > 0 {
			for text := range slices.Values(args) {
				if !yield(text, nil) {
					return
				}
			}
			return
		}
		for lines := bufio.NewReader(in); ; {
			line, err := readLine(lines, longest)
			if strings.TrimSpace(line) != "" && !yield(strings.TrimSuffix(line, "\n"), nil) || err == io.EOF {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
		}
	}
}

func readLine(lines *bufio.Reader, longest int64) (string, error) {
	var line []byte
	for {
		part, err := lines.ReadSlice('\n')
		if line = append(line, part...); err != bufio.ErrBufferFull {
			return string(line), err
		}
		if int64(len(line)) > longest {
			return "", fmt.Errorf("a line of the input has more than %d bytes, and no value has so many", longest)
		}
	}
}
