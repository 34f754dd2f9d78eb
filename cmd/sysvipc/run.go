package main

import (
	"context"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
)

func newRunCommand() *cobra.Command { return runCommand(runUnderLock) }

// runCommand returns the verb, which hands its arguments on.
func runCommand(do func(context.Context, *run.Config) error) *cobra.Command {
	c := run.Default()
	mode := arg.Mode{FileMode: c.Mode}
	other := account.Owner{UID: -1, GID: -1}
	var wait verb.WaitFlags
	cmd := &cobra.Command{
		Use:     "run --name NAME [FLAGS] [--] CMD [ARG…]",
		GroupID: verb.GroupUse,
		Short:   "Run a command under a named lock, or at most K at once",
		Long: `Wait until fewer than K commands run under this name on this machine, and then become
CMD. K is 1, which makes the name a lock, unless --slots says otherwise.

No supervisor stays: CMD has the pid that run had, and gets its signals itself. The slot is
free again when CMD ends, however it ends, kill -9 too: the kernel sees to it (SEM_UNDO).

CMD holds the slot; its children do not. A CMD that puts itself into the background, or
leaves the IPC namespace (unshare --ipc), frees it at once. ` + run.SlotVariable + ` in its
environment is the number of its slot, from 1 on.

Of the signals that run was started to ignore, CMD ignores SIGHUP (nohup), SIGINT, SIGTSTP,
SIGTTIN, SIGTTOU and SIGCONT; all others have their default effect, unless CMD is
"env --ignore-signal=PIPE CMD". SIGHUP, SIGINT, SIGQUIT, SIGTERM and SIGCHLD are unblocked.

The name stands for the set sem:name=run/NAME, which stays until "sysvipc rm" removes it.
Commands of one user share it; if it is made with --mode 0660, those of the group, too, and
with 0666 those of all users. Any user can be the first to make it. So one that was made by
a user whom --mode does not let in is refused, unless that is root or --owner.

If no slot is free in time, the holders are named. Exit codes: those of CMD; 6, or -E CODE,
if no slot was free in time; 125 if run itself failed; 126 if CMD cannot be executed; 127 if it is not found; 2 for wrong usage.`,
		Example: `  sysvipc run --name backup --nowait -- rsync -a /srv /backup
  sysvipc run --name link --slots 2 -- cc -o prog *.o
  sysvipc run --name db --timeout 30s -E 75 -- ./migrate`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Mode, c.Command = mode.FileMode, args
			c.AnyMode = !cmd.Flags().Changed("mode")
			if cmd.Flags().Changed("owner") {
				c.Owners = []int{other.UID}
			}
			switch {
			case wait.AtOnce():
				c.Timeout = 0
			case wait.Timeout.Given:
				c.Timeout = wait.Timeout.D
			}
			if err := checkRun(cmd, &c); err != nil {
				return err
			}
			return do(cmd.Context(), &c)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what stands behind CMD is CMD's
	f.StringVar(&c.Name, "name", "", "`NAME` of the lock, which all who say it share")
	f.IntVar(&c.Slots, "slots", 0, "at most `K` at once (default: as the lock was made, 1 if it is new)")
	wait.Add(cmd)
	f.IntVarP(&c.Busy, "conflict-exit-code", "E", c.Busy, "exit `CODE` if no slot was free in time")
	f.Var(&mode, "mode", "permissions of the lock if it is new; it may not have more if it exists")
	f.Var(&other, "owner", "a user, beside this one and root, to whom the lock may belong")
	flags.Complete(cmd, "name", cobra.NoFileCompletions)
	return cmd
}

// checkRun looks for what cannot be meant.
func checkRun(cmd *cobra.Command, c *run.Config) error {
	switch {
	case c.Name == "":
		return cli.Usage("--name is missing: under which name is the command to run?")
	case len(c.Command) == 0:
		return cli.Usage("there is no command to run")
	case cmd.Flags().Changed("slots") && (c.Slots < 1 || c.Slots > run.MaxSlots):
		return cli.Usage("--slots %d: there can be from 1 to %d", c.Slots, run.MaxSlots)
	case c.Busy < 0 || c.Busy > math.MaxUint8:
		return cli.Usage("-E %d: an exit code is from 0 to 255", c.Busy)
	case slices.Contains(c.Owners, -1):
		return cli.Usage("--owner wants a user")
	case c.Mode&0o600 != 0o600:
		return cli.Usage("--mode %04o: the user who makes the lock must be able to use it, as with 0600", uint32(c.Mode))
	}
	return nil
}

// runUnderLock returns only if the command did not come to run.
func runUnderLock(ctx context.Context, c *run.Config) error {
	slot, err := c.Take(ctx)
	switch {
	case err == nil:
		if err := cli.ReleaseSignals(ctx); err != nil {
			return err
		}
		err = slot.Become()
	case ctx.Err() != nil:
		return err
	}
	return &cli.Error{Code: run.Code(err), Err: err}
}
