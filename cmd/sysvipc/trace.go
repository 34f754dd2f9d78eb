package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/calls"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/trace"
)

// tracer is one run of "trace".
type tracer struct {
	format                    string
	pid                       int
	ns, unit                  string
	owner                     account.Owner
	limit                     arg.Duration
	events, graph, contention bool

	opts   trace.Options
	here   uint64
	names  map[string]string // what the user calls an object, by REF
	owners map[trace.Object]bool
	t      *trace.Trace
	out    io.Writer
	errOut io.Writer
	idle   func() error // nil, or what is done when no event waits
}

func newTraceCommand() *cobra.Command {
	var t tracer
	cmd := &cobra.Command{
		Use:     "trace [REF…]",
		GroupID: verb.GroupLook,
		Short:   "Show every System V call: who, on what, with which result, how long",
		Long: `Count the System V calls of all processes, or those on the objects that are named, until it
is interrupted or --for is over: how many, how long they took, with which errors, and which
other processes call about the same object. On a terminal it shows the last second meanwhile;
at the end it prints the sum. A call that waits is counted when it ends.

The kernel does the counting, by eBPF, and every call is counted once. What found no room is
told as lost. The traced programs are slowed down by less than a microsecond a call. This
needs root, or CAP_BPF with CAP_PERFMON, and Linux 5.11 or later on amd64 or arm64.

--events writes each call as strace(1) does; with -o jsonl each is a JSON object. --contention adds up who waited for what another
process gave, and how long; --graph writes the same for dot(1). In these, only the first 16
operations of a semop(2) are looked at.

--ns traces another IPC namespace: its inode, as "sysvipc ns" shows it, the PID of a process
in it, or all. --unit traces the processes of a systemd unit, with those that it starts, by its
control group of version 2; UNIT may be a path of one, such as /machine.slice. PIDs are those of the initial PID namespace. --owner looks at the owners that
objects have now: calls on an object that is removed before it was seen do not count.`,
		Example: `  sysvipc trace
  sysvipc trace sem:name=jobs --for 10s
  sysvipc trace --pid 4711 --events
  sysvipc trace --unit postgresql --for 1m
  sysvipc trace --for 10s -o json | jq '.calls[] | select(.errors > 0)'
  sysvipc trace --for 10s --graph | dot -Tsvg >handovers.svg`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return t.run(cmd, args) },
	}
	f := cmd.Flags()
	f.IntVar(&t.pid, "pid", 0, "only calls of this process")
	f.StringVar(&t.unit, "unit", "", "only calls of the processes of this systemd unit")
	f.Var(&t.owner, "owner", "only calls on objects of this owner")
	f.StringVar(&t.ns, "ns", "", "IPC namespace: an inode, a PID, or all")
	f.Var(&t.limit, "for", "end after this time: 10s, 2m")
	f.BoolVar(&t.events, "events", false, "write each call on a line")
	f.BoolVar(&t.contention, "contention", false, "add up who waited for whom")
	f.BoolVar(&t.graph, "graph", false, "write who waited for whom as a graph for dot(1)")
	cmd.MarkFlagsMutuallyExclusive("events", "contention", "graph")
	flags.Placeholder(cmd, "PID", "pid")
	flags.Placeholder(cmd, "UNIT", "unit")
	flags.Placeholder(cmd, "NS", "ns")
	flags.Output(cmd, &t.format, "table", "json", "jsonl")
	return cmd
}

func (t *tracer) run(cmd *cobra.Command, args []string) error {
	t.out, t.errOut = cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := t.choose(cmd, args); err != nil {
		return err
	}
	ctx, stop := pipe.WhileRead(cmd.Context(), t.out)
	defer stop()
	var err error
	if t.t, err = trace.Start(&t.opts); err != nil {
		return notTraced(err)
	}
	defer t.t.Close()
	fmt.Fprintf(t.errOut, "tracing %s\n", t.what())
	if t.limit.Given {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.limit.D)
		defer cancel()
	}
	switch {
	case t.events && t.format == "json":
		d := output.StartDocument(t.out, "events")
		err = t.each(ctx, func(e *trace.Event) error {
			d.Add(calls.EventJSON(e, t.here))
			return nil
		})
		if err == nil {
			err = t.endEvents(d)
		}
	case t.events:
		err = t.lines(ctx)
	case t.graph, t.contention:
		err = t.handovers(ctx)
	default:
		err = t.count(ctx)
	}
	if err != nil {
		return err
	}
	return t.ended(ctx)
}

// choose reads what is to be traced.
func (t *tracer) choose(cmd *cobra.Command, args []string) error {
	t.here = inspect.CurrentNamespace()
	t.opts.Events = t.events || t.graph || t.contention
	if cmd.Flags().Changed("pid") {
		if t.pid <= 0 {
			return cli.Usage("--pid %d: write the PID of a process", t.pid)
		}
		if _, err := os.Stat("/proc/" + strconv.Itoa(t.pid)); err != nil {
			return cli.Fail(cli.ExitNotFound, "there is no process %d", t.pid)
		}
		t.opts.PID = t.pid
	}
	if cmd.Flags().Changed("unit") {
		var err error
		if t.opts.Cgroups, err = calls.Unit(t.unit); err != nil {
			return err
		}
	}
	if err := t.namespace(); err != nil {
		return err
	}
	switch {
	case t.graph && t.format != "table":
		return cli.Usage("--graph writes a graph for dot(1): use --contention -o json")
	case t.format == "jsonl" && !t.events:
		return cli.Usage("-o jsonl writes each call on a line: use it with --events")
	}
	if len(args) == 0 {
		return nil
	}
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err != nil {
		return err
	}
	t.names = map[string]string{}
	return verb.Each(cmd, refs, nil, func(r ref.Ref, id int) error {
		if t.opts.Namespace == 0 {
			if _, err := listing.Stat(r.Kind, id); err != nil {
				return err
			}
		}
		t.opts.Objects = append(t.opts.Objects, trace.Object{Kind: r.Kind, ID: id})
		if r.ID < 0 {
			_, t.names[ref.Name(r.Kind, id)], _ = strings.Cut(r.Text, ":")
		}
		return nil
	})
}

// namespace reads --ns.
func (t *tracer) namespace() error {
	switch {
	case t.ns == "":
		return nil
	case t.owner.String() != "":
		return cli.Usage("--owner looks at the objects of this IPC namespace, and --ns at another: give one of them")
	case t.ns == "all":
		t.opts.Namespace = trace.AllNamespaces
		return nil
	}
	const leastInode = 1 << 22 // no PID is higher, and the inodes of namespaces are
	n, err := strconv.ParseUint(t.ns, 10, 32)
	if err != nil || n == 0 {
		return cli.Usage("--ns %q: write an inode as \"sysvipc ns\" shows it, a PID, or all", t.ns)
	}
	if n >= leastInode {
		t.opts.Namespace = n
		return nil
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/ipc", n))
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(link, "ipc:[%d]", &t.opts.Namespace); err != nil {
		return fmt.Errorf("the IPC namespace of process %d is %q: %w", n, link, err)
	}
	return nil
}

func notTraced(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return &cli.Error{Code: cli.ExitNotPermitted, Err: err}
	}
	return err
}

// what is traced, in words.
func (t *tracer) what() string {
	s := "all calls"
	if n := len(t.opts.Objects); n > 0 {
		s = "calls on " + plural.Of(n, "object")
	}
	if t.owner.String() != "" {
		s += " of owner " + t.owner.String()
	}
	if t.pid != 0 {
		s += fmt.Sprintf(" by process %d", t.pid)
	}
	if t.unit != "" {
		s += " by unit " + terminal.Escape(t.unit)
	}
	switch t.opts.Namespace {
	case 0:
	case trace.AllNamespaces:
		s += " in all IPC namespaces"
	default:
		s += fmt.Sprintf(" in IPC namespace %d", t.opts.Namespace)
	}
	if t.limit.Given {
		return s + " for " + t.limit.D.String()
	}
	return s + "; Ctrl-C ends it"
}

// ended tells of what was lost. The end of --for, and Ctrl-C, are how a trace ends.
func (t *tracer) ended(ctx context.Context) error {
	sum, err := t.t.Read()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		n    uint64
		what string
	}{{sum.Lost, "found no room to be counted"}, {sum.LostEvents, "came too quickly to be shown"}} {
		if l.n > 0 {
			fmt.Fprintf(t.errOut, "lost: %s %s\n", plural.Of(int(l.n), "call"), l.what)
		}
	}
	var stopped cli.Interrupt
	switch gone := context.Cause(ctx); {
	case gone == pipe.ErrReaderGone, errors.As(gone, &stopped) && stopped.Signal != os.Interrupt:
		return gone
	}
	return nil
}

// wanted is for --owner: whose the object is. What was removed is remembered.
func (t *tracer) wanted() func(trace.Object) bool {
	if t.owner.String() == "" {
		return nil
	}
	if t.owners == nil {
		t.owners = map[trace.Object]bool{}
	}
	fresh := false
	return func(o trace.Object) bool {
		if o.ID < 0 {
			return false
		}
		is, known := t.owners[o]
		if !known && !fresh {
			fresh = true
			t.lookUp()
			is = t.owners[o]
		}
		return is
	}
}

// lookUp notes whose the objects are that there are now.
func (t *tracer) lookUp() {
	for e, err := range listing.List([]sysvipc.Kind{sysvipc.KindSegment, sysvipc.KindSemaphores, sysvipc.KindQueue}) {
		if err != nil {
			return // the trace goes on without
		}
		t.owners[trace.Object{Namespace: t.here, Kind: e.Kind, ID: e.ID}] = (t.owner.UID < 0 || e.UID == t.owner.UID) && (t.owner.GID < 0 || e.GID == t.owner.GID)
	}
}

// each calls f for every event until ctx ends, and for those that were in the buffer then.
func (t *tracer) each(ctx context.Context, f func(*trace.Event) error) error {
	var want func(trace.Object) bool
	var end time.Time
	for {
		e, err := t.t.Next(ctx)
		if ctx.Err() != nil && end.IsZero() {
			end = time.Now()
		}
		if !end.IsZero() && (err != nil || e.Time.After(end)) {
			return nil
		}
		if err != nil {
			return err
		}
		if want = t.wanted(); want == nil || want(e.Object) {
			err = f(e)
		}
		if err == nil && t.idle != nil && t.t.Buffered() == 0 {
			err = t.idle()
		}
		if err != nil {
			return err
		}
	}
}

// lines writes all events: each at once, or many together while they come quickly.
func (t *tracer) lines(ctx context.Context) error {
	w := bufio.NewWriterSize(t.out, 64<<10)
	t.idle = w.Flush
	err := t.each(ctx, func(e *trace.Event) error { return t.line(w, e) })
	return cmp.Or(err, w.Flush())
}

// line writes an event.
func (t *tracer) line(w io.Writer, e *trace.Event) error {
	var err error
	if t.format == "jsonl" {
		_, err = w.Write(output.AppendLine(nil, calls.EventJSON(e, t.here)))
		return err
	}
	ns := ""
	if e.Namespace != t.here {
		ns = fmt.Sprintf("ns=%d ", e.Namespace)
	}
	thread := strconv.Itoa(e.PID)
	if e.TID != e.PID {
		thread += "/" + strconv.Itoa(e.TID)
	}
	_, err = fmt.Fprintf(w, "%s %s%s %s %s\n", e.Time.Format("15:04:05.000000"), ns, thread, terminal.Escape(e.Comm), e.Text(t.names[e.Ref()]))
	return err
}

// handovers adds up who waited for whom.
func (t *tracer) handovers(ctx context.Context) error {
	h := calls.NewHandovers(t.here)
	err := t.each(ctx, func(e *trace.Event) error {
		h.Add(e)
		return nil
	})
	if err != nil {
		return err
	}
	list := h.List()
	switch {
	case t.graph:
		return calls.Graph(t.out, list)
	case t.format == "json":
		d := output.StartDocument(t.out, "handovers")
		for i := range list {
			d.Add(&list[i])
		}
		return t.endEvents(d)
	default:
		return calls.HandoverTable(t.out, list)
	}
}

// endEvents ends a document that was made of events.
func (t *tracer) endEvents(d *output.Document) error {
	sum, err := t.t.Read()
	if err != nil {
		return err
	}
	d.Field("lost", sum.LostEvents)
	return d.End(nil)
}

// count shows what is counted: every second on a terminal, and at the end.
func (t *tracer) count(ctx context.Context) error {
	if t.format == "table" && terminal.Is(t.out) {
		if err := t.live(ctx); err != nil {
			return err
		}
	}
	<-ctx.Done()
	sum, err := t.t.Read()
	if err != nil {
		return err
	}
	rows := calls.Rows(sum.Calls, t.wanted())
	if t.format == "json" {
		d := output.StartDocument(t.out, "calls")
		for i := range rows {
			d.Add(rows[i].JSON(t.here))
		}
		d.Field("lost", sum.Lost)
		d.Field("seconds", sum.Elapsed.Seconds())
		return d.End(nil)
	}
	if err := calls.Table(t.out, rows, sum.Elapsed, t.here, 0); err != nil {
		return err
	}
	fmt.Fprintf(t.errOut, "%s in %s\n", plural.Of(int(calls.Calls(rows)), "call"), calls.Duration(sum.Elapsed))
	return nil
}

// live shows the last second until ctx ends, on the other screen of the terminal.
func (t *tracer) live(ctx context.Context) error {
	const enter, home, leave = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[H\x1b[J", "\x1b[?7h\x1b[?25h\x1b[?1049l"
	if _, err := io.WriteString(t.out, enter); err != nil {
		return err
	}
	defer io.WriteString(t.out, leave)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var before []calls.Row
	last := time.Duration(0)
	for {
		sum, err := t.t.Read()
		if err != nil {
			return err
		}
		now := calls.Rows(sum.Calls, t.wanted())
		rows := calls.Since(now, before)
		in := sum.Elapsed - last
		_, height := terminal.Size(t.out)
		fmt.Fprintf(t.out, "%s%s; %.0f calls/s, %d lost\n\n", home, t.what(), float64(calls.Calls(rows))/in.Seconds(), sum.Lost)
		if err := calls.Table(t.out, rows, in, t.here, max(height-4, 1)); err != nil {
			return err
		}
		before, last = now, sum.Elapsed
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
