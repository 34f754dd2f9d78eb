package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/shared"
)

type regionWatchOptions struct {
	key      string
	count    int
	timeout  durationFlag
	interval durationFlag
	output   string
}

func newRegionWatchCommand() *cobra.Command {
	o := regionWatchOptions{interval: durationFlag{100 * time.Millisecond, true}}
	cmd := &cobra.Command{
		Use:   "watch REGION NAME",
		Short: "Print a value now and after each change",
		Long: `Print the value of a thing now and after each change, as a line of JSON, until Ctrl-C. Of
changes that come faster than they are printed, the last is printed.

A variable or document tells of its changes, and watching it takes no time while there is
none: for that this command joins the region. A counter, and an entry of a map (--key), do not: they
are looked at every --interval. An entry that does not exist is null.`,
		Example: `  sysvipc region watch orders best
  sysvipc region watch orders positions --key 7 --interval 1s
  sysvipc region watch orders best --count 2 --timeout 5s -o jsonl`,
		Args:              withRegion(1, 1, "a NAME"),
		ValidArgsFunction: completeRegions,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "the entry of a map with this key, in JSON")
	f.IntVar(&o.count, "count", 0, "end after N values, the first included")
	f.Var(&o.timeout, "timeout", "give up when the value has not changed for this time")
	f.Var(&o.interval, "interval", "how often to look at what does not tell of its changes")
	placeholder(cmd, "KEY", "key")
	placeholder(cmd, "N", "count")
	outputFlag(cmd, &o.output, "lines", "jsonl")
	return cmd
}

func (o *regionWatchOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case o.count < 0 || o.count == 0 && cmd.Flags().Changed("count"):
		return usage("--count %d: at least 1", o.count)
	case o.interval.d < time.Millisecond:
		return usage("--interval %v: at least 1ms", o.interval.d)
	}
	ignoreSIGPIPE()
	ctx, stop := whileRead(cmd.Context(), cmd.OutOrStdout())
	defer stop()
	p, err := findRegion(args[0])
	if err != nil {
		return err
	}
	ctx, forget := whileThere(ctx, p.seg)
	defer forget()
	return regionCause(ctx, o.watch(ctx, cmd, args))
}

func (o *regionWatchOptions) watch(ctx context.Context, cmd *cobra.Command, args []string) error {
	region, err := lookAt(args[0])
	if err != nil {
		return err
	}
	defer region.Close()
	a, err := region.Any(args[1])
	if err != nil {
		return err
	}
	out := &streamWriter{w: cmd.OutOrStdout(), name: a.Name, jsonl: o.output == "jsonl"}
	byKey := cmd.Flags().Changed("key")
	switch {
	case a.Kind == "map" && !byKey:
		return usage("%q is a map: say which entry with --key", a.Name)
	case a.Kind == "map":
		key, err := theKey(a, o.key)
		if err != nil {
			return err
		}
		return o.poll(ctx, out, func() (rawJSON, error) {
			value, ok, err := a.LoadKey(key)
			if err != nil || !ok {
				return rawJSON("null"), err
			}
			return jsonOf(a.Type, value), nil
		})
	case byKey:
		return usage("--key is for maps, and %q is a %s", a.Name, a.Kind)
	case a.Kind == "counter":
		return o.poll(ctx, out, func() (rawJSON, error) {
			value, err := a.Load()
			return jsonOf(a.Type, value), err
		})
	case a.Kind != "var" && a.Kind != "doc":
		return thingError(a, "what can be watched is a var, a doc, a counter or an entry of a map; \"sysvipc region sub\" is for a chan or topic")
	}
	r, err := join(cmd, args[0])
	if err != nil {
		return err
	}
	defer r.Close()
	if a, err = r.Any(args[1]); err != nil {
		return err
	}
	return o.follow(ctx, out, a)
}

// limited returns a context for the wait for one change.
func (o *regionWatchOptions) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.timeout.set {
		return context.WithTimeout(ctx, o.timeout.d)
	}
	return context.WithCancel(ctx)
}

func (o *regionWatchOptions) late(name string) error {
	return fail(exitWouldBlock, "%q: no change: timed out after %v", name, o.timeout.d)
}

// follow prints the changes that a var tells of. The timeout counts anew from each.
func (o *regionWatchOptions) follow(ctx context.Context, out *streamWriter, a *shared.Any) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tooLate := errors.New("timeout")
	var timer *time.Timer
	if o.timeout.set {
		timer = time.AfterFunc(o.timeout.d, func() { cancel(tooLate) })
		defer timer.Stop()
	}
	all, show := a.Watch(ctx), func(value []byte) rawJSON { return jsonOf(a.Type, value) }
	if a.Kind == "doc" {
		all, show = a.WatchDoc(ctx), func(data []byte) rawJSON { return docValue(a, data) }
	}
	for value, err := range all {
		if err != nil {
			if errors.Is(context.Cause(ctx), tooLate) {
				return o.late(a.Name)
			}
			return err
		}
		if err := out.write(show(value)); err != nil {
			return err
		}
		if out.lines == o.count {
			break
		}
		if timer != nil {
			timer.Reset(o.timeout.d)
		}
	}
	return nil
}

// poll prints the changes of what does not tell of them.
func (o *regionWatchOptions) poll(ctx context.Context, out *streamWriter, load func() (rawJSON, error)) error {
	var last rawJSON
	ticker := time.NewTicker(o.interval.d)
	defer ticker.Stop()
	limit, cancel := o.limited(ctx)
	defer func() { cancel() }()
	for {
		value, err := load()
		if err != nil {
			return err
		}
		if !bytes.Equal(value, last) {
			if err := out.write(value); err != nil {
				return err
			}
			if last = value; out.lines == o.count {
				return nil
			}
			cancel()
			limit, cancel = o.limited(ctx)
		}
		select {
		case <-ticker.C:
		case <-limit.Done():
			if ctx.Err() == nil {
				return o.late(out.name)
			}
			return ctx.Err()
		}
	}
}

// streamWriter writes values one after the other, each at once.
type streamWriter struct {
	w interface {
		Write(p []byte) (int, error)
	}
	name  string
	jsonl bool
	lines int
}

func (o *streamWriter) write(value rawJSON, more ...field) error {
	line := []byte(value)
	if o.jsonl {
		r := append(record{{"schema", schema}, {"time", now()}, {"name", o.name}}, more...)
		line = appendJSON(nil, append(r, field{"value", value}))
	}
	o.lines++
	if _, err := o.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write %q: %w", o.name, err)
	}
	return nil
}
