package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type dumpOptions struct {
	file   string
	only   []string
	attach guard.Attach
	noSync bool
	dryRun bool
	output string
}

func newDumpCommand() *cobra.Command {
	var o dumpOptions
	cmd := &cobra.Command{
		Use:     "dump -f FILE",
		GroupID: verb.GroupUse,
		Short:   "Save objects with all that is in them to a file",
		Long: `Save all objects of this IPC namespace to a file, or those that --only names: segments
with their bytes, semaphore sets with their values, queues with their messages in order;
and of each its ID, key, mode and owner. "sysvipc restore" makes them again.

The file is packed, has checksums, and only its owner may read it. It gets its name when it
is whole and on the disk; until then, what had that name stays, also if there is nothing
to save (exit code 5). Memory that nobody has touched takes no room in it.

Looking changes nothing, except for segments that nobody has attached, or whose users'
memory this user may not read: these are attached for a moment, read-only, and the kernel
notes the time and our pid (attached, detached, lpid). Those of a product, such as
PostgreSQL, are refused then (exit code 5), since an attach may keep its server from
starting; --attach attaches them all the same. --no-attach attaches nothing (exit code
4). For others than root, pages that nobody has touched take memory once they are read.

It is no snapshot: who must have objects that fit together stops their users first. A
segment that others write meanwhile may be torn. A queue that others use all the time is
saved and told (exit code 4), since messages may be missing. What cannot be saved: times, pids, the
creator, attaches, what SEM_UNDO would give back, huge pages.

An object that cannot be read is reported, the others are saved, and the exit code is that of
the first failure. Segments that are removed already, and go with their last detach, are
saved only if --only names them.`,
		Example: `  sysvipc dump -f before-upgrade.sysv
  sysvipc dump -f orders.sysv --only msg:name=orders --only sem:5
  sysvipc ls --mine -o name | sysvipc dump -f mine.sysv --only -
  sysvipc dump -f - | ssh backup 'cat >ipc.sysv'`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "the `FILE` to write, or - for standard output")
	f.StringArrayVar(&o.only, "only", nil, "save only this object; may be repeated; - reads REFs from standard input")
	flags.Placeholder(cmd, "REF", "only")
	o.attach.AddFlags(cmd)
	f.BoolVar(&o.noSync, "no-sync", false, "do not wait until the file is on the disk")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only tell what would be saved")
	flags.Output(cmd, &o.output, "table", "json")
	flags.Complete(cmd, "only", ref.Complete(0, ref.AnyKind...))
	return cmd
}

// target is an object to save, and how many bytes it has.
type target struct {
	kind  sysvipc.Kind
	id    int
	bytes int64
	named bool // by --only
}

func (o *dumpOptions) run(cmd *cobra.Command) error {
	if o.file == "" && !o.dryRun {
		return cli.Usage("to which file? Give -f FILE, or -f - for standard output")
	}
	var err error
	if o.file, err = namespace.File(o.file); err != nil {
		return err
	}
	if o.file == "-" && !o.dryRun && terminal.Is(cmd.OutOrStdout()) {
		return cli.Usage("-f -: standard output is a terminal, which a dump would confuse")
	}
	d := &dumping{dumpOptions: o, Tally: verb.Tally{Cmd: cmd}, v: listing.NewView()}
	targets, err := d.targets()
	if err != nil {
		return err
	}
	if len(targets) == 0 && ref.Moved.Way == ref.OfAll {
		return nil
	}
	report := cmd.OutOrStdout()
	if o.file == "-" && !o.dryRun {
		report = cmd.ErrOrStderr()
	}
	if o.output == "json" {
		d.Doc = output.StartDocument(report, "objects")
	}
	size := int64(0)
	if o.dryRun {
		d.tell(report, targets)
	} else {
		size, err = d.save(targets)
	}
	if err = d.End(err); err == nil && d.Doc == nil && !o.dryRun {
		fmt.Fprintf(report, "saved %s to %s (%s of %s)\n", countKinds(d.kinds), terminal.Escape(o.file), arg.FormatSize(size), arg.FormatSize(d.bytes))
	}
	if err != nil {
		return err
	}
	return d.First
}

// dumping is one run.
type dumping struct {
	*dumpOptions
	verb.Tally
	v     *listing.View
	kinds map[sysvipc.Kind]int
	bytes int64
}

// targets are the objects to save.
func (d *dumping) targets() (targets []target, err error) {
	if len(d.only) > 0 {
		refs, err := ref.ParseAll(d.Cmd, d.only, ref.AnyKind...)
		if err != nil {
			return nil, err
		}
		d.First = verb.Each(d.Cmd, refs, d.Note, func(r ref.Ref, id int) error {
			e, err := listing.Stat(r.Kind, id)
			if err == nil {
				targets = append(targets, targetOf(&e, true))
			}
			return err
		})
		if len(targets) == 0 && d.First != nil {
			return nil, d.First
		}
		return targets, nil
	}
	removed := 0
	for e, err := range listing.List(ref.AnyKind) {
		if err != nil {
			return nil, err
		}
		if e.Segment != nil && e.Segment.Destroyed {
			removed++
			continue
		}
		targets = append(targets, targetOf(e, false))
	}
	if removed > 0 {
		fmt.Fprintf(d.Cmd.ErrOrStderr(), "sysvipc: %s left out: removed already, and gone with the last detach (--only names them)\n", plural.Of(removed, "segment"))
	}
	return targets, nil
}

func targetOf(e *listing.Entry, named bool) target {
	t := target{kind: e.Kind, id: e.ID, named: named}
	switch {
	case e.Segment != nil:
		t.bytes = e.Segment.Size
	case e.Set != nil:
		t.bytes = 2 * int64(e.Set.Len)
	default:
		t.bytes = int64(e.Queue.Bytes)
	}
	return t
}

// tell says what would be saved.
func (d *dumping) tell(w io.Writer, targets []target) {
	for _, t := range targets {
		e, err := listing.Stat(t.kind, t.id)
		switch {
		case err != nil:
			continue // gone
		case d.Doc != nil:
			d.Doc.Add(&output.DumpedObject{Archived: e.Published(d.v).Archived()})
		default:
			fmt.Fprintf(w, "would save %s (%s)\n", ref.Name(t.kind, t.id), d.v.Describe(&e))
		}
	}
}

// save writes the file and returns its size.
func (d *dumping) save(targets []target) (size int64, err error) {
	total := int64(0)
	for _, t := range targets {
		total += t.bytes
	}
	d.Bar = terminal.NewProgress(d.Cmd.ErrOrStderr(), total)
	defer d.Bar.Clear()
	out, err := d.open()
	if err != nil {
		return 0, err
	}
	defer out.abandon()
	d.kinds = map[sysvipc.Kind]int{}
	for _, t := range targets {
		if err := d.saveOne(d.Cmd.Context(), out.w, t); err != nil {
			return 0, err
		}
	}
	if info, err := os.Stat(d.file); len(d.kinds) == 0 && err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		if d.First != nil {
			return 0, d.First
		}
		return 0, cli.Fail(cli.ExitRefused, "there is nothing to save, and %s stays as it is: remove it first, if an empty dump is wanted", terminal.Escape(d.file))
	}
	if err := out.commit(); err != nil {
		return 0, fmt.Errorf("the dump is not whole: %w", err)
	}
	return out.w.Written(), nil
}

// saveOne returns an error only if no other object can be saved any more.
func (d *dumping) saveOne(ctx context.Context, w *archive.Writer, t target) error {
	s, err := w.Save(ctx, t.kind, t.id, archive.SaveOptions{
		NoAttach: d.attach.None, MayAttach: func(id int) error { return d.attach.May(ctx, id) }, Progress: d.Bar.Add,
	})
	switch {
	case w.Err() != nil:
		return fmt.Errorf("write the dump: %w", w.Err())
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && !t.named:
		return nil // it was removed meanwhile
	case err != nil:
		d.Failed(cli.Fail(cli.ExitCode(err), "%s is not saved: %s", ref.Name(t.kind, t.id), cli.Text(err)))
		return nil
	}
	d.kinds[t.kind]++
	d.bytes += t.bytes
	if t.kind != sysvipc.KindSegment {
		d.Bar.Add(t.bytes)
	}
	d.tellSaved(s)
	return nil
}

// tellSaved tells of an object that is in the file.
func (d *dumping) tellSaved(s archive.Saved) {
	if s.InUse {
		d.Failed(cli.Fail(cli.ExitNotPermitted, "%s was in use while it was saved: messages may be missing, or not belong together", s.Ref()))
	}
	if d.Doc != nil {
		d.Doc.Add(&output.DumpedObject{
			Archived: listing.ArchivedObject(d.v, &s.Object), Saved: true, DumpedState: &output.DumpedState{WasAttached: s.Attached, InUse: s.InUse},
		})
	}
}

// sink is where a dump goes.
type sink struct {
	w       *archive.Writer
	commit  func() error
	abandon func()
}

// open begins the file. What is no regular file, such as a pipe, is written as it is.
func (d *dumping) open() (*sink, error) {
	host, _ := os.Hostname()
	ns, _ := os.Readlink("/proc/self/ns/ipc")
	h := archive.Header{Host: host, Namespace: ns, Program: "sysvipc dump"}
	stream := d.Cmd.OutOrStdout()
	if d.file != "-" {
		info, err := os.Stat(d.file)
		if err != nil || info.Mode().IsRegular() {
			f, err := archive.Create(d.file, h)
			if err != nil {
				return nil, err
			}
			return &sink{f.Writer, func() error { return f.Commit(!d.noSync) }, f.Abandon}, nil
		}
		if stream, err = os.OpenFile(d.file, os.O_WRONLY, 0); err != nil {
			return nil, err
		}
	}
	w, err := archive.NewWriter(stream, h)
	if err != nil {
		return nil, err
	}
	return &sink{w, w.Close, func() { w.Close() }}, nil
}

// countKinds is "3 objects (1 shm, 2 msg)".
func countKinds(kinds map[sysvipc.Kind]int) string {
	var parts []string
	n := 0
	for _, k := range ref.Words {
		if kinds[k.Kind] > 0 {
			n += kinds[k.Kind]
			parts = append(parts, fmt.Sprintf("%d %s", kinds[k.Kind], k.Word))
		}
	}
	if len(parts) == 0 {
		return "no objects"
	}
	return fmt.Sprintf("%s (%s)", plural.Of(n, "object"), strings.Join(parts, ", "))
}
