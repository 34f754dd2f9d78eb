package region

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/shape"
)

func newShow() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "show REGION",
		Short: "Show what is in a region, and who has it open",
		Long: `Show what is in a region, with the types as Go declares them, and the processes that have
it open. One that was killed and is not alive stands there until another process that
sleeps in the region, or opens it, or "sysvipc region reap" has brought its work into
order.

Last come those for whom others wait, or may have to: the holders of each mutex and rwmutex,
and the gated subscribers of each topic, with how many messages they are behind.

-o json has the fields of each type, with their kinds, counts, sizes and offsets.`,
		Example: `  sysvipc region show orders
  sysvipc region show shm:5 -o json`,
		Args:              takes(0, 0, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return runShow(cmd, args[0], format) }),
	}
	flags.Output(cmd, &format, "table", "json")
	return cmd
}

func runShow(cmd *cobra.Command, arg, format string) error {
	p, err := find(arg)
	if err != nil {
		return err
	}
	o, err := p.look()
	if err != nil {
		return err
	}
	defer o.Close()
	line, err := lineOf(o, p.ref())
	if err != nil {
		return err
	}
	structures, err := all(&o.Region)
	if err != nil {
		return err
	}
	users, err := o.Participants()
	if err != nil {
		return err
	}
	holds, err := holdsOf(o)
	if err != nil {
		return err
	}
	if format == "json" {
		d := output.StartDocument(cmd.OutOrStdout(), "regions")
		r := line.region()
		r.RegionContents = &output.RegionContents{Structures: structuresJSON(structures), Processes: participantsJSON(users), Holds: holdsJSON(holds, users)}
		d.Add(r)
		return d.End(nil)
	}
	return errors.Join(writeRegion(cmd.OutOrStdout(), line, structures, users), writeHolds(cmd.OutOrStdout(), holds, users))
}

// hold is a process that holds a structure.
type hold struct {
	of *dynamic.Description
	dynamic.Hold
}

func holdsOf(o *dynamic.Observer) (all []hold, err error) {
	structures, err := o.All()
	for _, s := range structures {
		held, ok := s.(interface {
			Holds() ([]dynamic.Hold, error)
		})
		if !ok {
			continue
		}
		holds, err := held.Holds()
		if err != nil {
			return nil, err
		}
		for _, h := range holds {
			all = append(all, hold{s.Describe(), h})
		}
	}
	return all, err
}

// pid returns the process that holds it, or 0 if that cannot be known.
func (h hold) pid(all []shared.Participant) int {
	for _, p := range all {
		if p.Slot == h.Slot {
			return p.PID
		}
	}
	return 0
}

func holdsJSON(holds []hold, all []shared.Participant) []output.Hold {
	out := make([]output.Hold, len(holds))
	for i := range holds {
		h := &holds[i]
		out[i] = output.Hold{Structure: h.of.Name, Role: string(h.Role)}
		if pid := h.pid(all); pid != 0 {
			out[i].PID, out[i].Slot = &pid, &h.Slot
		} else {
			out[i].Unknown = []string{"pid", "slot"}
		}
		switch h.Role {
		case dynamic.HoldLocks:
			out[i].TID = &h.TID
		case dynamic.HoldReads:
			out[i].Reads = &h.N
		case dynamic.HoldSubscribes:
			out[i].Behind = &h.N
		}
	}
	return out
}

// said is what a process does with the structure, so that others wait.
func (h hold) said() string {
	switch {
	case h.Role == dynamic.HoldLocks && h.Slot < 0:
		return fmt.Sprintf("has locked it, by thread %d", h.TID)
	case h.Role == dynamic.HoldLocks:
		return "has locked it"
	case h.Role == dynamic.HoldReads && h.N > 1:
		return fmt.Sprintf("reads, %d times", h.N)
	case h.Role == dynamic.HoldReads:
		return "reads"
	case h.N >= uint64(h.of.Cap):
		return fmt.Sprintf("holds up publishers, %d messages behind", h.N)
	}
	return fmt.Sprintf("is subscribed, %d messages behind", h.N)
}

func writeHolds(w io.Writer, holds []hold, all []shared.Participant) error {
	if len(holds) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := output.NewTable(output.Left("HELD"), output.Left("KIND"), output.Right("PROCESS"), output.Left("NAME"), output.Left("WHICH"))
	for _, h := range holds {
		pid, name := "-", "-"
		if n := h.pid(all); n != 0 {
			pid, name = strconv.Itoa(n), terminal.Escape(commOf(n))
		}
		for _, cell := range []string{terminal.Escape(h.of.Name), terminal.Escape(h.of.Kind), pid, name, h.said()} {
			t.Add(cell)
		}
	}
	return t.Write(w)
}

func structuresJSON(structures []*dynamic.Description) []output.Structure {
	out := make([]output.Structure, len(structures))
	for i := range structures {
		d := structures[i]
		out[i] = output.Structure{Name: d.Name, Kind: d.Kind, Offset: d.Offset, Size: d.Size, Type: typeJSON(d.Type), Key: typeJSON(d.Key)}
		if d.Cap > 0 {
			out[i].Capacity = &d.Cap
		}
	}
	return out
}

// typeJSON is a type, or nil.
func typeJSON(typ *shape.Type) *output.StructureType {
	if typ == nil {
		return nil
	}
	return &output.StructureType{Go: typ.GoString(), Size: typ.Size(), Fields: typeFields([]shape.Field{typ.Root()})}
}

func typeFields(fields []shape.Field) (out []output.TypeField) {
	for i := range fields {
		f := &fields[i]
		field := output.TypeField{Name: f.Name, Kind: cmp.Or(f.Kind, "struct"), Size: f.Size, Offset: f.Offset, Fields: typeFields(f.Fields)}
		if f.Count > 0 {
			field.Count = &f.Count
		}
		out = append(out, field)
	}
	return out
}

func participantsJSON(all []shared.Participant) []output.Participant {
	out := make([]output.Participant, len(all))
	for i, p := range all {
		out[i] = output.Participant{Slot: p.Slot, Incarnation: uint64(p.Incarnation), PID: p.PID, UID: p.UID, Joined: p.Joined, Alive: p.Alive}
		if p.Alive {
			out[i].Comm = output.OrNil(commOf(p.PID))
		}
	}
	return out
}

func writeRegion(w io.Writer, l summary, structures []*dynamic.Description, all []shared.Participant) error {
	name := ""
	if l.info.Name != "" && !strings.HasPrefix(l.ref, "file:") {
		name = " " + terminal.Escape(l.info.Name)
	}
	fmt.Fprintf(w, "Region%s in %s, made %s\n", name, terminal.Escape(l.ref), l.info.Created.Format(time.DateTime))
	fmt.Fprintf(w, "%s, of which %s are used; %d of %d structures, %d of %d processes\n",
		arg.FormatSize(l.info.Size), arg.FormatSize(l.info.Used), l.structures, l.info.Entries, l.participants, l.info.Participants)
	if len(structures) > 0 {
		fmt.Fprintln(w)
		t := output.NewTable(output.Left("STRUCTURE"), output.Left("KIND"), output.Right("CAPACITY"), output.Right("BYTES"), output.Left("TYPE"))
		for _, d := range structures {
			capacity := "-"
			if d.Cap > 0 {
				capacity = strconv.Itoa(d.Cap)
			}
			for _, cell := range []string{terminal.Escape(d.Name), terminal.Escape(d.Kind), capacity, arg.FormatSize(d.Size), typeText(d)} {
				t.Add(cell)
			}
		}
		if err := t.Write(w); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	users := account.Names{Lookup: account.User}
	t := output.NewTable(output.Right("PROCESS"), output.Left("NAME"), output.Left("USER"), output.Right("SLOT"), output.Right("INCARNATION"), output.Left("JOINED"))
	for _, p := range all {
		name := terminal.Escape(commOf(p.PID))
		if !p.Alive {
			name = "killed, and not reaped"
		}
		for _, cell := range []string{
			strconv.Itoa(p.PID), name, users.Text(p.UID), strconv.Itoa(p.Slot), strconv.FormatUint(uint64(p.Incarnation), 10), p.Joined.Format(time.DateTime),
		} {
			t.Add(cell)
		}
	}
	return t.Write(w)
}

// typeText is the type for eyes: as Go would have it, cut where it is long.
func typeText(d *dynamic.Description) string {
	if d.Type == nil {
		return "-"
	}
	text := d.Type.GoString()
	if d.Key != nil {
		text = "map[" + d.Key.GoString() + "]" + text
	}
	if runes := []rune(terminal.Escape(text)); len(runes) > 120 {
		return string(runes[:119]) + "…"
	}
	return terminal.Escape(text)
}
