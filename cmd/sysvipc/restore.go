package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type restoreOptions struct {
	file                         string
	only                         []string
	sameID, skipExisting, dryRun bool
	orOther                      bool // with sameID: another ID where none may be chosen
	into                         string
	force, noBackup              bool
	output                       string
}

func newRestoreCommand() *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:     "restore -f FILE",
		GroupID: verb.GroupUse,
		Short:   "Make the objects of a file again",
		Long: `Make the objects of a file that "sysvipc dump" wrote again, all or those that --only names
by what they were then: with their keys, modes, owners, bytes, values, and messages in
order. Objects that were given away need root to be given to their owners again.

Each gets a new ID, unless --same-id says that it shall have the one that it had (root).
Programs that know the key find it; those that know the ID need --same-id.

An object is restored whole or not at all: one whose part of the file is damaged or
missing is left out, and so is one that the kernel refuses; the others are restored, each
failure is reported, and the exit code is that of the first one. Until it is whole, only its
owner may use it, and its mode is 0611: what a restore that was killed has left of it is
replaced by the next one, and "sysvipc doctor" names it. An object whose key is taken, or its ID with --same-id, is refused (exit
code 5), and what has the key stays; --skip-existing leaves it out without a failure.
--dry-run also checks the whole file.

--into gives an object that exists the contents of one in the file, of the same kind and
size: the one that --only names, else the one with its key or ID, else the only one of its
kind. The bytes or values that it had are saved first, as "sysvipc gc" does; messages are
sent behind those that are there. What "sysvipc rm" would refuse as in use is refused
(exit code 5 or 4) unless --force is given.`,
		Example: `  sysvipc restore -f before-upgrade.sysv --dry-run
  sysvipc restore -f before-upgrade.sysv --same-id
  sysvipc restore -f orders.sysv --only msg:name=orders
  sysvipc restore -f orders.sysv --into sem:5
  ssh backup 'cat ipc.sysv' | sysvipc restore -f - --skip-existing`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "the `FILE` to read, or - for standard input")
	f.StringArrayVar(&o.only, "only", nil, "restore only this object, by its ID or key in the file; may be repeated")
	flags.Placeholder(cmd, "REF", "only")
	f.BoolVar(&o.sameID, "same-id", false, "give each object the ID that it had (root)")
	f.BoolVar(&o.skipExisting, "skip-existing", false, "leave out objects whose key or ID is taken")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only tell what would be restored, and check the file")
	f.StringVar(&o.into, "into", "", "give this object the contents, and make none")
	flags.Placeholder(cmd, "REF", "into")
	f.BoolVar(&o.force, "force", false, "with --into, also what is in use")
	f.BoolVar(&o.noBackup, "no-backup", false, "with --into, save nothing: what was there is lost")
	for _, other := range []string{"same-id", "skip-existing"} {
		cmd.MarkFlagsMutuallyExclusive("into", other)
	}
	flags.Output(cmd, &o.output, "table", "json")
	flags.Complete(cmd, "only", cobra.NoFileCompletions)
	flags.Complete(cmd, "into", ref.Complete(1, ref.AnyKind...))
	return cmd
}

func (o *restoreOptions) run(cmd *cobra.Command) error {
	if o.file == "" {
		return cli.Usage("from which file? Give -f FILE, or -f - for standard input")
	}
	if o.into == "" && (o.force || o.noBackup) {
		return cli.Usage("--force and --no-backup are for --into")
	}
	d := &restoring{restoreOptions: o, Tally: verb.Tally{Cmd: cmd}, v: listing.NewView()}
	for _, text := range o.only {
		r, err := ref.Parse(text)
		if err != nil {
			return err
		}
		d.wanted = append(d.wanted, wanted{Ref: r})
	}
	if o.into != "" {
		return d.intoObject()
	}
	in, size, err := d.open()
	if err != nil {
		return err
	}
	defer in.Close()
	d.Bar = terminal.NewProgress(cmd.ErrOrStderr(), size)
	defer d.Bar.Clear()
	r, err := archive.NewReader(terminal.Counting{Reader: in, Progress: d.Bar})
	if err != nil {
		return fmt.Errorf("%s: %w", d.name(), err)
	}
	if o.output == "json" {
		d.Doc = output.StartDocument(cmd.OutOrStdout(), "objects")
	}
	return cmp.Or(d.End(d.all(r)), d.First)
}

// restoring is one run.
type restoring struct {
	*restoreOptions
	verb.Tally
	v      *listing.View
	wanted []wanted
}

// wanted is an object that --only names.
type wanted struct {
	ref.Ref
	found bool
}

func (d *restoring) name() string {
	if d.file == "-" {
		return "standard input"
	}
	return terminal.Escape(d.file)
}

func (d *restoring) open() (in io.ReadCloser, size int64, err error) {
	if d.file == "-" {
		return io.NopCloser(d.Cmd.InOrStdin()), 0, nil
	}
	f, err := os.Open(d.file)
	if err != nil {
		return nil, 0, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}

// all restores what is wanted. An error is one of the file, after which nothing can be read.
func (d *restoring) all(r *archive.Reader) error {
	for o, err := range r.Objects() {
		if err != nil {
			return fmt.Errorf("%s: %w", d.name(), err)
		}
		if !d.wants(o) {
			continue
		}
		id, err := d.one(r, o)
		if ctxErr := d.Cmd.Context().Err(); ctxErr != nil && err != nil {
			return ctxErr
		}
		if err := d.tell(o, id, err); err != nil {
			return err
		}
	}
	for _, w := range d.wanted {
		if !w.found {
			d.Failed(cli.Fail(cli.ExitNotFound, "%s is not in %s", w.Text, d.name()))
		}
	}
	return nil
}

// wants reports whether an object shall be restored. Those that --only names by a key may be several.
func (d *restoring) wants(o *archive.Object) bool {
	yes := len(d.wanted) == 0
	for i := range d.wanted {
		w := &d.wanted[i]
		if w.Kind == o.SysvKind() && (w.ID >= 0 && w.ID == o.ID || w.ID < 0 && w.Key == o.SysvKey()) {
			w.found, yes = true, true
		}
	}
	return yes
}

// one restores an object, or finds out whether that would be possible.
func (d *restoring) one(r *archive.Reader, o *archive.Object) (int, error) {
	half, err := d.half(o)
	if err != nil {
		return -1, err
	}
	if !d.dryRun {
		if half != nil {
			if err := half.Remove(); err != nil {
				return -1, err
			}
		}
		id, err := r.Restore(d.Cmd.Context(), o, archive.RestoreOptions{SameID: d.sameID})
		if d.orOther && mayNotChooseID(err) {
			d.sameID = false
			return r.Restore(d.Cmd.Context(), o, archive.RestoreOptions{})
		}
		return id, err
	}
	if err := r.Content(true, func(int64, []byte) error { return d.Cmd.Context().Err() }); err != nil {
		return -1, err
	}
	if half != nil {
		return -1, nil
	}
	if _, taken := keyHolder(o); taken {
		return -1, fs.ErrExist
	}
	if d.sameID {
		if _, err := listing.Stat(o.SysvKind(), o.ID); err == nil {
			return -1, fs.ErrExist
		}
	}
	return -1, nil
}

// mayNotChooseID reports whether an object was not made since only CAP_CHECKPOINT_RESTORE chooses IDs, which root of a
// container has not. Nothing of its content was read then.
func mayNotChooseID(err error) bool {
	var e *sysvipc.Error
	return errors.As(err, &e) && e.Op == "create" && errors.Is(err, fs.ErrPermission)
}

// half is what a restore that was killed has left of an object: it has its key, or its ID, is not whole, and no living
// process has to do with it, such as a restore that is at it. It is nil if there is none.
func (d *restoring) half(o *archive.Object) (ref.Object, error) {
	id, found := keyHolder(o)
	if o.Key == 0 {
		id, found = o.ID, d.sameID
	}
	if !found {
		return nil, nil
	}
	if e, err := listing.Stat(o.SysvKind(), id); err != nil || e.Mode != inspect.Unfinished || e.Key != o.SysvKey() {
		return nil, nil
	}
	snap, err := inspect.Take(d.Cmd.Context(), &inspect.Options{Only: []sysvipc.Kind{o.SysvKind()}, MinAge: -1})
	if err != nil {
		return nil, err
	}
	left := snap.Object(o.SysvKind(), id)
	if left == nil || slices.ContainsFunc(left.Users, func(u inspect.User) bool { return !u.Gone() }) {
		return nil, nil
	}
	return ref.ByID(o.SysvKind(), id), nil
}

// tell says what became of an object; id is its new one.
func (d *restoring) tell(o *archive.Object, id int, err error) error {
	outcome, as := "restored", ""
	switch {
	case errors.Is(err, fs.ErrExist) && d.skipExisting:
		outcome = "skipped"
	case err != nil:
		outcome = "failed"
		d.Failed(d.explain(o, err))
	case d.dryRun:
		outcome = "would restore"
	default:
		as = ref.Name(o.SysvKind(), id)
	}
	if d.Doc != nil {
		d.Doc.Add(&output.RestoredObject{
			Archived: listing.ArchivedObject(d.v, o), Outcome: strings.ReplaceAll(outcome, " ", "-"), RestoredAs: output.OrNil(as),
		})
		return d.Doc.Flush()
	}
	if outcome == "failed" {
		return nil
	}
	d.Bar.Clear()
	line := outcome + " " + o.Ref()
	if as != "" && as != ref.Name(o.SysvKind(), o.ID) {
		line += fmt.Sprintf(" as %v", as)
	}
	if outcome == "skipped" {
		line += ": " + d.taken(o)
	}
	_, err = fmt.Fprintf(d.Cmd.OutOrStdout(), "%s (%s)\n", line, listing.DescribeArchived(d.v, o))
	return err
}

// taken says what stands in the way of an object.
func (d *restoring) taken(o *archive.Object) string {
	if id, taken := keyHolder(o); taken {
		return fmt.Sprintf("%s has its key", ref.Name(o.SysvKind(), id))
	}
	// A segment has its ID, and its place among the others, until its last detach.
	if e, err := listing.Stat(o.SysvKind(), o.ID); err == nil && e.Segment != nil && e.Segment.Destroyed {
		return fmt.Sprintf("its ID is taken by a segment that is removed, and still attached %s", plural.Times(e.Segment.Attaches))
	}
	return "its ID is taken"
}

// keyHolder is the ID of the object that has the key of one in the file.
func keyHolder(o *archive.Object) (id int, ok bool) {
	if o.Key == 0 {
		return -1, false
	}
	id, err := ref.Ref{Kind: o.SysvKind(), ID: -1, Key: o.SysvKey()}.Find()
	return id, err == nil
}

// explain makes an error of an object one for the user.
func (d *restoring) explain(o *archive.Object, err error) error {
	var damage *archive.Damage
	switch {
	case errors.Is(err, fs.ErrExist):
		return cli.Fail(cli.ExitRefused, "%s is not restored: %s (--skip-existing leaves such out)", o.Ref(), d.taken(o))
	case errors.As(err, &damage):
		return cli.Fail(cli.ExitFailed, "%w; it is not restored", err)
	}
	return cli.Fail(codeFor(o, err), "%s is not restored: %s", o.Ref(), cli.Text(err))
}

// codeFor is the exit code for an object that the kernel did not make: it says EINVAL to what is larger than one may be.
func codeFor(o *archive.Object, err error) int {
	if lim, limErr := sysvipc.ReadLimits(); limErr == nil && errors.Is(err, syscall.EINVAL) {
		if uint64(o.Size) > lim.Segments.MaxSize || o.Len > lim.Semaphores.MaxPerSet {
			return cli.ExitLimit
		}
	}
	return cli.ExitCode(err)
}
