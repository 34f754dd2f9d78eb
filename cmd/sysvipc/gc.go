package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/removal"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type gcOptions struct {
	yes     bool
	minAge  arg.Duration
	observe arg.Duration
	owner   account.Owner
	include []string
	removal removal.Removal
	output  string
}

func newGcCommand() *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use:     "gc",
		GroupID: verb.GroupChange,
		Short:   "Find objects that nobody uses any more, and remove them",
		Long: `Find the objects that nobody uses any more. Without --yes it only tells what it would
remove; with --yes it removes that. The first row that holds for an object decides, and
"sysvipc explain REF" has the whole evidence:

  in-use     a segment is attached; a set or queue has waiters or a living user
  protected  it belongs to a product with a tool of its own, such as PostgreSQL
  unknown    not all can be seen that may use a set or queue
  has-data   a queue has messages: read them first (see "sysvipc msg drain")
  unknown    the creator or last user of a segment lives, or cannot be seen
  unknown    it was used less than --min-age ago
  orphan     a segment with a key; any without one whose owner has no process
  candidate  any other object: removed only with --include candidate

What is removed is saved first, in /var/lib/sysvipc/removed (for others than root in
~/.local/state/sysvipc/removed, or as XDG_STATE_HOME or SYSVIPC_STATE say), and
"sysvipc undo" brings it back. What cannot be saved, or is used meanwhile, is kept. So is
what has the pid of a living process, also one that started later: the clock may be set.

--observe traces all calls for a time first, and keeps what a process used meanwhile, such
as a set that is used once a minute. It needs what "sysvipc trace" needs.`,
		Example: `  sysvipc gc
  sysvipc gc --observe 5m --include candidate
  sysvipc gc --owner apache --min-age 1d --yes
  sysvipc gc --yes --include candidate --backup ipc.sysv -o json`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.minAge.D, o.minAge.Given = inspect.DefaultMinAge, true
	o.owner = account.Owner{UID: -1, GID: -1}
	f := cmd.Flags()
	f.BoolVarP(&o.yes, "yes", "y", false, "remove, and do not only tell")
	f.Var(&o.minAge, "min-age", "only what nobody has used for this time: 90, 5m, 12h, 7d")
	f.Var(&o.observe, "observe", "trace calls for this time first, and keep what is used meanwhile")
	f.Var(&o.owner, "owner", "only objects of this owner")
	f.StringSliceVar(&o.include, "include", nil, "also objects of the class candidate")
	o.removal.AddFlags(cmd)
	flags.Placeholder(cmd, "CLASS", "include")
	flags.Output(cmd, &o.output, "table", "json")
	flags.Complete(cmd, "include", flags.Words(string(inspect.Candidate)))
	return cmd
}

// collection is one run of gc.
type collection struct {
	*gcOptions
	cmd   *cobra.Command
	v     *listing.View
	doc   *output.Document
	first error // of an object that should have gone
	done  int
	bytes int64 // of those that are done
	kept  map[inspect.Class]int

	going, staying []row // of the tables
}

// row is an object of a table, and what WHY says of it.
type row struct {
	*inspect.Object
	why string
}

func (o *gcOptions) run(cmd *cobra.Command) error {
	for _, class := range o.include {
		if class != string(inspect.Candidate) {
			return cli.Usage("--include %s: only %q can be included", class, inspect.Candidate)
		}
	}
	var err error
	if o.removal.Backup, err = namespace.File(o.removal.Backup); err != nil {
		return err
	}
	if _, err := os.Lstat(o.removal.Backup); o.yes && o.removal.Backup != "" && err == nil {
		return cli.Usage("--backup %s: it exists, and may be the backup of an earlier run: choose another name", o.removal.Backup)
	}
	if o.observe.Given && o.observe.D <= 0 {
		return cli.Usage("--observe %s: write a time such as 60s", o.observe.String())
	}
	opts := &inspect.Options{MinAge: o.minAge.D}
	if o.minAge.D <= 0 {
		opts.MinAge = -1
	}
	o.removal.Options = opts
	snap, err := inspect.Take(cmd.Context(), opts)
	if err != nil {
		return err
	}
	c := &collection{gcOptions: o, cmd: cmd, v: listing.NewView(), kept: map[inspect.Class]int{}}
	if o.output == "json" {
		c.doc = output.StartDocument(cmd.OutOrStdout(), "objects")
	}
	var doomed []*inspect.Object
	for i := range snap.Objects {
		obj := &snap.Objects[i]
		if o.owner.UID >= 0 && obj.UID != o.owner.UID || o.owner.GID >= 0 && obj.GID != o.owner.GID {
			continue
		}
		if why := c.spared(obj); why == "" {
			doomed = append(doomed, obj)
		} else {
			c.keep(obj, why)
		}
	}
	if o.observe.Given && len(doomed) > 0 {
		used, err := observe(cmd.Context(), doomed, o.observe.D, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		doomed = slices.DeleteFunc(doomed, func(obj *inspect.Object) bool {
			why := used[obj]
			if why != "" {
				c.keep(obj, why)
			}
			return why != ""
		})
	}
	err = c.remove(doomed)
	if c.doc != nil {
		if endErr := c.doc.End(snap.Warnings); err == nil {
			err = endErr
		}
	} else {
		err = cmp.Or(err, c.write()) // also after a run that was ended half way
		if err == nil {
			c.summary(snap)
		}
	}
	return cmp.Or(err, c.first)
}

// spared says why an object is not to be removed, or "".
func (c *collection) spared(o *inspect.Object) string {
	switch v := &o.Verdict; {
	case v.Class == inspect.Candidate && !slices.Contains(c.include, string(inspect.Candidate)):
		return "--include candidate removes it"
	case v.Class != inspect.Orphan && v.Class != inspect.Candidate:
		return "never removed"
	}
	return ""
}

// keep tells of an object that stays, if a person may want to do something about it.
func (c *collection) keep(o *inspect.Object, why string) {
	c.kept[o.Verdict.Class]++
	if c.doc != nil {
		c.add(o, "keep", why)
		return
	}
	text := reasons(o)
	if c.spared(o) == "" { // it was used while it was observed
		text = why + "; " + text
	}
	switch o.Verdict.Class {
	case inspect.Orphan, inspect.Candidate, inspect.Protected, inspect.HasData:
		c.staying = append(c.staying, row{o, text})
	}
}

// add writes an object to the JSON.
func (c *collection) add(o *inspect.Object, action, why string) {
	e := listing.Entry{Object: &o.Object, Segment: o.Segment, Set: o.Set, Queue: o.Queue, Users: o}
	c.doc.Add(&output.CollectedObject{Object: e.Published(c.v), Action: strings.ReplaceAll(action, " ", "-"), Why: output.OrNil(why)})
}

// reasons are those of the verdict in short: of an object that nobody uses any more, its last users by their pids, and not
// the time of its last use, which IDLE says.
func reasons(o *inspect.Object) string {
	why := o.Verdict.Reasons
	switch o.Verdict.Class {
	case inspect.Orphan:
		why = why[:1]
	case inspect.Candidate:
		why = why[1:2] // the first is the same for all
	default:
		return strings.Join(why, "; ")
	}
	var pids []string
	for i := range o.Users {
		if pid := strconv.Itoa(o.Users[i].PID); o.Users[i].Gone() && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	text := strings.Join(why, "; ")
	switch {
	case len(pids) == 1:
		text += "; pid " + pids[0] + " has ended"
	case len(pids) > 1:
		text += "; pids " + strings.Join(pids, ", ") + " have ended"
	}
	return text
}

// write writes the tables.
func (c *collection) write() error {
	w := c.cmd.OutOrStdout()
	width, _ := terminal.Size(w)
	gone := "Would be removed:"
	if c.yes {
		gone = "Removed:"
	}
	between := ""
	for _, part := range []struct {
		title string
		rows  []row
	}{{gone, c.going}, {"Kept:", c.staying}} {
		if len(part.rows) == 0 {
			continue
		}
		t := output.NewTable(output.Left("REF"), output.Left("OWNER"), output.Right("SIZE"), output.Right("IDLE"), output.Left("CLASS"), output.Left("WHY"))
		t.Wrap(width)
		for _, r := range part.rows {
			t.Add(r.Ref())
			t.Add(c.v.Users.Text(r.UID))
			t.Add(c.size(r.Object))
			t.Add(arg.FormatAge(max(0, int64(c.v.Now.Sub(r.LastUse())/time.Second))))
			t.Add(string(r.Verdict.Class))
			t.Add(terminal.Escape(r.why))
		}
		if _, err := fmt.Fprintln(w, between+part.title); err != nil {
			return err
		}
		if err := t.Write(w); err != nil {
			return err
		}
		between = "\n"
	}
	return nil
}

// size is that of a segment or of a queue's messages in bytes, and of a set in semaphores.
func (c *collection) size(o *inspect.Object) string {
	if o.Set != nil {
		return fmt.Sprintf("%d sem", o.Set.Len)
	}
	return arg.FormatSize(sizeOf(o))
}

func sizeOf(o *inspect.Object) int64 {
	switch {
	case o.Segment != nil:
		return o.Segment.Size
	case o.Queue != nil:
		return int64(o.Queue.Bytes)
	}
	return 0
}

// remove removes objects, or tells that it would.
func (c *collection) remove(doomed []*inspect.Object) error {
	if !c.yes {
		for _, o := range doomed {
			c.removed("would remove", o)
		}
		return nil
	}
	r := &c.gcOptions.removal
	r.Program = "sysvipc gc"
	r.May = func(_ *inspect.Snapshot, o *inspect.Object) error {
		if c.spared(o) != "" {
			return fmt.Errorf("%s has %w: it is %s now: %s", o.Ref(), inspect.ErrChanged, o.Verdict.Class, strings.Join(o.Verdict.Reasons, "; "))
		}
		return nil
	}
	return r.Run(c.cmd.Context(), doomed, func(o *inspect.Object, err error) {
		if err != nil {
			c.failed(o, err)
		} else {
			c.removed("removed", o)
		}
	})
}

func (c *collection) removed(what string, o *inspect.Object) {
	c.done++
	c.bytes += sizeOf(o)
	if c.doc != nil {
		c.add(o, what, "")
	} else {
		c.going = append(c.going, row{o, reasons(o)})
	}
}

// failed tells of an object that could not be removed. One that is gone, or is in use by now, is no
// failure.
func (c *collection) failed(o *inspect.Object, err error) {
	c.kept[o.Verdict.Class]++
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, inspect.ErrChanged) {
		if c.doc != nil {
			c.add(o, "keep", cli.Text(err))
		} else {
			c.staying = append(c.staying, row{o, cli.Text(err)})
		}
		return
	}
	err = cli.Fail(cli.ExitCode(err), "%s is kept: %w", o.Ref(), err)
	verb.Report(c.cmd.ErrOrStderr(), c.cmd, err)
	if c.doc != nil {
		c.add(o, "keep", cli.Text(err))
	}
	c.first = cmp.Or(c.first, error(&cli.Error{Code: cli.ExitCode(err)}))
}

// summary says in one line what came of it.
func (c *collection) summary(snap *inspect.Snapshot) {
	sum := plural.Of(c.done, "object") + " would be removed"
	if c.yes {
		sum = plural.Of(c.done, "object") + " removed"
	}
	if c.bytes > 0 {
		sum += ", " + arg.FormatSize(c.bytes)
	}
	switch {
	case !c.yes:
		sum += " (--yes removes)"
	case c.done > 0 && !c.gcOptions.removal.None:
		sum += " (saved: sysvipc undo brings them back)"
	}
	kept := []string{}
	for _, class := range []inspect.Class{inspect.InUse, inspect.Protected, inspect.Unknown, inspect.HasData, inspect.Orphan, inspect.Candidate} {
		if n := c.kept[class]; n > 0 {
			text := fmt.Sprintf("%d %s", n, class)
			if class == inspect.Candidate && len(c.include) == 0 {
				text += " (--include candidate removes)"
			}
			kept = append(kept, text)
		}
	}
	if len(kept) == 0 {
		kept = []string{"none"}
	}
	w := c.cmd.ErrOrStderr()
	fmt.Fprintf(w, "%s; kept: %s\n", sum, strings.Join(kept, ", "))
	if c.kept[inspect.Unknown] > 0 && !snap.Complete {
		fmt.Fprintln(w, "sysvipc: not all users can be seen: "+terminal.Escape(strings.Join(snap.Warnings, "; ")))
	}
}

func newUndoCommand() *cobra.Command {
	var o restoreOptions
	var list bool
	cmd := &cobra.Command{
		Use:     "undo [FILE]",
		GroupID: verb.GroupChange,
		Short:   "Bring back what gc, rm or top removed last",
		Long: `Bring back the objects that the last "gc --yes", "rm", or "d" in "top" removed from this
IPC namespace, with their keys, modes, owners and contents, and for root with their IDs,
where it may choose them (CAP_CHECKPOINT_RESTORE, which root of a container has not);
or with FILE those that a run saved there. --list shows the files, the newest first. Once
all of a run is back, the next undo brings back the run before it.

What was removed from another namespace comes back there: "undo --ns INODE", with the
number that --list shows. Once that namespace is gone, "restore -f FILE" makes its objects
here. The number of a namespace that is gone can come to a new one: look with --dry-run.

An object whose key or ID is taken by now is refused (exit code 5), and what takes it
stays. "sysvipc restore -f FILE" also brings back only some.`,
		Example: `  sysvipc undo --dry-run
  sysvipc undo
  sysvipc undo --list
  sysvipc undo /var/backups/ipc.sysv`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || list && len(args) > 0 {
				return cli.Usage("%q brings back what one FILE has, or without it what was removed last", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.sameID, o.orOther = os.Geteuid() == 0, true
			if list {
				return removal.WriteList(cmd.OutOrStdout(), o.output)
			}
			if len(args) > 0 {
				o.file = args[0]
				if err := removal.Here(o.file); err != nil {
					return err
				}
				return o.run(cmd)
			}
			var err error
			if o.file, err = removal.Last(); err != nil {
				return err
			}
			if err = o.run(cmd); err == nil && !o.dryRun {
				err = os.Rename(o.file, o.file+removal.UndoneSuffix)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&list, "list", "l", false, "list what can be brought back")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only tell what would be brought back, and check the file")
	flags.Output(cmd, &o.output, "table", "json")
	return cmd
}
