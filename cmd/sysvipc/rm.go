package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/removal"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

type rmOptions struct {
	force, ifExists, dryRun bool

	removal removal.Removal
	output  string
	doc     *output.Document  // nil: no JSON
	snap    *inspect.Snapshot // of the moment before the first removal; nil with force
}

func newRmCommand() *cobra.Command {
	var o rmOptions
	cmd := &cobra.Command{
		Use:     "rm REF…",
		Aliases: []string{"remove"},
		GroupID: verb.GroupChange,
		Short:   "Remove objects that are not in use",
		Long: `Remove objects. All that are named are tried, each removal and each failure is reported,
and the exit code is that of the first failure.

What is in use is refused (exit code 5) unless --force is given:
  a segment that is attached;
  a semaphore set with waiters, or whose last user is alive;
  a queue with messages, one on which a process is seen to wait, or whose last
  sender or receiver is alive;
  what belongs to a product with a tool of its own, such as PostgreSQL.
What cannot be seen is refused, too (exit code 4): a set that this user may not read, and
a queue if not all threads can be seen that may wait on it. Only root sees those of other
users, and in a container nobody sees those outside of it.

What is removed is saved first, as "sysvipc gc" does, and "sysvipc undo" brings it back;
what cannot be saved is kept. After that each object is looked at again: one that was
used meanwhile stays, unless --force is given.

A segment that is removed by force lives on until its last detach, without its key. The
users of a set or a queue get an error at once.`,
		Example: `  sysvipc rm shm:5 sem:key=0x4d2
  sysvipc rm --if-exists msg:name=orders
  sysvipc rm shm:5 -o json
  sysvipc ls shm --filter 'nattch=0 && idle>7d' -o name | sysvipc rm --dry-run -`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.force, "force", "f", false, "remove what is in use, too")
	f.BoolVar(&o.ifExists, "if-exists", false, "what does not exist is no failure")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "only tell what would be done")
	o.removal.AddFlags(cmd)
	flags.Output(cmd, &o.output, "lines", "json")
	return cmd
}

func (o *rmOptions) run(cmd *cobra.Command, args []string) error {
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err == nil {
		err = ref.SameEverywhere(refs)
	}
	if err == nil {
		o.removal.Backup, err = namespace.File(o.removal.Backup)
	}
	if err != nil {
		return err
	}
	if o.output != "json" {
		return o.remove(cmd, refs, nil)
	}
	o.doc = output.StartDocument(cmd.OutOrStdout(), "objects")
	var warnings []string
	err = o.remove(cmd, refs, func(err error) { warnings = append(warnings, cli.Text(err)) })
	return cmp.Or(err, o.doc.End(warnings))
}

// remove removes objects. It calls note, if that is not nil, with each failure.
func (o *rmOptions) remove(cmd *cobra.Command, refs []ref.Ref, note func(error)) (err error) {
	if o.ifExists {
		refs = existing(refs)
	}
	if !o.force && len(refs) > 0 {
		if o.snap, err = inspect.Take(cmd.Context(), nil); err != nil {
			return err
		}
	}
	names := map[*inspect.Object]string{}
	var doomed []*inspect.Object
	first := verb.Each(cmd, refs, note, func(r ref.Ref, id int) error {
		obj, err := o.doomed(cmd, r, id)
		if err != nil && o.doc != nil && !errors.Is(err, fs.ErrNotExist) {
			o.tell(cmd, r.Kind, id, "keep", cli.Text(err), "")
		}
		if o.ifExists && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if obj == nil || slices.ContainsFunc(doomed, func(d *inspect.Object) bool { return d.Kind == obj.Kind && d.ID == obj.ID }) {
			return err
		}
		names[obj] = r.Named(id)
		doomed = append(doomed, obj)
		return err
	})
	if cmd.Context().Err() != nil {
		return first
	}
	if o.dryRun {
		for _, obj := range doomed {
			first = cmp.Or(first, o.tell(cmd, obj.Kind, obj.ID, "would-remove", "", "would remove "+names[obj]))
		}
		return first
	}
	o.removal.Program = "sysvipc rm"
	if !o.force {
		o.removal.May = guard.Check
	}
	err = o.removal.Run(cmd.Context(), doomed, func(obj *inspect.Object, err error) {
		switch {
		case err == nil:
			first = cmp.Or(first, o.tell(cmd, obj.Kind, obj.ID, "removed", "", "removed "+names[obj]))
			return
		case o.ifExists && errors.Is(err, fs.ErrNotExist):
			return
		case errors.Is(err, inspect.ErrChanged):
			err = cli.Fail(cli.ExitRefused, "%w", err)
		}
		err = guard.OrForce(fmt.Errorf("%s is kept: %w", names[obj], err), "removes")
		verb.Report(cmd.ErrOrStderr(), cmd, err)
		if note != nil {
			note(err)
			o.tell(cmd, obj.Kind, obj.ID, "keep", cli.Text(err), "")
		}
		first = cmp.Or(first, error(&cli.Error{Code: cli.ExitCode(err)}))
	})
	return cmp.Or(err, first)
}

// tell says what became of an object: as JSON, or as a line.
func (o *rmOptions) tell(cmd *cobra.Command, kind sysvipc.Kind, id int, action, why, line string) error {
	if o.doc == nil {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
		return err
	}
	o.doc.Add(&output.RemovedObject{Ref: ref.Name(kind, id), Type: ref.Word(kind), ID: id, Action: action, Why: output.OrNil(why)})
	return o.doc.Flush()
}

// existing leaves out the REFs by a key that no object has.
func existing(refs []ref.Ref) []ref.Ref {
	var found []ref.Ref
	for _, r := range refs {
		if _, err := r.Find(); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, r)
		}
	}
	return found
}

// doomed is the object that is to be removed: nil if there is nothing to do.
func (o *rmOptions) doomed(cmd *cobra.Command, r ref.Ref, id int) (*inspect.Object, error) {
	e, err := listing.Stat(r.Kind, id)
	if err != nil {
		return nil, err
	}
	if e.Segment != nil && e.Segment.Destroyed {
		const why = "is removed already, and goes with its last detach"
		return nil, o.tell(cmd, r.Kind, id, "removed", "it "+why, r.Named(id)+" "+why)
	}
	if o.force {
		return &inspect.Object{Object: *e.Object, Segment: e.Segment, Set: e.Set, Queue: e.Queue}, nil
	}
	if err := o.guard(r, id); err != nil {
		return nil, guard.OrForce(fmt.Errorf("%s is kept: %w", r.Named(id), err), "removes")
	}
	return o.snap.Object(r.Kind, id), nil
}

// guard refuses what is in use by what was seen before the first removal, and what has changed since.
func (o *rmOptions) guard(r ref.Ref, id int) error {
	obj := o.snap.Object(r.Kind, id)
	if obj == nil {
		return cli.Fail(cli.ExitRefused, "it came while this was looking: try again")
	}
	if err := guard.Check(o.snap, obj); err != nil {
		return err
	}
	if err := obj.Unchanged(); errors.Is(err, inspect.ErrChanged) {
		return cli.Fail(cli.ExitRefused, "%w", err)
	} else if err != nil {
		return err
	}
	return nil
}
