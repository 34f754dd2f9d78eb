package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/account"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/arg"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/flags"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/terminal"
	"github.com/sysvipc/sysvipc/shared"
)

func newRegionShowCommand() *cobra.Command {
	var output string
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
		Args:              withRegion(0, 0, ""),
		ValidArgsFunction: completeRegions,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return runRegionShow(cmd, args[0], output) }),
	}
	flags.Output(cmd, &output, "table", "json")
	return cmd
}

func runRegionShow(cmd *cobra.Command, arg, output string) error {
	p, err := findRegion(arg)
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
	things, err := o.Things()
	if err != nil {
		return err
	}
	all, err := o.Participants()
	if err != nil {
		return err
	}
	holds, err := holdsOf(o, things)
	if err != nil {
		return err
	}
	if output == "json" {
		d := startDocument(cmd.OutOrStdout(), "regions")
		d.add(append(line.record(), field{"things", thingRecords(things)}, field{"processes", participantRecords(all)}, field{"holds", holdRecords(holds, all)}))
		return d.end(nil)
	}
	return errors.Join(writeRegion(cmd.OutOrStdout(), line, things, all), writeHolds(cmd.OutOrStdout(), holds, all))
}

// regionHold is who holds a thing.
type regionHold struct {
	thing shared.Thing
	shared.Hold
}

func holdsOf(o *shared.Observer, things []shared.Thing) (all []regionHold, err error) {
	for _, d := range things {
		a, err := o.Any(d.Name)
		if err != nil {
			return nil, err
		}
		holds, err := a.Holds()
		if err != nil {
			return nil, err
		}
		for _, h := range holds {
			all = append(all, regionHold{d, h})
		}
	}
	return all, nil
}

// pid returns the process that holds it, or 0 if that cannot be known.
func (h regionHold) pid(all []shared.Participant) int {
	for _, p := range all {
		if p.Slot == h.Slot {
			return p.PID
		}
	}
	return 0
}

func holdRecords(holds []regionHold, all []shared.Participant) []record {
	out := []record{}
	for _, h := range holds {
		r := record{{"thing", h.thing.Name}, {"pid", nil}, {"slot", nil}, {"role", string(h.Role)}, {"tid", nil}, {"reads", nil}, {"behind", nil}}
		if pid := h.pid(all); pid != 0 {
			r[1].value, r[2].value = pid, h.Slot
		}
		switch h.Role {
		case shared.HoldLocks:
			r[4].value = h.TID
		case shared.HoldReads:
			r[5].value = h.N
		case shared.HoldSubscribes:
			r[6].value = h.N
		}
		out = append(out, r)
	}
	return out
}

// said tells what a process does with the thing, for others to wait.
func (h regionHold) said() string {
	switch {
	case h.Role == shared.HoldLocks && h.Slot < 0:
		return fmt.Sprintf("has locked it, by thread %d", h.TID)
	case h.Role == shared.HoldLocks:
		return "has locked it"
	case h.Role == shared.HoldReads && h.N > 1:
		return fmt.Sprintf("reads, %d times", h.N)
	case h.Role == shared.HoldReads:
		return "reads"
	case h.N >= uint64(h.thing.Capacity):
		return fmt.Sprintf("holds up publishers, %d messages behind", h.N)
	}
	return fmt.Sprintf("is subscribed, %d messages behind", h.N)
}

func writeHolds(w io.Writer, holds []regionHold, all []shared.Participant) error {
	if len(holds) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(tableColumn{"HELD", false}, tableColumn{"KIND", false}, tableColumn{"PROCESS", true}, tableColumn{"NAME", false}, tableColumn{"WHICH", false})
	for _, h := range holds {
		pid, name := "-", "-"
		if n := h.pid(all); n != 0 {
			pid, name = strconv.Itoa(n), terminal.Escape(commOf(n))
		}
		for _, cell := range []string{terminal.Escape(h.thing.Name), terminal.Escape(h.thing.Kind), pid, name, h.said()} {
			t.add(cell)
		}
	}
	return t.write(w)
}

func thingRecords(things []shared.Thing) []record {
	out := []record{}
	for _, d := range things {
		r := record{{"name", d.Name}, {"kind", d.Kind}, {"offset", d.Offset}, {"size", d.Size}, {"capacity", nil}, {"type", typeRecord(d.Type)}}
		if d.Capacity > 0 {
			r[4].value = d.Capacity
		}
		if d.Key != nil {
			r = append(r, field{"key", typeRecord(d.Key)})
		}
		out = append(out, r)
	}
	return out
}

// typeRecord is a type, or nil.
func typeRecord(typ *shared.Type) any {
	if typ == nil {
		return nil
	}
	return record{{"go", typ.GoString()}, {"size", typ.Size()}, {"fields", fieldRecords([]shared.Field{typ.Root()})}}
}

func fieldRecords(fields []shared.Field) []record {
	out := []record{}
	for _, f := range fields {
		kind, count := any(f.Kind), any(nil)
		if f.Kind == "" {
			kind = "struct"
		}
		if f.Count > 0 {
			count = f.Count
		}
		r := record{{"name", f.Name}, {"kind", kind}, {"count", count}, {"size", f.Size}, {"offset", f.Offset}}
		if len(f.Fields) > 0 {
			r = append(r, field{"fields", fieldRecords(f.Fields)})
		}
		out = append(out, r)
	}
	return out
}

func participantRecords(all []shared.Participant) []record {
	out := []record{}
	for _, p := range all {
		var comm any
		if name := commOf(p.PID); p.Alive && name != "" {
			comm = name
		}
		out = append(out, record{
			{"slot", p.Slot},
			{"incarnation", int64(p.Incarnation)},
			{"pid", p.PID},
			{"comm", comm},
			{"uid", p.UID},
			{"joined", p.Joined},
			{"alive", p.Alive},
		})
	}
	return out
}

func writeRegion(w io.Writer, l regionLine, things []shared.Thing, all []shared.Participant) error {
	name := ""
	if l.info.Name != "" && !strings.HasPrefix(l.ref, "file:") {
		name = " " + terminal.Escape(l.info.Name)
	}
	fmt.Fprintf(w, "Region%s in %s, made %s\n", name, terminal.Escape(l.ref), l.info.Created.Format(time.DateTime))
	fmt.Fprintf(w, "%s, of which %s are used; %d of %d things, %d of %d processes\n",
		arg.FormatSize(l.info.Size), arg.FormatSize(l.info.Used), l.things, l.info.Entries, l.participants, l.info.Participants)
	if len(things) > 0 {
		fmt.Fprintln(w)
		t := newTable(tableColumn{"THING", false}, tableColumn{"KIND", false}, tableColumn{"CAPACITY", true}, tableColumn{"BYTES", true}, tableColumn{"TYPE", false})
		for _, d := range things {
			capacity := "-"
			if d.Capacity > 0 {
				capacity = strconv.Itoa(d.Capacity)
			}
			for _, cell := range []string{terminal.Escape(d.Name), terminal.Escape(d.Kind), capacity, arg.FormatSize(d.Size), thingType(d)} {
				t.add(cell)
			}
		}
		if err := t.write(w); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	users := account.Names{Lookup: account.User}
	t := newTable(tableColumn{"PROCESS", true}, tableColumn{"NAME", false}, tableColumn{"USER", false}, tableColumn{"SLOT", true}, tableColumn{"INCARNATION", true}, tableColumn{"JOINED", false})
	for _, p := range all {
		name := terminal.Escape(commOf(p.PID))
		if !p.Alive {
			name = "killed, and not reaped"
		}
		for _, cell := range []string{
			strconv.Itoa(p.PID), name, users.Text(p.UID), strconv.Itoa(p.Slot), strconv.FormatUint(uint64(p.Incarnation), 10), p.Joined.Format(time.DateTime),
		} {
			t.add(cell)
		}
	}
	return t.write(w)
}

// thingType is the type for eyes: as Go would have it, cut where it is long.
func thingType(d shared.Thing) string {
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
