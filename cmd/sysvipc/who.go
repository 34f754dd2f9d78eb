package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

func newWhoCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "who REF…|pid:N…",
		GroupID: verb.GroupLook,
		Short:   "Show who uses objects, or what a process uses, and how that is known",
		Long: `Show who uses objects: the processes that have a segment attached (also one that is
removed), the threads that wait on a set or a queue, and those that the kernel noted last:
who made a segment, who attached or detached last, who operated on each semaphore, who
sent and received. While "sysvipcd serve --trace" runs as root, it names the holders of
semaphores, too: those that it has seen taking and not giving back. With each stands whether it is alive and how that is known. Looking
changes nothing.

"attached 4 times, 3 explained" means that one attach belongs to a process that cannot be
seen from here. A pid whose process started later than the time that the kernel noted is
shown as reused: it is that of another process, or the clock was set since.

pid:N asks the other way round: what process N uses, which objects others wait for because of
it, and what it waits for itself, in its own IPC namespace. A process that has ended is
found where the kernel noted it.

Root sees all users. For other users it says what it could not see, and then the exit code is 4.`,
		Example: `  sysvipc who shm:5
  sysvipc who sem:key=0x4d2 msg:name=orders -o json
  sysvipc who pid:4711`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return runWho(cmd, args, format) },
	}
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

func runWho(cmd *cobra.Command, args []string, format string) error {
	if pids, err := pidsOf(args); err != nil {
		return err
	} else if len(pids) > 0 {
		return runWhoProcess(cmd, pids, format)
	}
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err != nil {
		return err
	}
	snap, err := inspect.Take(cmd.Context(), seenTaking(cmd))
	if err != nil {
		return err
	}
	v, w := listing.NewView(), cmd.OutOrStdout()
	var d *output.Document
	if format == "json" {
		d = output.StartDocument(w, "objects")
	}
	shown, hidden := 0, false
	var warnings []string
	note := func(err error) { warnings = append(warnings, cli.Text(err)) }
	first := verb.Each(cmd, refs, note, func(r ref.Ref, id int) error {
		o := snap.Object(r.Kind, id)
		if o == nil {
			e, err := listing.Stat(r.Kind, id)
			if err != nil {
				return err
			}
			return cli.Fail(cli.ExitFailed, "%s came while this was looking: try again", ref.Name(e.Kind, e.ID))
		}
		e := listing.Inspected(snap, o)
		hidden = hidden || len(o.Unknown) > 0
		if shown++; d != nil {
			d.Add(e.Published(v))
			return nil
		}
		if shown > 1 {
			fmt.Fprintln(w)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s (%s)\n", o.Ref(), v.Describe(&e))
		writeVerdict(&b, o)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
		if len(o.Users) == 0 {
			_, err := fmt.Fprintln(w, "no users are seen")
			return err
		}
		return writeUsers(w, v, o)
	})
	if hidden {
		warnings = append(unseen(snap), warnings...)
	}
	if d != nil {
		if err := d.End(warnings); err != nil {
			return err
		}
	}
	if first != nil || !hidden {
		return first
	}
	return incomplete(cmd, snap, d == nil)
}

// incomplete is the outcome of a verb that could not see all: an error with its own exit code, if
// root could see more. To root what is missing is only told.
func incomplete(cmd *cobra.Command, snap *inspect.Snapshot, tell bool) error {
	text := "not all users can be seen: " + terminal.Escape(strings.Join(unseen(snap), "; "))
	if os.Geteuid() != 0 {
		return cli.Fail(cli.ExitNotPermitted, "%s (root sees more)", text)
	}
	if tell {
		fmt.Fprintln(cmd.ErrOrStderr(), "sysvipc: "+text)
	}
	return nil
}

// unseen says what could not be seen.
func unseen(snap *inspect.Snapshot) []string {
	if len(snap.Warnings) == 0 {
		return []string{"processes or semaphores are hidden from this user"}
	}
	return snap.Warnings
}

// writeVerdict says whether the object can be removed, and of a segment how many attaches are explained.
func writeVerdict(b *strings.Builder, o *inspect.Object) {
	if o.Segment != nil && o.Segment.Attaches > 0 {
		fmt.Fprintf(b, "%-10s attached %s, %d explained\n", "attaches", plural.Times(o.Segment.Attaches), o.Explained)
	}
	fmt.Fprintf(b, "%-10s %s: %s\n", "verdict", o.Verdict.Class, terminal.Escape(strings.Join(o.Verdict.Reasons, "; ")))
}

// writeUsers writes a table of the users of an object.
func writeUsers(w io.Writer, v *listing.View, o *inspect.Object) error {
	t := output.NewTable(output.Right("PID"), output.Right("TID"), output.Left("COMMAND"), output.Left("USER"),
		output.Left("ROLE"), output.Left("STATUS"), output.Left("WHERE"), output.Left("EVIDENCE"))
	for i := range o.Users {
		u := &o.Users[i]
		pid, tid, comm, owner := "?", "-", "-", "-"
		if u.PID != 0 {
			pid = strconv.Itoa(u.PID)
		}
		if u.TID != 0 {
			tid = strconv.Itoa(u.TID)
		}
		if u.Comm() != "" {
			comm = terminal.Escape(u.Comm())
		}
		if u.Process != nil && u.Status != inspect.Reused && u.Process.UID >= 0 {
			owner = v.Users.Text(u.Process.UID)
		}
		for _, cell := range []string{pid, tid, comm, owner, string(u.Role), u.Status.String(), terminal.Escape(whereabouts(u)), terminal.Escape(u.Evidence())} {
			t.Add(cell)
		}
	}
	return t.Write(w)
}

// whereabouts is the container and the systemd unit of a user.
func whereabouts(u *inspect.User) string {
	if u.Process == nil || u.Status == inspect.Reused {
		return "-"
	}
	words := strings.Fields(u.Process.Container + " " + u.Process.Unit)
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, " ")
}
