package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newWaitsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "waits [REF…]",
		GroupID: verb.GroupLook,
		Short:   "Show who waits for what, because of whom, and deadlocks",
		Long: `Show every thread that is blocked on a semaphore set or a queue, or on those that are
named: for which operation, since when, and because of whom. Below each stands who is
probably waited for, and for whom that one waits in turn. Looking changes nothing.

The kernel does not know who holds a semaphore. It notes who operated on it last, and
that is who probably holds it; of a queue, who sent or received last. So deadlocks are
probable, too: processes that wait for one another in a ring, none of them for a limited
time. While "sysvipcd serve --trace" runs as root, it has seen who took and did not give
back: then the holder is certain, and no guess is shown beside it.

A receiver beside messages none of which it takes is stuck: their types are shown if this
user may read the queue.

Root sees all threads. For other users it says what it could not see, and then the exit code is 4.`,
		Example: `  sysvipc waits
  sysvipc waits sem:key=0x4d2
  sysvipc waits -o json`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return runWaits(cmd, args, format) },
	}
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

func runWaits(cmd *cobra.Command, args []string, format string) error {
	wanted, err := wantedObjects(cmd, args)
	if err != nil {
		return err
	}
	snap, err := inspect.Take(cmd.Context(), seenTaking(cmd))
	if err != nil {
		return err
	}
	var waits []*inspect.Wait
	for i := range snap.Waits {
		if w := &snap.Waits[i]; wanted == nil || slices.Contains(wanted, w.Ref()) {
			waits = append(waits, w)
		}
	}
	if format == "json" {
		err = writeWaitsJSON(cmd.OutOrStdout(), snap, waits)
	} else {
		err = writeWaits(cmd, snap, waits)
	}
	if err == nil && !snap.Complete {
		err = incomplete(cmd, snap, format != "json")
	}
	return err
}

// wantedObjects are the objects that are named, or nil for all.
func wantedObjects(cmd *cobra.Command, args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, nil
	}
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err != nil {
		return nil, err
	}
	names := []string{}
	err = verb.Each(cmd, refs, nil, func(r ref.Ref, id int) error {
		_, err := listing.Stat(r.Kind, id)
		names = append(names, ref.Name(r.Kind, id))
		return err
	})
	return names, err
}

func writeWaitsJSON(w io.Writer, snap *inspect.Snapshot, waits []*inspect.Wait) error {
	d := output.StartDocument(w, "waits")
	for _, wait := range waits {
		d.Add(output.WaitOf(snap, wait))
	}
	return d.End(snap.Warnings)
}

// writeWaits writes a tree: each wait under the one who is waited for. What waits for nobody who
// waits stands first, and rings follow.
func writeWaits(cmd *cobra.Command, snap *inspect.Snapshot, waits []*inspect.Wait) error {
	w := cmd.OutOrStdout()
	if len(waits) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "nobody is seen to wait")
		return nil
	}
	tree := waitTree{snap: snap, byHolder: map[int][]*inspect.Wait{}, waiting: map[int]bool{}, certain: map[int]bool{}, shown: map[*inspect.Wait]bool{}}
	for _, wait := range waits {
		tree.waiting[wait.PID] = true
	}
	cycles := map[int][]*inspect.Wait{}
	var roots []int // holders that wait for nobody
	var rest []*inspect.Wait
	for _, wait := range waits {
		if wait.Cycle != 0 {
			cycles[wait.Cycle] = append(cycles[wait.Cycle], wait)
		}
		held := false
		for _, h := range wait.Holders {
			if h.Self {
				continue
			}
			held = true
			tree.certain[h.PID] = tree.certain[h.PID] || h.Certain
			tree.byHolder[h.PID] = append(tree.byHolder[h.PID], wait)
			if !tree.waiting[h.PID] && !slices.Contains(roots, h.PID) {
				roots = append(roots, h.PID)
			}
		}
		if !held {
			rest = append(rest, wait)
		}
	}
	var b strings.Builder
	for n := 1; n <= len(cycles); n++ {
		tree.cycle(&b, n, cycles)
	}
	for _, pid := range roots {
		probably := "probably "
		if tree.certain[pid] {
			probably = ""
		}
		fmt.Fprintf(&b, "%s is %swaited for:\n", tree.process(pid), probably)
		tree.below(&b, pid, 1)
	}
	for _, wait := range rest {
		tree.wait(&b, wait, 0)
	}
	for _, wait := range waits { // in rings, or below them
		if !tree.shown[wait] {
			tree.wait(&b, wait, 0)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type waitTree struct {
	snap     *inspect.Snapshot
	byHolder map[int][]*inspect.Wait
	waiting  map[int]bool
	certain  map[int]bool // processes that hold something, for certain
	shown    map[*inspect.Wait]bool
}

func (t *waitTree) process(pid int) string {
	if p := t.snap.Processes[pid]; p != nil {
		return terminal.Escape(p.String())
	}
	return fmt.Sprintf("process %d", pid)
}

// cycle writes a ring of processes, and what waits for them.
func (t *waitTree) cycle(b *strings.Builder, n int, cycles map[int][]*inspect.Wait) {
	ring := cycles[n]
	if len(ring) == 0 {
		return
	}
	fmt.Fprintf(b, "deadlock %d, probably: each of these waits for the next, or for another of them\n", n)
	for _, wait := range ring {
		t.shown[wait] = true
		t.line(b, wait, 1)
	}
	for _, wait := range ring {
		t.below(b, wait.PID, 2)
	}
}

// below writes what waits for a process.
func (t *waitTree) below(b *strings.Builder, pid, depth int) {
	for _, wait := range t.byHolder[pid] {
		t.wait(b, wait, depth)
	}
}

func (t *waitTree) wait(b *strings.Builder, wait *inspect.Wait, depth int) {
	if t.shown[wait] {
		return
	}
	t.shown[wait] = true
	t.line(b, wait, depth)
	if depth < maxDepth {
		t.below(b, wait.PID, depth+1)
	}
}

// maxDepth is how far the tree is indented; what is deeper stands at the left.
const maxDepth = 30

// line writes one wait.
func (t *waitTree) line(b *strings.Builder, w *inspect.Wait, depth int) {
	fmt.Fprintf(b, "%s%s", strings.Repeat("  ", depth), t.process(w.PID))
	if w.TID != w.PID {
		fmt.Fprintf(b, " thread %d", w.TID)
	}
	fmt.Fprintf(b, " waits on %s: %s", w.Ref(), w.What())
	if !w.Since.IsZero() {
		fmt.Fprintf(b, ", for %s", arg.FormatAge(int64(t.snap.Time.Sub(w.Since)/time.Second)))
	}
	if w.Timeout > 0 {
		fmt.Fprintf(b, " of at most %s", w.Timeout)
	}
	for _, h := range w.Holders {
		if h.Self {
			fmt.Fprintf(b, "; it %s itself", h.Why)
		} else {
			fmt.Fprintf(b, "; process %d %s", h.PID, h.Why)
		}
	}
	if w.Stuck() {
		types := make([]string, 0, len(w.Queued))
		for _, r := range output.TypeCounts(w.Queued) {
			types = append(types, strconv.FormatInt(r.Type, 10))
		}
		const shown = 8
		if len(types) > shown {
			types = append(types[:shown], "…")
		}
		fmt.Fprintf(b, "; stuck: the queue has only type %s", strings.Join(types, ", "))
	}
	b.WriteByte('\n')
}
