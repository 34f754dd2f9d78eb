package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newRmCommand() *cobra.Command {
	l := &look{}
	var force, ifExists, dryRun bool
	cmd := &cobra.Command{
		Use:   "rm --cluster URL [FLAGS] NAME…",
		Short: "Remove queues, semaphore sets and variables of a cluster that are not in use",
		Long: `Remove objects of a cluster. All that are named are tried, each removal and each failure is
reported, and the exit code is that of the first failure.

What is in use is refused (exit code 5) unless --force is given: a queue with messages, or with
receivers that wait or have messages in flight; a semaphore set with holders or waiters. That is
looked at just before the removal; what begins to use it in that moment gets an error. Nothing brings back what was removed.

NAME is msg:NAME, sem:NAME or var:NAME, or NAME alone if only one has it.`,
		Example: `  sysvipcd rm --cluster nats://a,nats://b,nats://c msg:orders
  sysvipcd rm --cluster nats://a --if-exists --dry-run sem:run/nightly`,
		Args:                  func(_ *cobra.Command, args []string) error { return oneOrMore(args) },
		DisableFlagsInUseLine: true,
		RunE: l.run(func(ctx context.Context, cmd *cobra.Command, conn *cluster.Conn, args []string) error {
			var first error
			doc := output.StartDocument(cmd.OutOrStdout(), "objects")
			for _, name := range args {
				d, err := describe(ctx, conn, name)
				if errors.Is(err, fs.ErrNotExist) || cli.ExitCode(err) == cli.ExitNotFound {
					if ifExists {
						continue
					}
				}
				action, why := "removed", ""
				if err == nil {
					why = inUse(d)
				}
				switch {
				case err != nil:
				case why != "" && !force:
					action, err = "keep", cli.Fail(cli.ExitRefused, "%s %q is in use: %s (--force removes it all the same)", d.Kind, d.Name, why)
				case dryRun:
					action = "would-remove"
				default:
					if err = conn.Remove(ctx, d.Kind, d.Name); err != nil {
						action, why = "keep", err.Error()
					}
				}
				switch {
				case d == nil:
				case l.format == "json":
					doc.Add(&output.ClusterRemoved{Kind: d.Kind, Name: d.Name, Action: action, Why: output.OrNil(why)})
				case action != "keep":
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s %s\n", map[string]string{"removed": "removed", "would-remove": "would remove"}[action], d.Kind, terminal.Escape(d.Name))
				}
				switch {
				case err != nil && first != nil:
					fmt.Fprintln(cmd.ErrOrStderr(), "sysvipcd: "+terminal.Escape(first.Error()))
					fallthrough
				case err != nil:
					first = err
				}
			}
			if l.format == "json" {
				if err := doc.End(nil); err != nil {
					return err
				}
			}
			return first
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&force, "force", false, "remove what is in use, too")
	f.BoolVar(&ifExists, "if-exists", false, "what is not there is no failure")
	f.BoolVar(&dryRun, "dry-run", false, "say what would be removed, and change nothing")
	l.add(cmd)
	return cmd
}

// inUse says by what an object is in use, or "".
func inUse(d *cluster.Description) string {
	waiting, inFlight := 0, 0
	for _, r := range d.Receivers {
		waiting, inFlight = waiting+r.Waiting, inFlight+r.InFlight
	}
	switch {
	case d.Messages > 0:
		return fmt.Sprintf("messages on it: %d", d.Messages)
	case waiting+inFlight > 0:
		return fmt.Sprintf("receivers that wait: %d; messages in flight: %d", waiting, inFlight)
	case d.Holders+d.Waiters > 0:
		return fmt.Sprintf("holders: %d; waiters: %d", d.Holders, d.Waiters)
	}
	return ""
}
