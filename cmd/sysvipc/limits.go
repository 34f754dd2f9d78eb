package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newLimitsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "limits",
		GroupID: verb.GroupLook,
		Short:   "Show the limits of this IPC namespace, and what is used of each",
		Long: `Show the limits of this IPC namespace, what is used of each, and the sysctl that raises
it: "sysctl kernel.shmmni=8192" until the next start, a line "kernel.shmmni = 8192" in
/etc/sysctl.d for ever. kernel.sem has four numbers, which are written together:
"sysctl kernel.sem='32000 1024000000 500 32000'".`,
		Example: `  sysvipc limits
  sysvipc limits --ns all
  sysvipc limits -o json`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lim, err := sysvipc.ReadLimits()
			if err != nil {
				return err
			}
			if format == "json" {
				return writeLimitsJSON(cmd, output.Limits(lim))
			}
			return writeLimitsTable(cmd, output.Limits(lim))
		},
	}
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

func writeLimitsTable(cmd *cobra.Command, limits []output.Limit) error {
	t := output.NewTable(output.Left("LIMIT"), output.Left("OF"), output.Right("VALUE"), output.Right("USED"), output.Right("PERCENT"), output.Left("SYSCTL"))
	for _, l := range limits {
		used, percent, sysctl := "-", "-", "fixed"
		if l.Used != nil {
			used = strconv.FormatInt(*l.Used, 10)
		}
		if l.Percent != nil {
			percent = fmt.Sprintf("%.1f%%", *l.Percent)
		}
		if l.Sysctl != nil {
			sysctl = *l.Sysctl
		}
		if l.Field != nil {
			sysctl += fmt.Sprintf(", number %d of 4", *l.Field)
		}
		shown := "unlimited"
		if l.Value != nil {
			shown = strconv.FormatUint(*l.Value, 10)
			if l.Bytes {
				shown = arg.FormatSize(int64(*l.Value))
			}
		}
		for _, cell := range []string{l.Name, l.What, shown, used, percent, sysctl} {
			t.Add(cell)
		}
	}
	return t.Write(cmd.OutOrStdout())
}

func writeLimitsJSON(cmd *cobra.Command, limits []output.Limit) error {
	d := output.StartDocument(cmd.OutOrStdout(), "limits")
	for i := range limits {
		if ref.Moved.Way != ref.Started {
			limits[i].NS = output.OrNil(inspect.CurrentNamespace())
		}
		d.Add(&limits[i])
	}
	return d.End(nil)
}
