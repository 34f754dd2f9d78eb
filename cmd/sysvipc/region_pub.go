package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/shared"
)

func newRegionPubCommand() *cobra.Command {
	var wait waitFlags
	cmd := &cobra.Command{
		Use:     "pub REGION NAME [VALUE…]",
		Aliases: []string{"send"},
		Short:   "Send messages to a chan, or publish them to a topic",
		Long: `Send each VALUE, in JSON, as a message to a chan, or publish it to a topic; without VALUE,
each line of standard input. Fields of structs that VALUE does not name are zero.

It waits while a chan is full, or while the gated subscribers of a topic are behind. Of
several messages some may have been sent when an error comes, and the error says how many.`,
		Example: `  sysvipc region pub orders in '{"ID":1,"Qty":10}'
  sysvipc region sub orders in | sysvipc region pub backup in`,
		Args:              withRegion(1, -1, "a NAME"),
		ValidArgsFunction: completeRegions,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return runRegionPub(cmd, args, &wait) }),
	}
	textMayBeginWithDash(cmd)
	wait.add(cmd)
	return cmd
}

func runRegionPub(cmd *cobra.Command, args []string, wait *waitFlags) error {
	r, err := join(cmd, args[0])
	if err != nil {
		return err
	}
	defer r.Close()
	a, err := r.Any(args[1])
	if err != nil {
		return err
	}
	send, err := sender(a)
	if err != nil {
		return err
	}
	sent := 0
	for text, err := range valuesOf(cmd.InOrStdin(), args[2:]) {
		message := make([]byte, a.Type.Size())
		if err == nil {
			err = setFromText(a.Type, message, text, "VALUE")
		}
		if err == nil {
			err = doWaiting(cmd.Context(), wait, fmt.Sprintf("%q: no room for the message", a.Name), func(ctx context.Context) error {
				return send(ctx, message)
			})
		}
		if err != nil && sent > 0 {
			return &exitError{exitCode(cause(cmd.Context(), regionError(err))), fmt.Errorf("after %s: %w", plural(sent, "message"), plainError{err})}
		}
		if err != nil {
			return err
		}
		sent++
	}
	return nil
}

// sender returns how to send to a chan or topic.
func sender(a *shared.Any) (func(context.Context, []byte) error, error) {
	if err := needType(a); err != nil {
		return nil, err
	}
	switch a.Kind {
	case "chan":
		return a.Send, nil
	case "topic":
		return a.Publish, nil
	}
	return nil, thingError(a, "messages are sent to a chan or a topic; \"sysvipc region set\" sets a value")
}

// valuesOf yields the arguments, or the lines of the input if there are none.
func valuesOf(in io.Reader, args []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if len(args) > 0 {
			for text := range slices.Values(args) {
				if !yield(text, nil) {
					return
				}
			}
			return
		}
		lines := bufio.NewReader(in)
		for {
			line, err := lines.ReadString('\n')
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
