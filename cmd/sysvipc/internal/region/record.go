package region

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type recordOptions struct {
	file     string
	count    int
	duration arg.Duration
	talk     io.Writer
}

func newRecord() *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record REGION -f FILE [NAME…]",
		Short: "Record changes of values, and messages of topics, to a file",
		Long: `Record the values of variables, counters and documents, and the entries of maps, as they
are and after each change, and the messages that are published to topics, with their times,
until Ctrl-C, --count or --duration. Without NAME, all of them. "sysvipc region replay"
plays the file back.

Of changes of a value that come faster than they can be read, the last is recorded. A
topic loses nothing unless this command falls behind by the capacity of the topic: then
it says how many. A chan, and records, are not recorded: each message has one receiver, so
that to record it would take it away.

The file has a version, and a checksum for each value. If this command is killed, what
was recorded until a moment before can still be replayed.`,
		Example: `  sysvipc region record orders -f monday.rec
  sysvipc region record orders -f best.rec best --duration 1m`,
		Args:              takes(0, -1, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "FILE to write, - for standard output")
	f.IntVar(&o.count, "count", 0, "end after N values in all")
	f.Var(&o.duration, "duration", "end after this time")
	flags.Placeholder(cmd, "FILE", "file")
	flags.Placeholder(cmd, "N", "count")
	return cmd
}

// sample is a value that has just come.
type sample struct {
	index int
	at    time.Time
	value []byte
	err   error
}

func (o *recordOptions) run(cmd *cobra.Command, args []string) (err error) {
	switch {
	case o.file == "":
		return cli.Usage("where to? Give a file with -f, or -f - for standard output")
	case o.file == "-" && terminal.Is(cmd.OutOrStdout()):
		return cli.Usage("-f -: standard output is a terminal, which a recording would confuse")
	case o.count < 0 || o.count == 0 && cmd.Flags().Changed("count"):
		return cli.Usage("--count %d: at least 1", o.count)
	}
	r, err := join(cmd, args[0])
	if err != nil {
		return err
	}
	defer r.Close()
	structures, err := recordable(dynamic.Of(r), args[1:])
	if err != nil {
		return err
	}
	info, err := r.Info()
	if err != nil {
		return err
	}
	file := cmd.OutOrStdout()
	if o.file != "-" {
		f, err := os.Create(o.file)
		if err != nil {
			return err
		}
		defer func() {
			if e := f.Close(); err == nil {
				err = e
			}
		}()
		file = f
	}
	head := recordHead{Schema: recordSchema, Region: info.Name, Started: time.Now(), Order: byteOrder()}
	for _, a := range structures {
		head.Structures = append(head.Structures, describe(a.Describe()))
	}
	out, err := newRecordWriter(file, head)
	if err != nil {
		return err
	}
	o.talk = cmd.ErrOrStderr()
	ctx, forget := whileThere(cmd.Context(), r.Segment())
	defer forget()
	if err = o.record(ctx, out, structures); err == nil && errors.Is(context.Cause(ctx), errRemoved) {
		err = errRemoved
	}
	if e := out.end(); err == nil {
		err = e // one that writing said before is the same
	}
	if err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "recorded %s\n", plural.Of(int(out.count), "value"))
	}
	return err
}

// recordable returns the structures with these names, or all that can be recorded.
func recordable(r *dynamic.Region, names []string) (recorded []dynamic.Structure, err error) {
	whole := len(names) == 0
	if whole {
		structures, err := r.All()
		if err != nil {
			return nil, err
		}
		for _, s := range structures {
			names = append(names, s.Describe().Name)
		}
	}
	for _, name := range names {
		s, err := r.Find(name)
		if err != nil {
			return nil, err
		}
		switch s.(type) {
		case *dynamic.Var, *dynamic.Counter, *dynamic.Topic, *dynamic.Doc, *dynamic.Map:
			recorded = append(recorded, s)
			continue
		}
		switch kind := s.Describe().Kind; {
		case whole:
		case kind == "chan" || kind == "records":
			return nil, kindError(s, "each of its messages has one receiver, and to record it would take it away; what can be recorded are vars, counters, docs, maps and topics")
		default:
			return nil, kindError(s, "what can be recorded are vars, counters, docs, maps and topics")
		}
	}
	if len(recorded) == 0 {
		return nil, cli.Fail(cli.ExitNotFound, "nothing in this region can be recorded: it has no var, counter, doc, map or topic")
	}
	return recorded, nil
}

// record writes what comes until it shall end. To be interrupted is a good end.
func (o *recordOptions) record(ctx context.Context, out *recordWriter, structures []dynamic.Structure) error {
	if o.duration.Given {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration.D)
		defer cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	samples := make(chan sample)
	var lost atomic.Uint64
	defer func() {
		if n := lost.Load(); n > 0 {
			fmt.Fprintf(o.talk, "sysvipc: %s lost: published faster than they could be recorded\n", plural.Of(int(n), "message"))
		}
	}()
	var sources sync.WaitGroup
	defer sources.Wait()
	defer cancel()
	for i, a := range structures {
		sources.Go(func() {
			for value, err := range samplesOf(ctx, a, &lost) {
				select {
				case samples <- sample{i, time.Now(), value, err}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	// What was recorded reaches the file soon, also if nothing more comes.
	flush := time.NewTicker(200 * time.Millisecond)
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-flush.C:
			if err := out.out.Flush(); err != nil {
				return err
			}
		case s := <-samples:
			if s.err != nil && ctx.Err() != nil {
				return nil
			}
			if s.err != nil {
				return s.err
			}
			if err := out.value(s.index, s.at, s.value); err != nil {
				return err
			}
			if int(out.count) == o.count {
				return nil
			}
		}
	}
}

// samplesOf yields what is to be recorded of a structure.
func samplesOf(ctx context.Context, s dynamic.Structure, lost *atomic.Uint64) iter.Seq2[[]byte, error] {
	switch s := s.(type) {
	case valued:
		return s.Watch(ctx)
	case *dynamic.Doc:
		return func(yield func([]byte, error) bool) {
			for data, err := range s.Watch(ctx) {
				stored := data != nil || err != nil // else none was ever
				if stored && !yield(data, err) {
					return
				}
			}
		}
	case *dynamic.Map:
		return func(yield func([]byte, error) bool) {
			for e, err := range s.WatchAll(ctx) {
				if !yield(append(e.Key, e.Value...), err) {
					return
				}
			}
		}
	case *dynamic.Topic:
		return messagesOf(ctx, s, lost)
	}
	return func(yield func([]byte, error) bool) { yield(nil, kindError(s, "it cannot be recorded")) }
}

// messagesOf yields what is published to a topic, and counts what was lost.
func messagesOf(ctx context.Context, t *dynamic.Topic, lost *atomic.Uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s, err := t.Subscribe(shared.Lossy)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.Close()
		for {
			message, missed, err := s.Next(ctx)
			lost.Add(missed)
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}
