package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/arg"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/flags"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
)

// limit is one of the kernel's, and what is used of it.
type limit struct {
	name   string
	what   string
	value  uint64
	used   int64 // -1: it is for each object or call, so nothing is used of it
	sysctl string
	field  int // of a sysctl with several numbers, from 1; or 0
	typ    valueType
}

func newLimitsCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "limits",
		GroupID: verb.GroupLook,
		Short:   "Show the limits of this IPC namespace, and what is used of each",
		Long: `Show the limits of this IPC namespace, what is used of each, and the sysctl that raises
it: "sysctl kernel.shmmni=8192" until the next start, a line "kernel.shmmni = 8192" in
/etc/sysctl.d for ever. kernel.sem has four numbers, which are written together:
"sysctl kernel.sem='32000 1024000000 500 32000'".`,
		Example: `  sysvipc limits
  sysvipc limits -o json`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lim, err := sysvipc.ReadLimits()
			if err != nil {
				return err
			}
			if output == "json" {
				return writeLimitsJSON(cmd, limitsOf(lim))
			}
			return writeLimitsTable(cmd, limitsOf(lim))
		},
	}
	flags.Output(cmd, &output, "table", "json")
	return cmd
}

func limitsOf(lim sysvipc.Limits) []limit {
	seg, sem, msg := lim.Segments, lim.Semaphores, lim.Queues
	return []limit{
		{"shmmni", "segments", uint64(seg.Max), int64(seg.InUse), "kernel.shmmni", 0, typeNumber},
		{"shmall", "pages of all segments", seg.MaxPages, clamp(seg.Pages), "kernel.shmall", 0, typeNumber},
		{"shmmax", "bytes of one segment", seg.MaxSize, -1, "kernel.shmmax", 0, typeSize},
		{"semmni", "semaphore sets", uint64(sem.Max), int64(sem.InUse), "kernel.sem", 4, typeNumber},
		{"semmns", "semaphores of all sets", uint64(sem.MaxTotal), int64(sem.InTotal), "kernel.sem", 2, typeNumber},
		{"semmsl", "semaphores of one set", uint64(sem.MaxPerSet), -1, "kernel.sem", 1, typeNumber},
		{"semopm", "operations of one call", uint64(sem.MaxOps), -1, "kernel.sem", 3, typeNumber},
		{"semvmx", "value of a semaphore", uint64(sem.MaxValue), -1, "", 0, typeNumber},
		{"msgmni", "queues", uint64(msg.Max), int64(msg.InUse), "kernel.msgmni", 0, typeNumber},
		{"msgmax", "bytes of one message", uint64(msg.MaxMessage), -1, "kernel.msgmax", 0, typeSize},
		{"msgmnb", "bytes of a new queue", uint64(msg.DefaultMaxBytes), -1, "kernel.msgmnb", 0, typeSize},
	}
}

// percent is what is used of a limit, or -1.
func (l *limit) percent() float64 {
	if l.used < 0 || l.value == 0 {
		return -1
	}
	return math.Round(float64(l.used)/float64(l.value)*10000) / 100
}

func writeLimitsTable(cmd *cobra.Command, limits []limit) error {
	t := newTable(tableColumn{"LIMIT", false}, tableColumn{"OF", false}, tableColumn{"VALUE", true}, tableColumn{"USED", true}, tableColumn{"PERCENT", true}, tableColumn{"SYSCTL", false})
	for _, l := range limits {
		used, percent, sysctl := "-", "-", l.sysctl
		if l.used >= 0 {
			used = strconv.FormatInt(l.used, 10)
			percent = fmt.Sprintf("%.1f%%", l.percent())
		}
		switch {
		case sysctl == "":
			sysctl = "fixed"
		case l.field > 0:
			sysctl += fmt.Sprintf(", number %d of 4", l.field)
		}
		shown := strconv.FormatUint(l.value, 10)
		if l.typ == typeSize && l.value <= math.MaxInt64 {
			shown = arg.FormatSize(int64(l.value))
		}
		if l.value >= math.MaxInt64/2 { // the kernel's way to say so
			shown = "unlimited"
		}
		for _, cell := range []string{l.name, l.what, shown, used, percent, sysctl} {
			t.add(cell)
		}
	}
	return t.write(cmd.OutOrStdout())
}

func writeLimitsJSON(cmd *cobra.Command, limits []limit) error {
	d := startDocument(cmd.OutOrStdout(), "limits")
	for _, l := range limits {
		r := record{{"name", l.name}, {"what", l.what}, {"value", l.value}, {"used", nil}, {"percent", nil}, {"sysctl", nil}, {"field", nil}}
		if l.used >= 0 {
			r[3].value, r[4].value = l.used, l.percent()
		}
		if l.sysctl != "" {
			r[5].value = l.sysctl
		}
		if l.field > 0 {
			r[6].value = l.field
		}
		d.add(r)
	}
	return d.end(nil)
}

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
