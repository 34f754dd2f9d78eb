package region

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type watchOptions struct {
	key      string
	count    int
	timeout  arg.Duration
	interval arg.Duration
	output   string
}

func newWatch() *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch REGION NAME",
		Short: "Print a value now and after each change",
		Long: `Print a value now and after each change, as a line of JSON, until Ctrl-C. Of
changes that come faster than they are printed, the last is printed.

Of a map, each entry is printed that is there or changes, as "key" and "value", and the
value of one that was deleted is null; --key prints the value of one entry, or null.

To learn of changes this command joins the region, and takes no time while there is
none. With --interval it looks at the value every so often instead, as "region get" does:
for a region that you may only read, and for a counter that C programs change by atomic
instructions of their own.`,
		Example: `  sysvipc region watch orders best
  sysvipc region watch orders positions --key 7
  sysvipc region watch orders best --count 2 --timeout 5s -o jsonl`,
		Args:              takes(1, 1, "a NAME"),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "the entry of a map with this key, in JSON")
	f.IntVar(&o.count, "count", 0, "end after N values, the first included")
	f.Var(&o.timeout, "timeout", "give up when the value has not changed for this time")
	f.Var(&o.interval, "interval", "do not join, and look this often")
	flags.Placeholder(cmd, "KEY", "key")
	flags.Placeholder(cmd, "N", "count")
	flags.Output(cmd, &o.output, "lines", "jsonl")
	return cmd
}

func (o *watchOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case o.count < 0 || o.count == 0 && cmd.Flags().Changed("count"):
		return cli.Usage("--count %d: at least 1", o.count)
	case o.interval.Given && o.interval.D < time.Millisecond:
		return cli.Usage("--interval %v: at least 1ms", o.interval.D)
	}
	pipe.IgnoreSIGPIPE()
	ctx, stop := pipe.WhileRead(cmd.Context(), cmd.OutOrStdout())
	defer stop()
	p, err := find(args[0])
	if err != nil {
		return err
	}
	ctx, forget := whileThere(ctx, p.seg)
	defer forget()
	return cause(ctx, o.watch(ctx, cmd, args))
}

func (o *watchOptions) watch(ctx context.Context, cmd *cobra.Command, args []string) error {
	// Looking first tells what is wrong with the arguments, and joins nothing for it.
	region, err := lookAt(args[0])
	if err != nil {
		return err
	}
	defer region.Close()
	s, err := region.Find(args[1])
	if err != nil {
		return err
	}
	a := s.Describe()
	var key []byte
	switch byKey := cmd.Flags().Changed("key"); {
	case byKey && a.Kind != "map":
		return cli.Usage("--key is for maps, and %q is a %s", a.Name, a.Kind)
	case byKey:
		if key, err = theKey(a, o.key); err != nil {
			return err
		}
	case a.Kind == "map" && o.interval.Given:
		return cli.Usage("%q is a map: with --interval, say which entry with --key", a.Name)
	case !slices.Contains([]string{"var", "doc", "counter", "map"}, a.Kind):
		return kindError(s, "what can be watched is a var, a doc, a counter or a map; \"sysvipc region sub\" is for a chan or topic")
	}
	out := &streamWriter{w: cmd.OutOrStdout(), name: a.Name, jsonl: o.output == "jsonl"}
	if o.interval.Given {
		return o.poll(ctx, out, func() (rawJSON, error) { return currentValue(s, key) })
	}
	r, err := join(cmd, args[0])
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (who waits for changes has to join; with --interval 1s it is enough to read)", err)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if s, err = dynamic.Of(r).Find(args[1]); err != nil {
		return err
	}
	return o.follow(ctx, out, a.Name, func(ctx context.Context) iter.Seq2[rawJSON, error] { return changesOf(ctx, s, key) })
}

// currentValue returns a value, or of an entry of a map.
func currentValue(s dynamic.Structure, key []byte) (rawJSON, error) {
	switch s := s.(type) {
	case *dynamic.Doc:
		data, err := s.Load()
		return docValue(s, data), err
	case *dynamic.Map:
		value, ok, err := s.Load(key)
		if err != nil || !ok {
			return rawJSON("null"), err
		}
		return jsonOf(s.Type, value), nil
	case valued:
		value, err := s.Load()
		if err != nil {
			return nil, err
		}
		return jsonOf(s.Describe().Type, value), nil
	}
	return nil, kindError(s, "it has no value")
}

// changesOf yields a value, or of an entry of a map, and each change.
func changesOf(ctx context.Context, s dynamic.Structure, key []byte) iter.Seq2[rawJSON, error] {
	a := s.Describe()
	switch s := s.(type) {
	case *dynamic.Doc:
		return asJSON(s.Watch(ctx), func(data []byte) rawJSON { return docValue(s, data) })
	case *dynamic.Map:
		if key != nil {
			return asJSON(s.Watch(ctx, key), func(value []byte) rawJSON { return orNull(a, value) })
		}
		return asJSON(s.WatchAll(ctx), func(e dynamic.Entry) rawJSON {
			return output.Append(nil, output.Entry{Key: jsonOf(a.Key, e.Key), Value: orNull(a, e.Value)})
		})
	case valued:
		return asJSON(s.Watch(ctx), func(value []byte) rawJSON { return jsonOf(a.Type, value) })
	}
	return func(yield func(rawJSON, error) bool) { yield(nil, kindError(s, "it has no value")) }
}

func orNull(a *dynamic.Description, value []byte) rawJSON {
	if value == nil {
		return rawJSON("null")
	}
	return jsonOf(a.Type, value)
}

func asJSON[T any](all iter.Seq2[T, error], show func(T) rawJSON) iter.Seq2[rawJSON, error] {
	return func(yield func(rawJSON, error) bool) {
		for value, err := range all {
			var text rawJSON
			if err == nil {
				text = show(value)
			}
			if !yield(text, err) {
				return
			}
		}
	}
}

// limited returns a context for the wait for one change.
func (o *watchOptions) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.timeout.Given {
		return context.WithTimeout(ctx, o.timeout.D)
	}
	return context.WithCancel(ctx)
}

func (o *watchOptions) late(name string) error {
	return cli.Fail(cli.ExitWouldBlock, "%q: no change: timed out after %v", name, o.timeout.D)
}

// follow prints the changes that a structure notifies of. The timeout counts from each.
func (o *watchOptions) follow(ctx context.Context, out *streamWriter, name string, values func(context.Context) iter.Seq2[rawJSON, error]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tooLate := errors.New("timeout")
	var timer *time.Timer
	if o.timeout.Given {
		timer = time.AfterFunc(o.timeout.D, func() { cancel(tooLate) })
		defer timer.Stop()
	}
	for value, err := range values(ctx) {
		if err != nil {
			if errors.Is(context.Cause(ctx), tooLate) {
				return o.late(name)
			}
			return err
		}
		if err := out.write(value); err != nil {
			return err
		}
		if out.lines == o.count {
			break
		}
		if timer != nil {
			timer.Reset(o.timeout.D)
		}
	}
	return nil
}

// poll prints the changes that it finds by looking.
func (o *watchOptions) poll(ctx context.Context, out *streamWriter, load func() (rawJSON, error)) error {
	var last rawJSON
	ticker := time.NewTicker(o.interval.D)
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

func (o *streamWriter) write(value rawJSON) error {
	var line []byte
	if o.jsonl {
		line = output.AppendLine(nil, &output.Change{Time: now(), Name: o.name, Value: value})
	} else {
		line = append(value, '\n')
	}
	o.lines++
	if _, err := o.w.Write(line); err != nil {
		return fmt.Errorf("write %q: %w", o.name, err)
	}
	return nil
}
