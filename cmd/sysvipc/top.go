package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/removal"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/segread"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/top"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

type topOptions struct {
	once                bool
	interval            arg.Duration
	filter, sort, shown string
	at, history         string
}

func newTopCommand() *cobra.Command {
	o := topOptions{interval: arg.Duration{D: time.Second, Given: true}}
	cmd := &cobra.Command{
		Use:     "top [REF]",
		GroupID: verb.GroupLook,
		Short:   "Watch all objects, full-screen",
		Long: `Watch the objects of this IPC namespace, full-screen: how much of each limit is used, who
uses which object, what changes, the waiters and their holders, and what can be removed.
With a REF, its details are open. Press ? for the keys.

Looking changes nothing: no field of any object, and nothing is attached. The bytes of a
segment are shown where they can be read through a process that has it attached, which
needs root, or leave to trace that process.

The view is read-only. "u" unlocks it; then "d" asks, and removes the selected object if
"sysvipc rm" would; "sysvipc undo" brings it back.

The rows on the screen are new at every interval. A look at everything reads all of /proc,
and is taken as often as 3 % of one processor allow: on most machines every time.

The colours are those of the terminal, and NO_COLOR turns them off. --once prints one
frame, as large as the terminal, or as COLUMNS and LINES say, or of 80 columns.

--at prints what "sysvipcd serve --history FILE" has seen at a time instead: the totals,
and what happened until then.`,
		Example: `  sysvipc top
  sysvipc top --filter 'nattch=0 || messages>0' --sort idle
  sysvipc top sem:3
  sysvipc top --once
  sysvipc top --at 03:12
  COLUMNS=160 LINES=50 sysvipc top --once msg:name=orders --show inside`,
		Args:              topArgs,
		ValidArgsFunction: ref.Complete(1, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.once, "once", false, "print one frame, and end")
	f.Var(&o.interval, "interval", "time between two frames")
	f.StringVar(&o.filter, "filter", "", "only objects for which CONDITION holds, as of \"sysvipc ls\"")
	f.StringVarP(&o.sort, "sort", "s", "kind", "ORDER to begin with: "+strings.Join(top.Orders(), ", ")+"; -ORDER for the reverse")
	f.StringVar(&o.shown, "show", "users", "TAB of the details to begin with: users, inside, why or trend")
	f.StringVar(&o.at, "at", "", "print what was at `TIME`, such as 03:12, \"2026-01-31 03:12\" or 2h ago")
	f.StringVar(&o.history, "history", defaultHistory, "`FILE` for --at, of \"sysvipcd serve --history\"")
	flags.Placeholder(cmd, "CONDITION", "filter")
	flags.Placeholder(cmd, "ORDER", "sort")
	flags.Placeholder(cmd, "TAB", "show")
	return cmd
}

func topArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return cli.Usage("%q shows the details of one object: %q is one too many", cmd.CommandPath(), args[1])
	}
	return nil
}

// leastInterval is less than a screen can be read.
const leastInterval = 100 * time.Millisecond

func (o *topOptions) run(cmd *cobra.Command, args []string) error {
	if o.interval.D < leastInterval {
		return cli.Usage("--interval %s: at least %s", o.interval.String(), leastInterval)
	}
	w := cmd.OutOrStdout()
	switch past := cmd.Flags().Changed("at"); {
	case !past && cmd.Flags().Changed("history"):
		return cli.Usage("--history is for --at")
	case past && (len(args) > 0 || o.once || cmd.Flags().Changed("filter") || cmd.Flags().Changed("sort") || cmd.Flags().Changed("show") || cmd.Flags().Changed("interval")):
		return cli.Usage("--at prints totals: besides it there is --history alone")
	case past:
		at, err := parseMoment(o.at, time.Now())
		if err != nil {
			return err
		}
		return writeMoment(w, o.history, at)
	}
	terminal := terminal.Is(w)
	paint := top.Environment()
	paint.Plain = paint.Plain || !terminal
	m := top.New(theMachine(), paint, o.interval.D)
	if !m.SortBy(o.sort) {
		return cli.Usage("--sort %s: there are %s", o.sort, strings.Join(top.Orders(), ", "))
	}
	if err := m.FilterBy(o.filter); err != nil {
		return err
	}
	if !m.Tab(o.shown) {
		return cli.Usage("--show %s: there are users, inside, why and trend", o.shown)
	}
	if len(args) > 0 {
		refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
		if err != nil {
			return err
		}
		if len(refs) != 1 {
			return cli.Usage("%q shows the details of one object", cmd.CommandPath())
		}
		id, err := refs[0].Find()
		if err == nil {
			_, err = listing.Stat(refs[0].Kind, id)
		}
		if err != nil {
			return err
		}
		m.Open(refs[0].Kind, id)
	}
	if o.once {
		return topOnce(cmd, m)
	}
	if !terminal {
		return cli.Usage("standard output is no terminal: give --once, or use \"sysvipc ls\"")
	}
	// The command's own handler of signals ends the context. A program that is asked to quit restores the
	// terminal, and one whose context ends does not do so in full.
	ctx := cmd.Context()
	p := tea.NewProgram(m, tea.WithoutSignalHandler(), tea.WithOutput(w), tea.WithFPS(20))
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	if _, err := p.Run(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// topOnce prints one frame.
func topOnce(cmd *cobra.Command, m *top.Model) error {
	snap, err := inspect.Take(cmd.Context(), seenTaking(cmd))
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	width, height := screenSize(w)
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	m.Show(snap)
	m.Load()
	lines := strings.Split(m.Frame(), "\n")
	for len(lines) > 1 && lines[len(lines)-2] == "" { // above the last, which names the keys
		lines = append(lines[:len(lines)-2], lines[len(lines)-1])
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err = fmt.Fprintln(w, strings.Join(lines[:len(lines)-1], "\n"))
	return err
}

// screenSize is that of a terminal, or what the environment says, or that of old.
func screenSize(w io.Writer) (width, height int) {
	width, height = terminal.Size(w)
	for _, v := range []struct {
		name string
		n    *int
		old  int
	}{{"COLUMNS", &width, 80}, {"LINES", &height, 24}} {
		if *v.n <= 0 {
			*v.n, _ = strconv.Atoi(os.Getenv(v.name))
		}
		if *v.n <= 0 {
			*v.n = v.old
		}
		*v.n = min(*v.n, 10000)
	}
	return width, height
}

// theMachine is what top looks at.
func theMachine() *top.Machine {
	v := listing.NewView()
	host, _ := os.Hostname()
	if ref.Moved.Home != 0 {
		host += fmt.Sprintf(" ns=%d", ref.Moved.Here)
	}
	return &top.Machine{
		Name: host,
		Take: func(ctx context.Context) (*inspect.Snapshot, error) {
			return inspect.Take(ctx, &inspect.Options{Taken: askTrace(io.Discard)})
		},
		Limits: sysvipc.ReadLimits,
		Look:   top.Look,
		Read:   readThrough,
		Peek:   func(id, index int) (sysvipc.Message, error) { return sysvipc.QueueByID(id).Peek(index) },
		Check: func(ctx context.Context, shown *inspect.Object) error {
			_, err := guardShown(ctx, shown)
			return err
		},
		Remove: removeShown,
		Filter: func(text string) (func(*inspect.Snapshot, *inspect.Object) bool, error) {
			c, err := listing.ParseFilter(text)
			if err != nil {
				return nil, err
			}
			return func(s *inspect.Snapshot, o *inspect.Object) bool {
				v.Now = s.Time
				e := listing.Inspected(s, o)
				return c.Holds(v, &e) == listing.Yes
			}, nil
		},
		Waits: waitTreeLines,
		Owner: v.Users.Text,
		Size:  arg.FormatSize,
		Age:   arg.FormatAge,
		Text:  terminal.Escape,
		CPU:   top.CPU,
	}
}

// readThrough reads bytes of a segment through a process that has it attached.
func readThrough(id int, p []byte, off int64) (int, string, error) {
	view, err := segread.Open(id)
	if err != nil {
		return 0, "", err
	}
	defer view.Close()
	n, err := view.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, view.Through, err
}

// guardShown asks the guard of rm about an object that was shown, by a snapshot of now.
func guardShown(ctx context.Context, shown *inspect.Object) (*rmOptions, error) {
	snap, err := inspect.Take(ctx, nil)
	if err != nil {
		return nil, err
	}
	if now := snap.Object(shown.Kind, shown.ID); now == nil {
		return nil, errors.New("it is gone")
	} else if now.Key != shown.Key || now.CUID != shown.CUID || now.CGID != shown.CGID ||
		now.Segment != nil && (now.Segment.CreatorPID != shown.Segment.CreatorPID || now.Segment.Size != shown.Segment.Size) {
		return nil, errors.New("another object has its ID now")
	}
	o := &rmOptions{snap: snap}
	if err := o.guard(ref.Ref{Kind: shown.Kind, ID: shown.ID}, shown.ID); err != nil {
		return nil, err
	}
	return o, nil
}

func removeShown(ctx context.Context, shown *inspect.Object) error {
	o, err := guardShown(ctx, shown)
	if err != nil {
		return err
	}
	r := removal.Removal{Program: "sysvipc top", Keep: removal.DefaultKeep, May: guard.Check}
	var failed error
	err = r.Run(ctx, []*inspect.Object{o.snap.Object(shown.Kind, shown.ID)}, func(_ *inspect.Object, err error) { failed = err })
	return cmp.Or(err, failed)
}

// waitTreeLines are the lines of "sysvipc waits".
func waitTreeLines(snap *inspect.Snapshot) []string {
	waits := make([]*inspect.Wait, len(snap.Waits))
	for i := range snap.Waits {
		waits[i] = &snap.Waits[i]
	}
	var b strings.Builder
	cmd := &cobra.Command{}
	cmd.SetOut(&b)
	cmd.SetErr(io.Discard)
	if err := writeWaits(cmd, snap, waits); err != nil || b.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}
