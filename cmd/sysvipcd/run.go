package main

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// tokenVariable tells the command its fencing token.
const tokenVariable = "SYSVIPC_FENCING_TOKEN"

// maxSlots is how many a lock can have: a semaphore's largest value.
const maxSlots = 32767

type runFlags struct {
	servers
	name    string
	slots   int
	timeout arg.Duration
	nowait  bool
	busy    int
	grace   arg.Duration
}

func newRunCommand() *cobra.Command {
	r := &runFlags{grace: arg.Duration{D: 2 * time.Second, Given: true}}
	cmd := &cobra.Command{
		Use:   "run --cluster URL --name NAME [FLAGS] [--] CMD [ARG…]",
		Short: "Run a command under a lock of several machines, or at most K at once",
		Long: `Wait until fewer than K commands run under this name on all machines that use these
servers, and then run CMD. K is 1, which makes the name a lock, unless --slots says
otherwise.

The slot is held by a lease. When CMD ends, or this process is killed, or its machine
dies, the slot is free again: at once, or when the lease has ended (--lease). If the lease
is lost, because the servers were out of reach for so long or this process was stopped,
CMD and all that it started get SIGTERM, and what is left SIGKILL after --grace. If this
process is killed they get SIGKILL at once.

On Linux that reaches all descendants of CMD, in whatever group or session, and daemons too.
What can escape: what others start for CMD (systemd-run, at, a container's daemon, another
machine), what runs as a user whom this process may not signal, and all if this process and
its helper (reap-run) are killed in the same instant. What CMD leaves running when it ends
by itself is left alone.

No process can know that it was stopped for too long until it goes on. So CMD finds a
number in its environment, SYSVIPC_FENCING_TOKEN, which is larger than that of all who had
a slot before: what CMD writes to can refuse the smaller ones.

A waiter for a slot that gets SIGINT, SIGTERM, SIGHUP or SIGQUIT leaves the order of the
others as it was, and exits with 128 and the signal's number. While CMD runs these
signals are handed on to it.

The name stands for the semaphore set "run/NAME" of the cluster.

Exit codes: those of CMD; 6, or -E CODE, if no slot was free in time; 125 if run itself
failed or lost the lease; 126 if CMD cannot be executed; 127 if it is not found; 2 for
wrong usage.`,
		Example: `  sysvipcd run --cluster nats://a,nats://b,nats://c --name nightly \
    --nowait -- ./report
  sysvipcd run --cluster nats://a --name build --slots 4 --timeout 1h -- make`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch slots := cmd.Flags().Changed("slots"); {
			case r.url == "":
				return cli.Usage("--cluster is missing: which servers?")
			case r.name == "":
				return cli.Usage("--name is missing: under which name is the command to run?")
			case len(args) == 0:
				return cli.Usage("there is no command to run")
			case slots && (r.slots < 1 || r.slots > maxSlots):
				return cli.Usage("--slots %d: there can be from 1 to %d", r.slots, maxSlots)
			case r.nowait && r.timeout.Given:
				return cli.Usage("--nowait and --timeout: one of them")
			case r.busy < 0 || r.busy > math.MaxUint8:
				return cli.Usage("-E %d: an exit code is from 0 to 255", r.busy)
			}
			if err := r.checkFlags(cmd); err != nil {
				return err
			}
			return r.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what stands behind CMD is CMD's
	f.StringVar(&r.name, "name", "", "`NAME` of the lock, which all who say it share")
	f.IntVar(&r.slots, "slots", 0, "at most `K` at once (default: as the lock was made, 1 if it is new)")
	f.Var(&r.timeout, "timeout", "how long to wait for a slot")
	f.BoolVar(&r.nowait, "nowait", false, "do not wait for a slot")
	f.IntVarP(&r.busy, "conflict-exit-code", "E", cli.ExitWouldBlock, "exit `CODE` if no slot was free in time")
	f.Var(&r.grace, "grace", "after a lost lease, how long CMD has between SIGTERM and SIGKILL")
	r.add(cmd, "cluster")
	return cmd
}

func (r *runFlags) run(cmd *cobra.Command, args []string) error {
	// The command is looked up first, so that nobody waits an hour for a misspelt one.
	path, err := exec.LookPath(args[0])
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EISDIR):
		return cli.Fail(cli.ExitCannotExec, "%s cannot be executed: %w", args[0], err)
	case err != nil:
		return cli.Fail(cli.ExitNoCommand, "%s: command not found", args[0])
	}
	if !cmd.Flags().Changed("log") {
		r.log = "none" // CMD's standard error is CMD's
	}
	log, err := r.logger(cmd)
	if err != nil {
		return err
	}
	signals, unheed := heed()
	defer unheed()
	ctx, told := untilSignal(cmd.Context(), signals)
	conn, stop, err := r.connect(ctx, log, nil)
	if err != nil {
		return orSignal(told(), &cli.Error{Code: cli.ExitRunFailed, Err: err})
	}
	defer stop()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell(conn))
		defer cancel()
		conn.Close(ctx)
	}()
	grant, err := r.take(ctx, conn)
	if s := told(); err != nil || s != nil { // whose slot goes back when the connection is closed
		return orSignal(s, err)
	}
	return r.supervise(cmd, signals, grant, &exec.Cmd{
		Path: path, Args: args, Env: append(os.Environ(), tokenVariable+"="+strconv.FormatUint(grant.Token, 10)),
		Stdin: os.Stdin, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
	})
}

// take takes a slot. Semaphore 0 of the set counts the free ones, semaphore 1 all.
func (r *runFlags) take(ctx context.Context, conn *cluster.Conn) (*cluster.Grant, error) {
	slots := max(r.slots, 1)
	set, err := conn.EnsureSemaphores(ctx, "run/"+r.name, slots, slots)
	if err != nil {
		return nil, &cli.Error{Code: cli.ExitRunFailed, Err: err}
	}
	if has, err := set.At(1).Value(ctx); err != nil {
		return nil, &cli.Error{Code: cli.ExitRunFailed, Err: err}
	} else if r.slots > 0 && has != r.slots {
		return nil, cli.Fail(cli.ExitRunFailed, "the lock %q has %d slots, not %d, as its creator said: leave out --slots", r.name, has, r.slots)
	}
	busy := cli.Fail(r.busy, "no slot of %q was free in time", r.name)
	if r.nowait {
		grant, err := set.TryTake(ctx, sysvipc.Add(0, -1))
		if err != nil {
			return nil, &cli.Error{Code: cli.ExitRunFailed, Err: err}
		}
		if grant == nil {
			return nil, busy
		}
		return grant, nil
	}
	wait := ctx
	if r.timeout.Given {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, r.timeout.D)
		defer cancel()
	}
	grant, err := set.Take(wait, sysvipc.Add(0, -1))
	switch {
	case err == nil:
		return grant, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, busy
	}
	return nil, &cli.Error{Code: cli.ExitRunFailed, Err: err}
}

// supervise runs the command, hands signals on, and stops it if the lease is lost.
func (r *runFlags) supervise(cmd *cobra.Command, signals <-chan os.Signal, grant *cluster.Grant, c *exec.Cmd) error {
	t, err := startTree(c)
	if err != nil {
		return &cli.Error{Code: cli.ExitRunFailed, Err: err}
	}
	type result struct {
		status syscall.WaitStatus
		err    error
	}
	ended := make(chan result, 1)
	go func() {
		status, err := t.wait()
		ended <- result{status, err}
	}()
	lost := grant.Lost()
	var kill <-chan time.Time
	wasLost := false
	for {
		select {
		case s := <-signals:
			if (s == syscall.SIGINT || s == syscall.SIGQUIT) && inForeground() {
				continue // the terminal has sent it to the command as well, for which two are not one
			}
			t.signal(s)
		case <-lost:
			lost, wasLost = nil, true
			cmd.PrintErrf("sysvipcd: the lease of %q is lost: stopping the command, and all that it started\n", r.name)
			t.terminate()
			kill = time.After(r.grace.D)
		case <-kill:
			t.kill()
		case e := <-ended:
			var cannot *cannotStart
			switch {
			case errors.As(e.err, &cannot):
				return cli.Fail(cli.ExitCannotExec, "%s cannot be executed: %w", c.Path, e.err)
			case wasLost:
				return &cli.Error{Code: cli.ExitRunFailed, Err: nil}
			case e.err != nil:
				return &cli.Error{Code: cli.ExitRunFailed, Err: e.err}
			case e.status.Signaled():
				return &cli.Error{Code: cli.ExitSignal + int(e.status.Signal()), Err: nil}
			case e.status.ExitStatus() != 0:
				return &cli.Error{Code: e.status.ExitStatus(), Err: nil}
			}
			return nil
		}
	}
}

// cannotStart is why a command cannot be executed.
type cannotStart struct{ why string }

func (c *cannotStart) Error() string { return c.why }
