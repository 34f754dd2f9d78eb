package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/foreign"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/segread"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// decoding is how "show" reads what other programs keep in objects.
type decoding struct {
	as     string // "": what is certain
	attach bool
}

// check refuses layouts that do not exist, or are of objects of another kind.
func (d *decoding) check(refs []ref.Ref) error {
	if d.as == "" {
		if d.attach {
			return cli.Usage("--attach is for --as")
		}
		return nil
	}
	if !slices.Contains(foreign.Names, d.as) {
		return cli.Usage("--as %s: choose one of %s", d.as, strings.Join(foreign.Names, ", "))
	}
	for _, r := range refs {
		if !foreign.Wants(d.as, r.Kind) {
			return cli.Usage("--as %s is not for a %s such as %s", d.as, r.Kind, r.Text)
		}
	}
	return nil
}

// decode reads an object. Without --as what cannot be read, or is not recognised, is nil and no error.
func (d *decoding) decode(o *details) (*output.Decoded, error) {
	f := &foreign.Object{Kind: o.Kind, Key: o.Key}
	switch {
	case o.Set != nil && d.as != "":
		if o.hidden() {
			return nil, nil // which show reports
		}
		for _, s := range o.semaphores {
			f.Values = append(f.Values, *s.Value)
		}
	case o.Segment != nil:
		if ok, err := d.read(o, f); !ok {
			return nil, err
		}
	}
	as := d.as
	if as == "" {
		as = foreign.Guess(f)
	}
	if as == "" {
		return nil, nil
	}
	out, err := foreign.Decode(as, f)
	if err != nil {
		return nil, cli.Fail(cli.ExitFailed, "%s: %w", ref.Name(o.Kind, o.ID), err)
	}
	return out, nil
}

// read reads the beginning of a segment: all that a layout needs.
func (d *decoding) read(o *details, f *foreign.Object) (ok bool, err error) {
	var pids []int
	if o.Users != nil {
		for i := range o.Users.Users {
			if u := &o.Users.Users[i]; u.Role == inspect.Attached && !u.Elsewhere {
				pids = append(pids, u.PID)
			}
		}
	}
	v, err := segread.OpenThrough(o.ID, pids)
	if err != nil && d.attach {
		v, err = segread.Attach(o.ID)
	}
	if err != nil {
		if d.as == "" {
			return false, nil
		}
		return false, fmt.Errorf("%w (--attach attaches it for a moment)", err)
	}
	defer v.Close()
	if d.as == "" && !v.Spares() {
		return false, nil // to look at it would change how much of it is resident
	}
	f.Size = v.Size()
	// A sample of a clock that is written meanwhile is torn: it is read until two times agree.
	for range 10 {
		before := f.Bytes
		if f.Bytes, err = firstBytes(v); err != nil {
			break
		}
		if len(f.Bytes) > 4096 || slices.Equal(before, f.Bytes) {
			break
		}
	}
	return err == nil, err
}

func firstBytes(v *segread.View) ([]byte, error) {
	p := make([]byte, min(v.Size(), foreign.Most))
	n, err := v.ReadAt(p, 0)
	if err == io.EOF {
		err = nil
	}
	return p[:n], err
}

// writeDecoded shows to eyes what is in an object.
func writeDecoded(w io.Writer, d *output.Decoded) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, terminal.Escape(fmt.Sprintf(format, args...)))
	}
	line("holds", "%s", map[string]string{
		"ntp": "a reference clock of NTP", "php": "variables of PHP", "semian": "a resource of Semian", "postgres": "the header of PostgreSQL's memory",
	}[d.As])
	var err error
	switch {
	case d.NTP != nil:
		writeClock(line, d.NTP)
	case d.PHP != nil:
		line("free", "%d of %d bytes", d.PHP.Free, d.PHP.Total)
		if d.PHP.Why != nil {
			line("missing", "%s", *d.PHP.Why)
		}
		t := output.NewTable(output.Right("VARIABLE"), output.Left("TYPE"), output.Right("LENGTH"), output.Left("VALUE"))
		for _, v := range d.PHP.Variables {
			value := "?"
			if v.Value != nil {
				value = string(v.Value)
			}
			for _, cell := range []string{fmt.Sprint(v.Key), v.Type, fmt.Sprint(v.Length), value} {
				t.Add(cell)
			}
		}
		if len(d.PHP.Variables) > 0 {
			err = t.Write(&b)
		}
	case d.Semian != nil:
		s := d.Semian
		line("tickets", "%d of %d are taken", s.Taken, s.Configured)
		line("workers", "%d", s.Workers)
		line("lock", "%s", map[int]string{0: "held", 1: "free"}[s.Lock])
	case d.Postgres != nil:
		h := d.Postgres
		line("postmaster", "process %d, %d bits", h.Creator, h.Bits)
		line("data", "inode %d on device %d:%d", h.Inode, h.Device>>8&0xfff, h.Device&0xff|h.Device>>12&0xfff00)
		line("header", "%d bytes, %d used, dsm_control %d", h.Total, h.Free, h.Control)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func writeClock(line func(name, format string, args ...any), c *output.NTPClock) {
	if c.Unit != nil {
		line("unit", "%d", *c.Unit)
	}
	state := "taken already, or none"
	if c.Valid {
		state = "valid"
	}
	line("sample", "%d, %s (mode %d, %d bits)", c.Count, state, c.Mode, c.Bits)
	switch {
	case c.Offset == nil:
		line("offset", "?")
	default:
		line("offset", "%+.9f s: the clock minus this machine's", *c.Offset)
	}
	if c.SampleAge == nil {
		line("received", "?")
	} else {
		line("received", "%s (%s ago)", c.Received.Format("2006-01-02T15:04:05.000000000Z"), arg.FormatAge(int64(*c.SampleAge)))
	}
	line("leap", "%d, precision 2^%d s, %d samples", c.Leap, c.Precision, c.Samples)
}
