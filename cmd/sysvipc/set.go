package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/sem"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

type setOptions struct {
	mode   arg.Mode
	owner  account.Owner
	qbytes arg.Size
	init   arg.Values
	lock   bool
	unlock bool
	force  bool
	output string
}

func newSetCommand() *cobra.Command {
	o := setOptions{owner: account.Owner{UID: -1, GID: -1}}
	cmd := &cobra.Command{
		Use:     "set REF…",
		GroupID: verb.GroupChange,
		Short:   "Change the owner, the mode and more of objects",
		Long: `Change objects that exist. This is for their owner, their creator and root.

--init gives a semaphore set all its values at one instant, as many as it has
semaphores. It is also the repair of a set that was never initialised, since its creator
was killed half way: the waiters for the values go on then. It makes all processes
forget what they would undo at their end. A set with waiters, or whose last user is
alive, is refused (exit code 5) unless --force is given; so is one of which that cannot be
seen (exit code 4).`,
		Example: `  sysvipc set shm:5 msg:0 --mode 0660 --owner app:app
  sysvipc set msg:name=orders --qbytes 64K
  sysvipc set sem:3 --init 1,0
  sysvipc set shm:5 --lock`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.Var(&o.mode, "mode", "permissions")
	f.Var(&o.owner, "owner", "owner")
	f.Var(&o.qbytes, "qbytes", "capacity of a queue in bytes; with 0 senders wait; more than kernel.msgmnb is for root")
	f.Var(&o.init, "init", "all values of a semaphore set, with commas between them")
	f.BoolVarP(&o.force, "force", "f", false, "give a set that is in use its values, too")
	f.BoolVar(&o.lock, "lock", false, "keep a segment out of swap (SHM_LOCK)")
	f.BoolVar(&o.unlock, "unlock", false, "let a segment be swapped out again")
	cmd.MarkFlagsMutuallyExclusive("lock", "unlock")
	flags.Output(cmd, &o.output, "none", "json")
	return cmd
}

// change is one change of an object.
type change struct {
	flag string
	kind sysvipc.Kind // 0: any
	do   func(kind sysvipc.Kind, id int) error
}

// changes are those that flags ask for, in the order in which they are made: the owner
// last, since this user may have no right to do more after it.
func (o *setOptions) changes(cmd *cobra.Command) []change {
	var asked []change
	for _, c := range []change{
		{"init", sysvipc.KindSemaphores, func(_ sysvipc.Kind, id int) error {
			return sem.SetValues(cmd.Context(), id, o.init.List, o.force)
		}},
		{"qbytes", sysvipc.KindQueue, func(_ sysvipc.Kind, id int) error { return sysvipc.QueueByID(id).SetMaxBytes(int(o.qbytes.N)) }},
		{"lock", sysvipc.KindSegment, func(_ sysvipc.Kind, id int) error { return sysvipc.SegmentByID(id).Lock() }},
		{"unlock", sysvipc.KindSegment, func(_ sysvipc.Kind, id int) error { return sysvipc.SegmentByID(id).Unlock() }},
		{"mode", 0, func(kind sysvipc.Kind, id int) error { return ref.ByID(kind, id).Chmod(o.mode.FileMode) }},
		{"owner", 0, func(kind sysvipc.Kind, id int) error { return ref.ByID(kind, id).Chown(o.owner.UID, o.owner.GID) }},
	} {
		if cmd.Flags().Changed(c.flag) {
			asked = append(asked, c)
		}
	}
	return asked
}

func (o *setOptions) run(cmd *cobra.Command, args []string) error {
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err == nil {
		err = ref.SameEverywhere(refs)
	}
	if err != nil {
		return err
	}
	changes := o.changes(cmd)
	if len(changes) == 0 {
		return cli.Usage("say what to change: --mode, --owner, --qbytes, --init, --lock or --unlock")
	}
	for _, r := range refs {
		for _, c := range changes {
			if c.kind != 0 && c.kind != r.Kind {
				return cli.Usage("--%s is for a %s, and %s is a %s", c.flag, c.kind, r.Text, r.Kind)
			}
		}
	}
	if o.output != "json" {
		return verb.Each(cmd, refs, nil, func(r ref.Ref, id int) error {
			_, err := apply(changes, r.Kind, id)
			return err
		})
	}
	d, v := output.StartDocument(cmd.OutOrStdout(), "objects"), listing.NewView()
	var warnings []string
	note := func(err error) { warnings = append(warnings, cli.Text(err)) }
	first := verb.Each(cmd, refs, note, func(r ref.Ref, id int) error {
		done, err := apply(changes, r.Kind, id)
		e, statErr := listing.Stat(r.Kind, id)
		if statErr == nil {
			d.Add(&output.ChangedObject{Object: e.Published(v), Done: done})
		}
		return cmp.Or(err, statErr)
	})
	return cmp.Or(first, d.End(warnings))
}

// apply makes the changes to an object, and returns the flags of those that were made.
func apply(changes []change, kind sysvipc.Kind, id int) (done []string, err error) {
	for _, c := range changes {
		if err := c.do(kind, id); err != nil {
			if len(done) > 0 {
				err = fmt.Errorf("%w; done before that: --%s", err, strings.Join(done, ", --"))
			}
			return done, err
		}
		done = append(done, c.flag)
	}
	return done, nil
}
