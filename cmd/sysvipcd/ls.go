package main

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newLsCommand() *cobra.Command {
	l := &look{}
	cmd := &cobra.Command{
		Use:   "ls --cluster URL [FLAGS]",
		Short: "List the queues, semaphore sets and variables of a cluster",
		Long: `List what the servers keep: queues with their messages, semaphore sets with the number of
those that hold some with undo and of those that wait, and variables. A lock of the verb run
is the set "run/NAME", and "bridge NAME" is the lock of the bridges that receive from a queue.
Nothing is changed.`,
		Example: `  sysvipcd ls --cluster nats://a,nats://b,nats://c
  sysvipcd ls --cluster nats://a -o json`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: l.run(func(ctx context.Context, cmd *cobra.Command, conn *cluster.Conn, _ []string) error {
			all, err := conn.Objects(ctx)
			if err != nil {
				return err
			}
			if l.format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "objects")
				for i := range all {
					d.Add(clusterObject(&all[i]))
				}
				return d.End(nil)
			}
			return printObjects(cmd.OutOrStdout(), all)
		}),
	}
	l.add(cmd)
	return cmd
}

func clusterObject(o *cluster.Summary) *output.ClusterObject {
	out := &output.ClusterObject{Kind: o.Kind, Name: o.Name}
	switch o.Kind {
	case "queue":
		out.Messages, out.Bytes, out.Created = &o.Messages, &o.Bytes, &o.Created
	case "semaphore set":
		out.Semaphores, out.Holders, out.Waiters, out.Created = &o.Semaphores, &o.Holders, &o.Waiters, &o.Created
	}
	return out
}

func printObjects(w io.Writer, all []cluster.Summary) error {
	t := output.NewTable(
		output.Left("KIND"), output.Left("NAME"), output.Right("MESSAGES"), output.Right("BYTES"),
		output.Right("SEMAPHORES"), output.Right("HOLDERS"), output.Right("WAITERS"), output.Left("CREATED"),
	)
	for i := range all {
		o := clusterObject(&all[i])
		t.Add(o.Kind)
		t.Add(terminal.Escape(o.Name))
		for _, n := range []*int64{o.Messages, o.Bytes} {
			t.Add(numberOrDash(n))
		}
		for _, n := range []*int{o.Semaphores, o.Holders, o.Waiters} {
			t.Add(numberOrDash(n))
		}
		if o.Created == nil {
			t.Add("-")
		} else {
			t.Add(o.Created.Local().Format(time.DateTime))
		}
	}
	return t.Write(w)
}

// numberOrDash is a number, or what stands for one that there is not.
func numberOrDash[T int | int64](n *T) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(int64(*n), 10)
}
