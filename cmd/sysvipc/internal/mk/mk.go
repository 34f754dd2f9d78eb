// Package mk is the verb mk: it makes an object of each kind, or finds it.
package mk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

// options are those of every kind.
type options struct {
	key    ref.KeyFlags
	excl   bool
	mode   arg.Mode
	owner  account.Owner
	id     int
	output string
}

// Command returns the verb.
func Command() *cobra.Command {
	return verb.Parent(&cobra.Command{
		Use:     "mk shm|sem|msg",
		Aliases: []string{"create"},
		GroupID: verb.GroupChange,
		Short:   "Make an object, or find it",
		Long: `Make a segment, a semaphore set or a queue, and print its REF.

With a key, an object that exists already is found and left as it is: however many
processes race, one object comes out. With --excl an object that exists is an error.
Without a key each call makes a new object.

An object that exists is refused (exit code 5) if it lets in anyone whom a new one would
keep out: its owner or its creator is not this user, root or --owner, and --mode does not
let them in; or --mode is given, and its mode lets in more.`,
	}, newShm(), newSem(), newMsg())
}

func (o *options) add(cmd *cobra.Command) {
	cmd.Args = verb.NoArgs
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	o.key.Add(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.excl, "excl", false, "fail if it exists")
	o.mode.FileMode = 0o600
	f.Var(&o.mode, "mode", "permissions of a new object")
	o.owner = account.Owner{UID: -1, GID: -1}
	f.Var(&o.owner, "owner", "owner of a new object")
	f.IntVar(&o.id, "id", -1, "make it with exactly the ID N, as a restore needs it (root; implies --excl)")
	flags.Placeholder(cmd, "N", "id")
	flags.Output(cmd, &o.output, "name", "json")
}

// maker makes or finds an object of one kind.
type maker struct {
	kind   sysvipc.Kind
	create func(sysvipc.Creator, sysvipc.Key, fs.FileMode) (int, error)
	ensure func(sysvipc.Creator, sysvipc.Key, fs.FileMode) (int, error)
	finish func(id int) error        // what only a new object needs; may be nil
	over   func(sysvipc.Limits) bool // whether it is larger than one object may be
}

// limited: the kernel says EINVAL to what is larger than one object may be.
func (m maker) limited(err error) error {
	if lim, limErr := sysvipc.ReadLimits(); limErr == nil && errors.Is(err, syscall.EINVAL) && m.over(lim) {
		return &cli.Error{Code: cli.ExitLimit, Err: err}
	}
	return err
}

// run makes the object, or finds it, and prints which it is. A new object that cannot
// be made as it was asked for goes away again.
func (o *options) run(cmd *cobra.Command, m maker, c sysvipc.Creator) error {
	key, err := o.key.Chosen(cmd)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("id") {
		if o.id < 0 {
			return cli.Usage("--id %d: an ID is not negative", o.id)
		}
		c.ID = &o.id
	}
	made := true
	id, err := m.create(c, key, o.mode.FileMode)
	if errors.Is(err, fs.ErrExist) && !o.excl && c.ID == nil {
		made = false
		switch {
		case o.owner.UID >= 0:
			c.Owners = []int{o.owner.UID}
		case o.owner.GID >= 0:
			c.Owners = []int{os.Geteuid()} // who chooses the group
		}
		c.AnyMode = !cmd.Flags().Changed("mode")
		id, err = m.ensure(c, key, o.mode.FileMode)
	}
	if errors.Is(err, fs.ErrExist) && c.ID == nil {
		return cli.Fail(cli.ExitFailed, "a %s with key %s exists already, and --excl is given: without it, it would be found", m.kind, key)
	}
	if err != nil {
		return m.limited(err)
	}
	if made {
		if err := o.complete(m, id); err != nil {
			if removeErr := ref.ByID(m.kind, id).Remove(); removeErr != nil {
				return fmt.Errorf("%w; and it could not be removed again: %w", err, removeErr)
			}
			return fmt.Errorf("%w; nothing was made", err)
		}
	}
	return o.print(cmd, m.kind, id, made)
}

// complete gives a new object what its creation could not.
func (o *options) complete(m maker, id int) error {
	if m.finish != nil {
		if err := m.finish(id); err != nil {
			return err
		}
	}
	if o.owner.UID < 0 && o.owner.GID < 0 {
		return nil
	}
	return ref.ByID(m.kind, id).Chown(o.owner.UID, o.owner.GID)
}

func (o *options) print(cmd *cobra.Command, kind sysvipc.Kind, id int, made bool) error {
	if o.output == "name" {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), ref.Name(kind, id))
		return err
	}
	shown, err := listing.Show(kind, id)
	if err != nil {
		return err
	}
	d := output.StartDocument(cmd.OutOrStdout(), "objects")
	d.Add(&output.MadeObject{Object: shown, Made: made})
	return d.End(nil)
}
