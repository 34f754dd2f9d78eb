package main

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newNsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "ns",
		GroupID: verb.GroupLook,
		Short:   "Show the IPC namespaces of this machine, also those without a process",
		Long: `Show the IPC namespaces of this machine: those of every thread, those that an open file
refers to, and those that a bind mount keeps. The last two need no process, and their
objects are seen by no process until one enters. With each stands how many objects it has,
if this user may enter it (CAP_SYS_ADMIN), and otherwise a question mark.

"sysvipc ls --ns PID", "--ns PATH" and "--ns all" list the objects of others.`,
		Example: `  sysvipc ns
  sysvipc ls --ns all
  sysvipc ls --ns /run/ipcns/build`,
		Args:              verb.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return runNs(cmd, format) },
	}
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

// inside calls f in the IPC namespace of a process, or of a file.
func inside(where string, f func() error) error {
	path := where
	if pid, err := strconv.Atoi(where); err == nil {
		path = fmt.Sprintf("/proc/%d/ns/ipc", pid)
	}
	return inspect.WithNamespace(path, f)
}

// insideOf calls f in a namespace that was found. Nobody needs a right to be where he is.
func insideOf(ns *inspect.Namespace, f func() error) error {
	if ns.Own {
		return f()
	}
	if ns.Path == "" {
		return cli.Fail(cli.ExitNotFound, "nothing leads there: %w", fs.ErrNotExist)
	}
	return inspect.WithNamespace(ns.Path, f)
}

// census is how many objects a namespace has.
type census struct {
	segments, sets, queues int
	err                    error
}

func count(ns *inspect.Namespace) (c census) {
	c.err = insideOf(ns, func() error {
		lim, err := sysvipc.ReadLimits()
		c.segments, c.sets, c.queues = lim.Segments.InUse, lim.Semaphores.InUse, lim.Queues.InUse
		return err
	})
	return c
}

func runNs(cmd *cobra.Command, format string) error {
	all, err := inspect.Namespaces(cmd.Context(), nil)
	if err != nil {
		return err
	}
	if format == "json" {
		d := output.StartDocument(cmd.OutOrStdout(), "namespaces")
		warnings := all.Warnings
		for i := range all.All {
			ns := &all.All[i]
			c := count(ns)
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
	t := output.NewTable(output.Right("NS"), output.Right("PROCESSES"), output.Right("SHM"), output.Right("SEM"), output.Right("MSG"), output.Left("KEPT BY"))
	for i := range all.All {
		ns := &all.All[i]
		c := count(ns)
		t.Add(strconv.FormatUint(ns.Inode, 10))
		t.Add(strconv.Itoa(ns.Processes))
		for _, n := range []int{c.segments, c.sets, c.queues} {
			if c.err != nil {
				t.Add("?")
			} else {
				t.Add(strconv.Itoa(n))
			}
		}
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
