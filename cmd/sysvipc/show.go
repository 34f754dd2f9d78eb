package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/foreign"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/contents"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newShowCommand() *cobra.Command {
	var format string
	var dec decoding
	cmd := &cobra.Command{
		Use:     "show REF…",
		Aliases: []string{"stat"},
		GroupID: verb.GroupLook,
		Short:   "Show all that the kernel keeps of objects",
		Long: `Show all that the kernel keeps of objects, below the paragraph of "sysvipc explain". Of a
semaphore set that includes each value, its last operator (PID), how many threads wait to
acquire it (NCNT), and how many wait for zero (ZCNT). Of a queue that includes its
messages by type and by size: FIRST is the place in the queue of the first message of a
type, 0 being the front, so a type that no process receives stays in front. With each
object stand its users, as "sysvipc who" shows them, and whether it can be removed, as
"sysvipc gc" judges. Looking changes nothing.

--as shows what another program keeps in an object, by its layout:
  ntp       a reference clock of ntpd and chronyd: its last sample, offset and age
  php       the variables that shm_put_var left
  semian    the tickets and workers of a resource of Semian
  postgres  the header by which a server keeps another one from its data
What is certainly one of these is shown so by itself, Semian's sets apart. A segment is
read through a process that has it attached; --attach attaches it for a moment if there
is none, which the kernel notes.

What cannot be seen from here is shown as a question mark, and as null in JSON; then the
exit code is 4.`,
		Example: `  sysvipc show shm:5
  sysvipc show sem:key=0x4d2 msg:name=orders -o json
  sysvipc show shm:key=0x4e545032 --as ntp
  sysvipc ls --mine -o name | sysvipc show -`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return runShow(cmd, args, format, &dec) },
	}
	f := cmd.Flags()
	f.StringVar(&dec.as, "as", "", "also what is in it, by the layout of `PROGRAM`: "+strings.Join(foreign.Names, ", "))
	f.BoolVar(&dec.attach, "attach", false, "attach a segment for --as, if no process has it attached")
	flags.Output(cmd, &format, "table", "json")
	flags.Complete(cmd, "as", flags.Words(foreign.Names...))
	return cmd
}

// details are an object with all that can be found out about it.
type details struct {
	listing.Entry
	semaphores []output.Semaphore
	contents   *contents.Contents // nil if this user may not read them
	decoded    *output.Decoded
}

func runShow(cmd *cobra.Command, args []string, format string, dec *decoding) error {
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err == nil {
		err = dec.check(refs)
	}
	if err != nil {
		return err
	}
	v := listing.NewView()
	w := cmd.OutOrStdout()
	var d *output.Document
	if format == "json" {
		d = output.StartDocument(w, "objects")
	}
	var warnings []string
	shown, hidden := 0, false
	note := func(err error) { warnings = append(warnings, cli.Text(err)) }
	snap, err := inspect.Take(cmd.Context(), nil)
	if err != nil {
		return err
	}
	first := verb.Each(cmd, refs, note, func(r ref.Ref, id int) error {
		o, err := detail(snap, r.Kind, id)
		if err != nil {
			return err
		}
		if o.Queue != nil {
			if o.contents, err = contents.Count(cmd.Context(), sysvipc.QueueByID(id), mostCounted); errors.Is(err, sysvipc.ErrRemoved) || cmd.Context().Err() != nil {
				return err
			} else if err != nil {
				note(err)
			}
		}
		if o.hidden() {
			warnings = append(warnings, fmt.Sprintf("%s: its mode does not let this user read its values", ref.Name(r.Kind, id)))
		}
		if o.Users == nil || len(o.Users.Unknown) > 0 {
			hidden = true
		}
		var failed error
		o.decoded, failed = dec.decode(o)
		if shown++; d != nil {
			d.Add(o.shown(v))
			return failed
		}
		if shown > 1 {
			fmt.Fprintln(w)
		}
		return cmp.Or(o.write(w, v, snap), failed)
	})
	if d != nil {
		all := warnings
		if hidden && len(all) == 0 {
			all = unseen(snap)
		}
		if err := d.End(all); err != nil {
			return err
		}
	}
	if first == nil && len(warnings) > 0 {
		return &cli.Error{Code: cli.ExitNotPermitted, Err: errors.New(strings.Join(warnings, "; "))}
	}
	return first
}

// detail asks for everything. What came after the snapshot was taken has no users yet.
func detail(snap *inspect.Snapshot, kind sysvipc.Kind, id int) (*details, error) {
	e, err := listing.Stat(kind, id)
	if err != nil {
		return nil, err
	}
	e.Users = snap.Object(kind, id)
	o := &details{Entry: e}
	if e.Set != nil {
		o.semaphores, err = readSemaphores(e.Set)
	}
	return o, err
}

// readSemaphores reads the values at one instant, and the rest one after the other. To
// who may not read the set, all is unknown.
func readSemaphores(st *sysvipc.SemaphoreSetStat) ([]output.Semaphore, error) {
	set := sysvipc.SemaphoresByID(st.ID)
	all := make([]output.Semaphore, st.Len)
	values, err := set.Values()
	if errors.Is(err, fs.ErrPermission) {
		for i := range all {
			all[i] = output.Semaphore{Index: i, Unknown: []string{"value", "pid", "ncnt", "zcnt"}}
		}
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range all {
		acquire, zero, err := set.At(i).Waiters()
		if err != nil {
			return nil, err
		}
		pid, err := set.At(i).LastPID()
		if err != nil {
			return nil, err
		}
		all[i] = output.Semaphore{Index: i, Value: &values[i], NCnt: &acquire, ZCnt: &zero}
		if pid != 0 {
			all[i].PID = &pid
		}
	}
	return all, nil
}

func (o *details) hidden() bool {
	return len(o.semaphores) > 0 && o.semaphores[0].Value == nil
}

// shown is the JSON of the object.
func (o *details) shown(v *listing.View) *output.ShownObject {
	shown := &output.ShownObject{Object: o.Published(v), Decoded: o.decoded}
	switch {
	case o.Set != nil:
		shown.Semaphores = &output.Semaphores{Semaphores: o.semaphores}
	case o.Queue != nil:
		shown.Contents = o.contents.Published()
		if o.contents == nil {
			shown.Unknown = append([]string{"counted", "types"}, shown.Unknown...)
		}
	}
	return shown
}

// write shows the object to eyes: a paragraph, a line for each field, and tables of the semaphores or messages.
func (o *details) write(w io.Writer, v *listing.View, snap *inspect.Snapshot) error {
	var b strings.Builder
	if o.Users != nil {
		b.WriteString(paragraph(snap, o.Users) + "\n\n")
	}
	for i := range listing.Columns {
		c := &listing.Columns[i]
		val := c.Of(v, &o.Entry)
		if val.State == listing.Absent {
			continue
		}
		shown := c.Type.ForEyes(val, true)
		if c.Type == listing.TypeTime && val.State == listing.Known {
			shown += " (" + arg.FormatAge(int64(v.Now.Sub(time.Unix(val.N, 0)).Seconds())) + " ago)"
		}
		if c.Type == listing.TypeSize && val.State == listing.Known && val.N >= 10000 {
			shown += " (" + arg.FormatSize(val.N) + ")"
		}
		fmt.Fprintf(&b, "%-10s %s\n", c.Name, shown)
	}
	if o.Users != nil {
		writeVerdict(&b, o.Users)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if o.Users != nil && len(o.Users.Users) > 0 {
		if err := writeUsers(w, v, o.Users); err != nil {
			return err
		}
	}
	if o.decoded != nil {
		if err := writeDecoded(w, o.decoded); err != nil {
			return err
		}
	}
	switch {
	case o.Queue != nil:
		return writeContents(w, o.contents, o.Queue.Messages)
	case o.Set == nil:
		return nil
	}
	t := output.NewTable(output.Right("INDEX"), output.Right("VALUE"), output.Right("PID"), output.Right("NCNT"), output.Right("ZCNT"))
	for i, s := range o.semaphores {
		t.Add(strconv.Itoa(i))
		for _, n := range []*int{s.Value, s.PID, s.NCnt, s.ZCnt} {
			switch {
			case n != nil:
				t.Add(strconv.Itoa(*n))
			case len(s.Unknown) > 0:
				t.Add("?")
			default:
				t.Add("-")
			}
		}
	}
	return t.Write(w)
}
