package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newShowCommand() *cobra.Command {
	l := &look{}
	cmd := &cobra.Command{
		Use:   "show --cluster URL [FLAGS] NAME…",
		Short: "Show queues, semaphore sets and variables of a cluster as a whole",
		Long: `Show all that the servers keep of an object: on which servers; of a queue its messages by type,
its capacity and its receivers; of a semaphore set its values, who holds and who waits; of a
variable its value. NAME is msg:NAME, sem:NAME or var:NAME, or NAME alone if only one has it.
Nothing is changed.`,
		Example: `  sysvipcd show --cluster nats://a,nats://b,nats://c orders
  sysvipcd show --cluster nats://a sem:run/nightly -o json`,
		Args:                  func(_ *cobra.Command, args []string) error { return oneOrMore(args) },
		DisableFlagsInUseLine: true,
		RunE: l.run(func(ctx context.Context, cmd *cobra.Command, conn *cluster.Conn, args []string) error {
			var all []*cluster.Description
			for _, name := range args {
				d, err := describe(ctx, conn, name)
				if err != nil {
					return err
				}
				all = append(all, d)
			}
			if l.format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "objects")
				for _, o := range all {
					d.Add(clusterDetail(o))
				}
				return d.End(nil)
			}
			for i, o := range all {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if err := printDetail(cmd.OutOrStdout(), o); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	l.add(cmd)
	return cmd
}

func clusterDetail(o *cluster.Description) *output.ClusterDetail {
	out := &output.ClusterDetail{ClusterObject: clusterObject(&o.Summary), Replicas: o.Replicas, Leader: output.OrNil(o.Leader), Behind: o.Behind}
	moment := func(t time.Time) *time.Time {
		if t.IsZero() || t.Unix() <= 0 {
			return nil
		}
		return &t
	}
	switch o.Kind {
	case "queue":
		for _, typ := range slices.Sorted(maps.Keys(o.Types)) {
			out.Types = append(out.Types, output.ClusterType{Type: typ, Messages: o.Types[typ]})
		}
		out.MaxMessages, out.MaxBytes, out.MaxMessage = output.OrNil(o.MaxMessages), output.OrNil(o.MaxBytes), output.OrNil(o.MaxMessage)
		out.Last = moment(o.Last)
		if o.Messages > 0 {
			out.First = moment(o.First)
		}
		ack, duplicates := o.AckWait.Seconds(), o.Duplicates.Seconds()
		out.AckWait, out.Duplicates, out.Strict, out.Memory = &ack, &duplicates, &o.Strict, &o.Memory
		for _, r := range o.Receivers {
			out.Receivers = append(out.Receivers, output.ClusterReceiver{Type: output.OrNil(r.Type), Waiting: r.Waiting, InFlight: r.InFlight, Last: moment(r.Last)})
		}
	case "semaphore set":
		out.Values, out.Token, out.Operated, out.Revision = o.Values, &o.Token, moment(o.Operated), &o.Revision
		for i := range o.Uses {
			out.Uses = append(out.Uses, clusterUse(&o.Uses[i]))
		}
	case "variable":
		out.Value, out.Revision = o.Value, &o.Revision
	}
	return out
}

func printDetail(w io.Writer, o *cluster.Description) error {
	var err error
	line := func(name, format string, args ...any) {
		if _, failed := fmt.Fprintf(w, "%-14s%s\n", name+":", terminal.Escape(fmt.Sprintf(format, args...))); failed != nil {
			err = failed
		}
	}
	orNone := func(n int64) string {
		if n == 0 {
			return "no limit"
		}
		return fmt.Sprint(n)
	}
	moment := func(t time.Time) string {
		if t.IsZero() || t.Unix() <= 0 {
			return "never"
		}
		return t.Local().Format(time.DateTime)
	}
	line(o.Kind, "%s", o.Name)
	kept := fmt.Sprintf("%d", o.Replicas)
	if o.Leader != "" {
		kept += ", led by " + o.Leader
	}
	if len(o.Behind) > 0 {
		kept += ", away or behind: " + strings.Join(o.Behind, ", ")
	}
	line("replicas", "%s", kept)
	switch o.Kind {
	case "queue":
		line("created", "%s", moment(o.Created))
		line("messages", "%d of %s", o.Messages, orNone(o.MaxMessages))
		line("bytes", "%d of %s", o.Bytes, orNone(o.MaxBytes))
		for _, typ := range slices.Sorted(maps.Keys(o.Types)) {
			line("  type "+fmt.Sprint(typ), "%d", o.Types[typ])
		}
		line("last sent", "%s", moment(o.Last))
		line("ack wait", "%v", o.AckWait)
		line("duplicates", "recognised for %v", o.Duplicates)
		line("strict", "%v", o.Strict)
		line("in memory", "%v", o.Memory)
		for _, r := range o.Receivers {
			of := fmt.Sprintf("type %d", r.Type)
			if r.Type == 0 {
				of = "a bridge"
			}
			line("receivers", "%s: %d requests wait, %d messages in flight, the last delivered %s", of, r.Waiting, r.InFlight, moment(r.Last))
		}
	case "semaphore set":
		line("created", "%s", moment(o.Created))
		line("values", "%s", strings.Trim(fmt.Sprint(o.Values), "[]"))
		line("last token", "%d", o.Token)
		line("operated", "%s", moment(o.Operated))
		if len(o.Uses) > 0 && err == nil {
			err = printUses(w, o.Uses)
		}
	case "variable":
		line("revision", "%d", o.Revision)
		line("value", "%s", o.Value)
	}
	return err
}
