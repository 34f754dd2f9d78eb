package region

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type setOptions struct {
	key    string
	delete bool
	clear  bool
	wait   verb.WaitFlags
}

func newSet() *cobra.Command {
	var o setOptions
	cmd := &cobra.Command{
		Use:   "set REGION NAME VALUE",
		Short: "Set a variable, a counter, a document, or an entry of a map",
		Long: `Set a variable, a counter, a document, or with --key an entry of a map, to a value in
JSON; - reads it from standard input. The region's programs see it at once, and never half of it.

Fields of structs that VALUE does not name stay as they are, and those of a new entry are
zero. Arrays and documents are given whole. An array of bytes may also be given as a string; a text
needs no quotes if it is the whole value.

It waits for a program that is writing the same value at this moment. --delete deletes an
entry of a map, and --clear all of them.`,
		Example: `  sysvipc region set orders best '{"Bid":101.5,"Ask":102}'
  sysvipc region set orders count 0
  sysvipc region set orders positions --key 7 '{"Qty":10}'
  sysvipc region set orders positions --key 7 --delete
  sysvipc region set orders positions --clear`,
		Args:              takes(1, 2, "a NAME and a VALUE"),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	verb.TextMayBeginWithDash(cmd)
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "the entry of a map with this key, in JSON")
	flags.Placeholder(cmd, "KEY", "key")
	f.BoolVar(&o.delete, "delete", false, "delete the entry")
	f.BoolVar(&o.clear, "clear", false, "delete all entries")
	o.wait.Add(cmd)
	return cmd
}

func (o *setOptions) run(cmd *cobra.Command, args []string) error {
	byKey := cmd.Flags().Changed("key")
	deletes := o.delete || o.clear
	switch {
	case o.clear && (byKey || o.delete):
		return cli.Usage("--clear deletes all entries of a map: it goes with neither --key nor --delete")
	case o.delete && !byKey:
		return cli.Usage("--delete deletes an entry of a map: give its --key")
	case deletes && len(args) > 2:
		return cli.Usage("--delete and --clear take no VALUE")
	case !deletes && len(args) < 3:
		return cli.Usage("give a VALUE after the NAME, or - to read it from standard input")
	}
	text := ""
	if !deletes {
		text = args[2]
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
	if text == "-" {
		input, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), longest(a)+1))
		if err != nil {
			return err
		}
		if int64(len(input)) > longest(a) {
			return cli.Fail(cli.ExitFailed, "the input has more than %d bytes, and no value of %q has so many", longest(a), a.Name)
		}
		text = string(input)
	}
	switch {
	case o.clear && a.Kind != "map":
		return cli.Usage("--clear is for maps, and %q is a %s", a.Name, a.Kind)
	case a.Kind == "map" && !byKey && !o.clear:
		return cli.Usage("%q is a map: say which entry with --key", a.Name)
	}
	var key []byte
	if byKey {
		if key, err = theKey(a, o.key); err != nil {
			return err
		}
	}
	change := func(value []byte) error { return setFromText(a.Type, value, text, "VALUE") }
	write := func(ctx context.Context) error {
		switch s := s.(type) {
		case valued:
			return s.Update(ctx, change)
		case *dynamic.Doc:
			change, err := setDoc(s, text)
			if err != nil {
				return err
			}
			return s.Update(ctx, change)
		case *dynamic.Map:
			if o.clear {
				return s.Clear(ctx)
			}
			if o.delete {
				return deleteEntry(ctx, s, key)
			}
			return s.Update(ctx, key, func(value []byte, _ bool) (shared.Action, error) { return shared.Store, change(value) })
		}
		return kindError(s, "it has no value to set")
	}
	return doWaiting(cmd.Context(), &o.wait, "another program is writing "+a.Name, write)
}

func deleteEntry(ctx context.Context, a *dynamic.Map, key []byte) error {
	deleted, err := a.Delete(ctx, key)
	if err == nil && !deleted {
		return cli.Fail(cli.ExitNotFound, "map %q has no entry with the key %s", a.Name, jsonOf(a.Key, key))
	}
	return err
}

// doWaiting makes a call that waits until its context ends, as the flags want it.
func doWaiting(ctx context.Context, w *verb.WaitFlags, what string, call func(context.Context) error) error {
	return w.Do(ctx, what, func() (bool, error) {
		// An end that is over: what needs no waiting is done nevertheless.
		over, cancel := context.WithTimeout(ctx, -1)
		defer cancel()
		err := call(over)
		if errors.Is(err, context.DeadlineExceeded) {
			return false, nil
		}
		return true, err
	}, call)
}
