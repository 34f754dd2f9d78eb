package calls

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Table writes rows for eyes, at most so many, as they were counted in a time. 0 means all.
func Table(w io.Writer, rows []Row, in time.Duration, here uint64, most int) error {
	t := output.NewTable(
		output.Left("OBJECT"), output.Right("PID"), output.Left("COMM"), output.Left("CALL"), output.Right("CALLS"), output.Right("CALLS/S"),
		output.Right("P50"), output.Right("P99"), output.Right("MAX"), output.Right("IN ALL"), output.Left("ERRORS"), output.Left("PARTNERS"),
	)
	for i := range rows {
		if most > 0 && i == most {
			break
		}
		r := &rows[i]
		t.Add(Name(r.Object, here))
		t.Add(strconv.Itoa(r.PID))
		t.Add(terminal.Escape(r.Comm))
		t.Add(strings.TrimSpace(r.Op.String() + " " + r.cmd))
		t.Add(strconv.FormatUint(r.Count, 10))
		t.Add(rate(r.Count, in))
		for _, d := range []time.Duration{r.Quantile(0.5), r.Quantile(0.99), r.Max, r.Total} {
			if r.Count == r.Untimed {
				t.Add("?")
			} else {
				t.Add(Duration(d))
			}
		}
		t.Add(errnos(r.Errnos))
		t.Add(partners(r.Partners))
	}
	return t.Write(w)
}

func rate(n uint64, in time.Duration) string {
	if in <= 0 {
		return ""
	}
	perSecond := float64(n) / in.Seconds()
	if perSecond < 10 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}

// Duration writes a time in three digits: 1.23µs, 45.6ms, 12.3s.
func Duration(d time.Duration) string {
	if d < time.Microsecond {
		return d.String()
	}
	unit := time.Microsecond
	for _, next := range []time.Duration{time.Millisecond, time.Second} {
		if d >= next {
			unit = next
		}
	}
	digits := 2
	for limit := 10 * unit; d >= limit && digits > 0; limit *= 10 {
		digits--
	}
	return strconv.FormatFloat(float64(d)/float64(unit), 'f', digits, 64) + unit.String()[1:]
}

func errnos(list []output.ErrnoCount) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = fmt.Sprintf("%s:%d", e.Errno, e.Count)
	}
	return strings.Join(texts, " ")
}

// partners are the first few.
func partners(pids []int) string {
	const shown = 4
	texts := make([]string, 0, shown+1)
	for _, pid := range pids[:min(len(pids), shown)] {
		texts = append(texts, strconv.Itoa(pid))
	}
	if more := len(pids) - shown; more > 0 {
		texts = append(texts, fmt.Sprintf("+%d", more))
	}
	return strings.Join(texts, " ")
}

// Calls is how many calls the rows have.
func Calls(rows []Row) (n uint64) {
	for i := range rows {
		n += rows[i].Count
	}
	return n
}

// HandoverTable writes hand-overs for eyes.
func HandoverTable(w io.Writer, list []output.Handover) error {
	t := output.NewTable(
		output.Left("OBJECT"), output.Right("SEM"), output.Left("WAITER"), output.Left("GIVER"), output.Right("TIMES"),
		output.Right("WAITED"), output.Right("MAX"),
	)
	for i := range list {
		h := &list[i]
		t.Add(h.Ref)
		if h.SemNum != nil {
			t.Add(strconv.Itoa(*h.SemNum))
		} else {
			t.Add("")
		}
		t.Add(fmt.Sprintf("%d %s", h.To, terminal.Escape(h.ToComm)))
		if h.From != nil {
			t.Add(fmt.Sprintf("%d %s", *h.From, terminal.Escape(h.FromComm)))
		} else {
			t.Add("?")
		}
		t.Add(strconv.FormatUint(h.Count, 10))
		t.Add(Duration(time.Duration(h.Waited)))
		t.Add(Duration(time.Duration(h.Max)))
	}
	return t.Write(w)
}

// Graph writes hand-overs as a graph for dot(1): an edge leads from the process that gave to the one that took.
func Graph(w io.Writer, list []output.Handover) error {
	var b strings.Builder
	b.WriteString("digraph handovers {\n\trankdir=LR;\n\tnode [shape=box];\n")
	names := map[int]string{}
	for i := range list {
		h := &list[i]
		names[h.To] = h.ToComm
		if h.From != nil {
			names[*h.From] = h.FromComm
		}
	}
	pids := make([]int, 0, len(names))
	for pid := range names {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	for _, pid := range pids {
		fmt.Fprintf(&b, "\tp%d [label=%s];\n", pid, quote(fmt.Sprintf("%s %d", terminal.Escape(names[pid]), pid)))
	}
	for i := range list {
		h := &list[i]
		if h.From == nil {
			continue
		}
		label := h.Ref
		if h.SemNum != nil {
			label += fmt.Sprintf(" %d", *h.SemNum)
		}
		fmt.Fprintf(&b, "\tp%d -> p%d [label=%s];\n", *h.From, h.To, quote(fmt.Sprintf("%s: %d, waited %s", label, h.Count, Duration(time.Duration(h.Waited)))))
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// quote is a string of the DOT language, in which only quotes and a backslash before one have a meaning.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
