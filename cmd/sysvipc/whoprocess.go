package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// pidsOf are the processes that arguments such as pid:4711 name; none if the first is no such.
func pidsOf(args []string) (pids []int, err error) {
	for i, arg := range args {
		text, ok := strings.CutPrefix(arg, "pid:")
		if !ok && i == 0 {
			return nil, nil
		}
		pid, err := strconv.ParseUint(text, 10, 31)
		if !ok || err != nil || pid == 0 {
			return nil, cli.Usage("%q names no process: write pid:4711, and ask for objects in a command of their own", arg)
		}
		pids = append(pids, int(pid))
	}
	return pids, nil
}

// runWhoProcess shows what processes use, hold and wait for, each in its own IPC namespace.
func runWhoProcess(cmd *cobra.Command, pids []int, format string) error {
	var where []ref.Ref
	for _, pid := range pids {
		ns, err := namespace.OfProcess(pid)
		inode := inspect.CurrentNamespace()
		switch {
		case err == nil:
			inode = ns.Inode
		case cli.ExitCode(err) != cli.ExitNotFound:
			return err
		}
		where = append(where, ref.Ref{Text: fmt.Sprintf("pid:%d", pid), ID: pid, NS: inode})
	}
	if ref.Moved.Way == ref.OfAll {
		here := inspect.CurrentNamespace()
		where = slices.DeleteFunc(where, func(r ref.Ref) bool { return r.NS != here })
	}
	where, err := ref.Here(where)
	if err != nil {
		return err
	}
	snap, err := inspect.Take(cmd.Context(), seenTaking(cmd))
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	v := listing.NewView()
	var d *output.Document
	if format == "json" {
		d = output.StartDocument(w, "processes")
	}
	shown := 0
	var warnings []string
	for _, r := range where {
		p, err := inspect.FindProcess(r.ID)
		use := output.ProcessUseOf(snap, r.ID, p)
		if errors.Is(err, fs.ErrNotExist) && len(use.Uses)+len(use.Holds) == 0 {
			warnings = append(warnings, fmt.Sprintf("there is no process %d, and no object was used by it last", r.ID))
			continue
		}
		if shown++; d != nil {
			d.Add(use)
			continue
		}
		if shown > 1 {
			fmt.Fprintln(w)
		}
		if err := writeProcess(w, v, snap, use); err != nil {
			return err
		}
	}
	if d != nil {
		if err := d.End(append(slices.Clone(snap.Warnings), warnings...)); err != nil {
			return err
		}
	}
	if len(warnings) > 0 || shown == 0 {
		return cli.Fail(cli.ExitNotFound, "%s", strings.Join(warnings, "; "))
	}
	if snap.Complete {
		return nil
	}
	return incomplete(cmd, snap, d == nil)
}

// writeProcess shows a process to eyes.
func writeProcess(w io.Writer, v *listing.View, snap *inspect.Snapshot, p *output.ProcessUse) error {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d", p.PID)
	switch {
	case p.Comm != nil:
		fmt.Fprintf(&b, " (%s)", terminal.Escape(*p.Comm))
	case !p.Alive:
		b.WriteString(", which has ended")
	}
	if p.UID != nil {
		b.WriteString(", " + v.Users.Text(*p.UID))
	}
	fmt.Fprintf(&b, ", IPC namespace %d", snap.Namespace)
	for _, name := range []*string{p.Container, p.Unit} {
		if name != nil {
			b.WriteString(", " + terminal.Escape(*name))
		}
	}
	b.WriteByte('\n')
	for _, h := range p.Holds {
		pids := make([]string, len(h.Waiters))
		for i, pid := range h.Waiters {
			pids[i] = strconv.Itoa(pid)
		}
		probably := ""
		if h.Probably {
			probably = ", probably"
		}
		fmt.Fprintf(&b, "holds %s%s: it %s, and %s for that: %s\n", h.Ref, probably, h.Why, plural.Forms(len(pids), "thread waits", "threads wait"), strings.Join(pids, ", "))
	}
	tree := waitTree{snap: snap}
	for i := range snap.Waits {
		if wait := &snap.Waits[i]; wait.PID == p.PID {
			tree.line(&b, wait, 0)
		}
	}
	if len(p.Uses) == 0 {
		b.WriteString("no object is seen that it uses\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil || len(p.Uses) == 0 {
		return err
	}
	t := output.NewTable(output.Left("OBJECT"), output.Left("ROLE"), output.Right("TID"), output.Left("STATUS"), output.Left("EVIDENCE"))
	for _, use := range p.Uses {
		tid := "-"
		if use.TID != nil {
			tid = strconv.Itoa(*use.TID)
		}
		for _, cell := range []string{use.Ref, use.Role, tid, use.Status, terminal.Escape(use.Evidence)} {
			t.Add(cell)
		}
	}
	return t.Write(w)
}
