// Package calls shows what a trace counted: as a table, as JSON, and as hand-overs between processes.
package calls

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/trace"
)

// Row counts the calls of one process on one object, whatever their results.
type Row struct {
	trace.Object
	trace.Process
	Op      trace.Op
	Command int

	Count, Failed, Untimed uint64
	Total, Max             time.Duration
	Latency                trace.Histogram
	Errnos                 []output.ErrnoCount // most first
	Partners               []int
	cmd                    string
}

type rowKey struct {
	trace.Object
	trace.Process
	Op      trace.Op
	Command int
}

// Rows adds up what was counted, for those objects that want is true for; nil means all. Those whose calls took longest
// come first.
func Rows(calls []trace.Call, want func(trace.Object) bool) []Row {
	rows := map[rowKey]*Row{}
	users := map[trace.Object][]int{}
	for i := range calls {
		c := &calls[i]
		if want != nil && !want(c.Object) {
			continue
		}
		k := rowKey{c.Object, c.Process, c.Op, c.Command}
		r := rows[k]
		if r == nil {
			r = &Row{Object: c.Object, Process: c.Process, Op: c.Op, Command: c.Command, cmd: c.CommandName()}
			rows[k] = r
			if c.ID >= 0 && !slices.Contains(users[c.Object], c.PID) {
				users[c.Object] = append(users[c.Object], c.PID)
			}
		}
		r.Count += c.Count
		r.Untimed += c.Untimed
		r.Total += c.Total
		r.Max = max(r.Max, c.Max)
		r.Latency.Add(&c.Latency)
		if c.Errno != 0 {
			r.Failed += c.Count
			r.Errnos = append(r.Errnos, output.ErrnoCount{Errno: c.Result(), Count: c.Count})
		}
	}
	list := make([]Row, 0, len(rows))
	for _, r := range rows {
		slices.SortFunc(r.Errnos, func(a, b output.ErrnoCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Errno, b.Errno))
		})
		for _, pid := range users[r.Object] {
			if pid != r.PID {
				r.Partners = append(r.Partners, pid)
			}
		}
		slices.Sort(r.Partners)
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(b.Count, a.Count), cmp.Compare(a.PID, b.PID), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Command, b.Command))
	})
	return list
}

// Quantile is that of the latencies, and no more than the longest.
func (r *Row) Quantile(q float64) time.Duration { return min(r.Latency.Quantile(q), r.Max) }

// Since subtracts what was counted before: what remains is what happened since. The longest call is not known of that time.
func Since(now, before []Row) []Row {
	was := map[rowKey]*Row{}
	for i := range before {
		r := &before[i]
		was[rowKey{r.Object, r.Process, r.Op, r.Command}] = r
	}
	var list []Row
	for _, r := range now {
		if b := was[rowKey{r.Object, r.Process, r.Op, r.Command}]; b != nil {
			r.Count -= b.Count
			r.Failed -= b.Failed
			r.Untimed -= b.Untimed
			r.Total -= b.Total
			r.Errnos = errnosSince(r.Errnos, b.Errnos)
			for i := range r.Latency {
				r.Latency[i] -= b.Latency[i]
			}
		}
		if r.Count > 0 {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b Row) int { return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(b.Count, a.Count)) })
	return list
}

func errnosSince(now, before []output.ErrnoCount) (list []output.ErrnoCount) {
	for _, e := range now {
		for _, b := range before {
			if b.Errno == e.Errno {
				e.Count -= b.Count
			}
		}
		if e.Count > 0 {
			list = append(list, e)
		}
	}
	return list
}

// Name is the object's REF, with its namespace if that is not here.
func Name(o trace.Object, here uint64) string {
	switch name := o.Ref(); {
	case name == "":
		return "-"
	case o.Namespace != here:
		return fmt.Sprintf("ns=%d/%s", o.Namespace, name)
	default:
		return name
	}
}

// JSON is the row as it is published.
func (r *Row) JSON(here uint64) *output.Call {
	c := &output.Call{
		NS: r.Namespace, Type: output.Type(r.Kind), Op: r.Op.String(), PID: r.PID, Comm: r.Comm, Count: r.Count, Errors: r.Failed, Errnos: r.Errnos,
		Untimed: r.Untimed, Total: int64(r.Total), P50: int64(r.Quantile(0.5)), P99: int64(r.Quantile(0.99)), Max: int64(r.Max), Partners: r.Partners,
	}
	c.Ref, c.ID = named(r.Object, here)
	c.Cmd = text(r.cmd)
	return c
}

// EventJSON is an event as it is published.
func EventJSON(e *trace.Event, here uint64) *output.CallEvent {
	out := &output.CallEvent{
		Time: e.Time, NS: e.Namespace, Type: output.Type(e.Kind), Op: e.Op.String(), Cmd: text(e.CommandName()), PID: e.PID, TID: e.TID, Comm: e.Comm,
		Result: e.Result, Text: e.String(),
	}
	out.Ref, out.ID = named(e.Object, here)
	if errno := e.Errno(); errno != 0 {
		name := trace.ErrnoName(errno)
		out.Errno, out.Result = &name, -1
	}
	if e.Took >= 0 {
		took := int64(e.Took)
		out.Took = &took
	}
	return out
}

func named(o trace.Object, here uint64) (*string, *int) {
	if o.ID < 0 {
		return nil, nil
	}
	name := Name(o, here)
	return &name, &o.ID
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
