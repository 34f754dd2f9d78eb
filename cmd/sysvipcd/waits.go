package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newWaitsCommand() *cobra.Command {
	l := &look{}
	cmd := &cobra.Command{
		Use:   "waits --cluster URL [FLAGS] [NAME]",
		Short: "Show who holds semaphore sets of a cluster, and who waits for them",
		Long: `Show each session that holds something of the semaphore set NAME with undo, or of any set,
and then those that wait, in their order: the host and the process, since when its session
lives, and the operations, as "sysvipc sem op" takes them. A lock of the verb run is the set
"run/NAME". A holder without a host has died: a waiter gives back for it when its lease ends.
Nothing is changed.`,
		Example: `  sysvipcd waits --cluster nats://a,nats://b,nats://c
  sysvipcd waits --cluster nats://a run/nightly -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usage("unexpected argument %q: one NAME, or none for all", args[1])
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: l.run(func(ctx context.Context, cmd *cobra.Command, conn *cluster.Conn, args []string) error {
			all, err := conn.Uses(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			if l.format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "uses")
				for i := range all {
					d.Add(clusterUse(&all[i]))
				}
				return d.End(nil)
			}
			return printUses(cmd.OutOrStdout(), all)
		}),
	}
	l.add(cmd)
	return cmd
}

func clusterUse(u *cluster.Use) *output.ClusterUse {
	out := &output.ClusterUse{Set: u.Set, Role: "holds"}
	if u.Waits {
		out.Role = "waits"
	}
	if u.Host != "" {
		out.Host, out.PID, out.Since = &u.Host, &u.PID, &u.Since
	}
	for _, op := range u.Ops {
		out.Ops = append(out.Ops, fmt.Sprint(op))
	}
	return out
}

func printUses(w io.Writer, all []cluster.Use) error {
	t := output.NewTable(output.Left("SET"), output.Left("ROLE"), output.Left("HOST"), output.Right("PID"), output.Left("SINCE"), output.Left("OPS"))
	for i := range all {
		u := clusterUse(&all[i])
		t.Add(terminal.Escape(u.Set))
		t.Add(u.Role)
		if u.Host == nil {
			t.Add("(died)")
		} else {
			t.Add(terminal.Escape(*u.Host))
		}
		t.Add(numberOrDash(u.PID))
		if u.Since == nil {
			t.Add("-")
		} else {
			t.Add(u.Since.Local().Format(time.DateTime))
		}
		t.Add(strings.Join(u.Ops, " "))
	}
	return t.Write(w)
}
