package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// nagiosUnknown is the exit code of --nagios for what is not known; the others are severities.
const nagiosUnknown = 3

func newDoctorCommand() *cobra.Command {
	var nagios bool
	var format, named string
	cmd := &cobra.Command{
		Use:     "doctor [ERRNO…]",
		GroupID: verb.GroupLook,
		Short:   "Tell what is wrong, and the command that mends it",
		Long: `Tell what is wrong with the objects and limits of this IPC namespace and the settings of
the machine, and which command mends it:

  limits of which 80 % are used, and which error comes when all is
  queues that are full; receivers that wait beside messages of other types
  deadlocks
  threads that wait for a process that has ended and took without undo
  processes that use a removed segment, beside others that use a new one
  with its key
  objects that everybody may write
  objects that nobody uses any more, and the sets of a server that was killed
  RemoveIPC of systemd-logind, which removes the objects of users who log out
  kernel.shm_rmid_forced, which destroys segments with their last detach

With the name of an error (ENOSPC, EINVAL, E2BIG, EAGAIN, ERANGE, ENOMEM, EPERM, ENOSYS)
it says what can be behind it, with the limits as they are now. Looking
changes nothing, and nothing is mended without you.

--ns all tells it of every IPC namespace, with a line for each: how bad it is, how many
findings there are, and the worst of them.

With --nagios it writes one line, and the exit code is 0 if all is well, 1 for a warning,
2 if something is critical and 3 if that is not known.`,
		Example: `  sysvipc doctor
  sysvipc doctor ENOSPC
  sysvipc doctor --ns all
  sysvipc doctor --nagios`,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if inspect.ExplainErrno(sysvipc.Limits{}, arg) == nil {
					return cli.Usage("%q is no error that this explains: choose of %s", arg, strings.Join(inspect.Errnos(), ", "))
				}
			}
			return nil
		},
		ValidArgs: inspect.Errnos(),
		RunE: func(cmd *cobra.Command, args []string) error {
			report := func() error { return runDoctor(cmd, args, format) }
			switch {
			case nagios:
				report = func() error { return runNagios(cmd) }
			case named == namespace.All && len(args) > 0:
				return cli.Usage("--ns all: limits differ from one IPC namespace to another: name one for %s", args[0])
			}
			switch {
			case named == "":
				return report()
			case named == namespace.All && nagios:
				return cli.Usage("--nagios is about one IPC namespace: name it")
			case named == namespace.All:
				return runDoctorEverywhere(cmd, format)
			}
			ns, err := namespace.Find(cmd.Context(), named)
			if err != nil {
				return err
			}
			return namespace.Enter(cmd.Context(), ns, report)
		},
	}
	namespace.AddOwnFlag(cmd, &named)
	cmd.Flags().BoolVar(&nagios, "nagios", false, "one line, and exit codes, as monitoring wants it")
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

func runDoctor(cmd *cobra.Command, args []string, format string) error {
	snap, err := inspect.Take(cmd.Context(), nil)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	found := inspect.Diagnose(snap, "")
	if format == "json" {
		d := output.StartDocument(w, "findings")
		for _, errno := range args {
			for _, line := range inspect.ExplainErrno(snap.Limits, errno) {
				d.Add(&output.Finding{Check: strings.ToUpper(errno), Severity: inspect.Fine.String(), Text: line})
			}
		}
		for i := range found {
			d.Add(output.FindingOf(&found[i]))
		}
		return d.End(snap.Warnings)
	}
	for _, errno := range args {
		fmt.Fprintf(w, "%s can mean:\n", strings.ToUpper(errno))
		for _, line := range inspect.ExplainErrno(snap.Limits, errno) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	for _, f := range found {
		fmt.Fprintf(w, "%s: %s\n", f.Severity, terminal.Escape(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(w, "  %s\n", terminal.Escape(f.Remedy))
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(w, "nothing is wrong")
	}
	for _, warning := range snap.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: "+terminal.Escape(warning))
	}
	return nil
}

// runDoctorEverywhere writes a line for each IPC namespace, or all findings as JSON.
func runDoctorEverywhere(cmd *cobra.Command, format string) error {
	all, err := inspect.Namespaces(cmd.Context(), nil)
	if err != nil {
		return err
	}
	var d *output.Document
	if format == "json" {
		d = output.StartDocument(cmd.OutOrStdout(), "findings")
	}
	t := output.NewTable(output.Right("NS"), output.Left("CONTAINER"), output.Left("STATUS"), output.Right("OBJECTS"), output.Right("FINDINGS"), output.Left("WORST"))
	warnings := all.Warnings
	var first error
	for i := range all.All {
		ns := &all.All[i]
		var snap *inspect.Snapshot
		var found []inspect.Finding
		err := namespace.Enter(cmd.Context(), ns, func() (err error) {
			if snap, err = inspect.Take(cmd.Context(), nil); err == nil {
				found = inspect.Diagnose(snap, "")
			}
			return err
		})
		if errors.Is(err, namespace.ErrGone) {
			continue
		}
		cells := []string{strconv.FormatUint(ns.Inode, 10), cmp.Or(strings.Join(ns.Names, " "), "-")}
		if err != nil {
			warnings = append(warnings, cli.Text(err))
			first = cmp.Or(first, error(&cli.Error{Code: cli.ExitCode(err)}))
			cells = append(cells, "unknown", "?", "?", "-")
		} else {
			for _, warning := range snap.Warnings {
				if !slices.Contains(warnings, warning) {
					warnings = append(warnings, warning)
				}
			}
			worst, text := inspect.Fine, "nothing is wrong"
			for j := range found {
				if d != nil {
					f := output.FindingOf(&found[j])
					f.NS = &ns.Inode
					d.Add(f)
				}
				if j == 0 || found[j].Severity > worst {
					worst, text = found[j].Severity, found[j].Text
				}
			}
			cells = append(cells, worst.String(), strconv.Itoa(len(snap.Objects)), strconv.Itoa(len(found)), text)
		}
		for _, cell := range cells {
			t.Add(terminal.Escape(cell))
		}
	}
	if d != nil {
		return cmp.Or(d.End(warnings), first)
	}
	err = t.Write(cmd.OutOrStdout())
	for _, warning := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: "+terminal.Escape(warning))
	}
	return cmp.Or(err, first)
}

// runNagios writes what plugins of Nagios write: STATUS - text | performance data.
func runNagios(cmd *cobra.Command) error {
	w := cmd.OutOrStdout()
	snap, err := inspect.Take(cmd.Context(), nil)
	if err != nil {
		fmt.Fprintf(w, "SYSVIPC UNKNOWN - %s\n", cli.Text(err))
		return &cli.Error{Code: nagiosUnknown}
	}
	worst, texts := inspect.Fine, []string{}
	for _, f := range inspect.Diagnose(snap, "") {
		worst = max(worst, f.Severity)
		texts = append(texts, f.Text)
	}
	if len(texts) == 0 {
		texts = []string{fmt.Sprintf("%d segments, %d semaphore sets, %d queues", snap.Limits.Segments.InUse, snap.Limits.Semaphores.InUse, snap.Limits.Queues.InUse)}
	}
	// A bar would begin the performance data.
	text := strings.ReplaceAll(terminal.Escape(strings.Join(texts, "; ")), "|", "/")
	if _, err := fmt.Fprintf(w, "SYSVIPC %s - %s | %s\n", strings.ToUpper(worst.String()), text, performance(snap)); err != nil {
		return err
	}
	if worst == inspect.Fine {
		return nil
	}
	return &cli.Error{Code: int(worst)}
}

// performance is what is used of each limit: name=used;warning;critical;least;most.
func performance(snap *inspect.Snapshot) string {
	var words []string
	for _, l := range output.Limits(snap.Limits) {
		switch {
		case l.Used != nil && l.Value != nil:
			words = append(words, fmt.Sprintf("%s=%d;%d;%d;0;%d", l.Name, *l.Used, percentOf(*l.Value, 80), percentOf(*l.Value, 95), *l.Value))
		case l.Used != nil: // unlimited
			words = append(words, fmt.Sprintf("%s=%d;;;0;", l.Name, *l.Used))
		}
	}
	return strings.Join(words, " ")
}

// percentOf is some percent of a number, which may be as large as numbers get.
func percentOf(n, percent uint64) uint64 { return n/100*percent + n%100*percent/100 }
