package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newNsCommand() *cobra.Command {
	var format, named string
	cmd := &cobra.Command{
		Use:     "ns",
		GroupID: verb.GroupLook,
		Short:   "Show the IPC namespaces of this machine, also those without a process",
		Long: `Show the IPC namespaces of this machine: those of every thread, those that an open file
refers to, and those that a bind mount keeps. The last two need no process, and their
objects are seen by no process until one enters. With each stand its containers, pods and
unit, and how many objects it has, if this user may enter it (CAP_SYS_ADMIN), and
otherwise a question mark.

Every verb about objects takes --ns: a PID, the PATH of a file such as a bind mount, the
INODE that stands here as NS, or a container, pod or unit by its name or ID. The command
moves to that namespace as a whole, and its process IDs, files and users stay those of
here. REFs of another namespace carry it, as ns=4026532199/shm:0, also without --ns.
Verbs that look, and gc, rm, set and dump, also take --ns all. It needs CAP_SYS_ADMIN, and
CAP_SYS_PTRACE for the processes of other users; without, the exit code is 4.`,
		Example: `  sysvipc ns
  sysvipc doctor --ns all
  sysvipc ls --ns 4711
  sysvipc gc --ns docker:0123456789ab
  sysvipc who ns=4026532199/sem:0`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return runNs(cmd, format, named) },
	}
	namespace.AddOwnFlag(cmd, &named)
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

// census is how many objects a namespace has.
type census struct {
	segments, sets, queues int
	err                    error
}

func count(ctx context.Context, ns *inspect.Namespace) (c census) {
	c.err = namespace.Enter(ctx, ns, func() error {
		lim, err := sysvipc.ReadLimits()
		c.segments, c.sets, c.queues = lim.Segments.InUse, lim.Semaphores.InUse, lim.Queues.InUse
		return err
	})
	return c
}

func runNs(cmd *cobra.Command, format, named string) error {
	all, err := namespace.Named(cmd.Context(), named)
	if err != nil {
		return err
	}
	if format == "json" {
		d := output.StartDocument(cmd.OutOrStdout(), "namespaces")
		warnings := all.Warnings
		for i := range all.All {
			ns := &all.All[i]
			c := count(cmd.Context(), ns)
			r := output.NamespaceOf(ns)
			if c.err == nil {
				r.Segments, r.Sets, r.Queues = &c.segments, &c.sets, &c.queues
			} else {
				r.Unknown = []string{"segments", "sets", "queues"}
				warnings = append(warnings, fmt.Sprintf("IPC namespace %d: %v", ns.Inode, c.err))
			}
			d.Add(r)
		}
		return d.End(warnings)
	}
	t := output.NewTable(output.Right("NS"), output.Right("PROCESSES"), output.Right("SHM"), output.Right("SEM"), output.Right("MSG"), output.Left("CONTAINER"), output.Left("KEPT BY"))
	for i := range all.All {
		ns := &all.All[i]
		c := count(cmd.Context(), ns)
		t.Add(strconv.FormatUint(ns.Inode, 10))
		t.Add(strconv.Itoa(ns.Processes))
		for _, n := range []int{c.segments, c.sets, c.queues} {
			if c.err != nil {
				t.Add("?")
			} else {
				t.Add(strconv.Itoa(n))
			}
		}
		t.Add(terminal.Escape(cmp.Or(strings.Join(ns.Names, " "), "-")))
		t.Add(terminal.Escape(keptBy(ns)))
	}
	if err := t.Write(cmd.OutOrStdout()); err != nil {
		return err
	}
	for _, w := range all.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: "+w)
	}
	return nil
}

// keptBy says in a few words what keeps a namespace.
func keptBy(ns *inspect.Namespace) string {
	var words []string
	if ns.Own {
		words = append(words, "this process")
	}
	const shown = 3
	for i, pid := range ns.PIDs {
		if i == shown {
			words = append(words, "…")
			break
		}
		words = append(words, "process "+strconv.Itoa(pid))
	}
	for _, path := range ns.Mounts {
		words = append(words, "mount "+path)
	}
	for _, path := range ns.Descriptors[:min(len(ns.Descriptors), shown)] {
		words = append(words, "open file "+path)
	}
	return strings.Join(words, ", ")
}
