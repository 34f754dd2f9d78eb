package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

func newWatchCommand() *cobra.Command {
	var interval arg.Duration
	var jsonl bool
	cmd := &cobra.Command{
		Use:     "watch [shm] [sem] [msg]",
		GroupID: verb.GroupLook,
		Short:   "Show what happens to objects, one line for each event",
		Long: `Show what happens to objects, or to those of some kinds, until it is interrupted: they are
made, removed, attached, detached, operated on; messages come and go; owners and modes
change. First the objects that exist are counted. Looking changes nothing.

The kernel tells nobody of events, so this looks again and again, every --interval. What
begins and ends between two looks is not seen, and what happens several times is one
event. With --jsonl each line is a JSON object.`,
		Example: `  sysvipc watch
  sysvipc watch shm --interval 0.1
  sysvipc watch --jsonl | jq 'select(.event == "removed")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if _, ok := ref.KindOf(arg); !ok {
					return cli.Usage("%q is no kind of object: choose of shm, sem and msg", arg)
				}
			}
			return nil
		},
		ValidArgs: []string{"shm", "sem", "msg"},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := pipe.WhileRead(cmd.Context(), cmd.OutOrStdout())
			defer stop()
			w := &watcher{w: cmd.OutOrStdout(), kinds: kindsOf(args), jsonl: jsonl, v: listing.NewView()}
			err := w.run(ctx, cmd.ErrOrStderr(), interval.D)
			if gone := context.Cause(ctx); gone == pipe.ErrReaderGone {
				return gone
			}
			return err
		},
	}
	interval.D, interval.Given = time.Second, true
	cmd.Flags().Var(&interval, "interval", "time between two looks: 0.1, 5, 1m")
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "write JSON objects, one on each line")
	return cmd
}

// watcher compares what is there with what was.
type watcher struct {
	w     io.Writer
	kinds []sysvipc.Kind
	jsonl bool
	v     *listing.View
	seen  map[string]listing.Entry
	order []string // of seen
}

// run looks until ctx is done. Another look waits for its turn, and does not try to catch up.
func (w *watcher) run(ctx context.Context, stderr io.Writer, interval time.Duration) error {
	if err := w.look(true); err != nil {
		return err
	}
	where := ""
	if ref.Moved.Way != ref.Started {
		where = fmt.Sprintf(" of IPC namespace %d", w.v.NS)
	}
	fmt.Fprintf(stderr, "watching %s%s\n", plural.Of(len(w.seen), "object"), where)
	tick := time.NewTicker(max(interval, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := w.look(false); err != nil {
				return err
			}
		}
	}
}

// look lists the objects and tells what is different.
func (w *watcher) look(first bool) error {
	now := make(map[string]listing.Entry, len(w.seen))
	order := make([]string, 0, len(w.order))
	for e, err := range listing.List(w.kinds) {
		if err != nil {
			return err
		}
		ref := ref.Name(e.Kind, e.ID)
		now[ref] = e.Clone()
		order = append(order, ref)
	}
	if !first {
		for _, ref := range w.order {
			if _, ok := now[ref]; !ok {
				before := w.seen[ref]
				if err := w.tell(&before, "removed", ""); err != nil {
					return err
				}
			}
		}
		for _, ref := range order {
			e := now[ref]
			before, ok := w.seen[ref]
			if !ok {
				if err := w.tell(&e, "made", ""); err != nil {
					return err
				}
				continue
			}
			for _, change := range changes(&before, &e) {
				if err := w.tell(&e, change.event, change.what); err != nil {
					return err
				}
			}
		}
	}
	w.seen, w.order = now, order
	return nil
}

// alteration is an event on an object that was there before.
type alteration struct{ event, what string }

// changes compares an object with what it was.
func changes(a, b *listing.Entry) (all []alteration) {
	add := func(event, format string, args ...any) {
		all = append(all, alteration{event, fmt.Sprintf(format, args...)})
	}
	by := func(pid int) string {
		if pid == 0 {
			return ""
		}
		return fmt.Sprintf(" by process %d", pid)
	}
	if a.UID != b.UID || a.GID != b.GID {
		add("owner", "from %d:%d to %d:%d", a.UID, a.GID, b.UID, b.GID)
	}
	if a.Mode != b.Mode {
		add("mode", "from %04o to %04o", a.Mode, b.Mode)
	}
	switch {
	case a.Segment != nil && b.Segment != nil:
		x, y := a.Segment, b.Segment
		if !x.Destroyed && y.Destroyed {
			add("destroyed", "it goes with its last detach")
		}
		switch {
		case y.Attaches > x.Attaches:
			add("attached", "from %d to %d%s", x.Attaches, y.Attaches, by(y.LastPID))
		case y.Attaches < x.Attaches:
			add("detached", "from %d to %d%s", x.Attaches, y.Attaches, by(y.LastPID))
		case !x.Attached.Equal(y.Attached) || x.LastPID != y.LastPID:
			add("used", "attached and detached%s", by(y.LastPID))
		}
	case a.Set != nil && b.Set != nil:
		if !a.Set.Operated.Equal(b.Set.Operated) {
			add("operated", "")
		}
		if !a.Changed.Equal(b.Changed) && len(all) == 0 {
			add("set", "values or permissions")
		}
	case a.Queue != nil && b.Queue != nil:
		x, y := a.Queue, b.Queue
		if !x.Sent.Equal(y.Sent) || y.Messages > x.Messages {
			add("sent", "%s on it%s", plural.Of(y.Messages, "message"), by(y.LastSendPID))
		}
		if !x.Received.Equal(y.Received) || y.Messages < x.Messages {
			add("received", "%s on it%s", plural.Of(y.Messages, "message"), by(y.LastReceivePID))
		}
	}
	return all
}

// tell writes an event.
func (w *watcher) tell(e *listing.Entry, event, what string) error {
	now := time.Now()
	if w.jsonl {
		line := output.AppendLine(nil, &output.Event{Time: now, Event: event, What: output.OrNil(what), Archived: e.Published(w.v).Archived()})
		_, err := w.w.Write(line)
		return err
	}
	text := fmt.Sprintf("%s %s %s %s", now.Format("15:04:05"), ref.Name(e.Kind, e.ID), event, what)
	_, err := fmt.Fprintf(w.w, "%s (%s)\n", strings.TrimRight(text, " "), w.v.Describe(e))
	return err
}
