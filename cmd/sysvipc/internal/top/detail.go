package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
)

// detailPane is the line of tabs, and height lines of the tab that is open.
func (m *Model) detailPane(height int) []string {
	o := m.object()
	if o == nil {
		return nil
	}
	out := []string{m.paint.paint(m.tabLine(o), m.width, false)}
	var lines []line
	switch m.detail.tab {
	case tabUsers:
		lines = m.scrolled(1+len(o.Users), height, func(i int) line { return m.userLine(o, i) })
	case tabWhy:
		all := m.whyLines(o)
		lines = m.scrolled(len(all), height, func(i int) line { return all[i] })
	case tabTrend:
		lines = m.trendLines(o, height)
	default:
		switch {
		case o.Segment != nil:
			lines = m.hexLines(o, height)
		case o.Set != nil:
			lines = m.semaphoreLines(o, height)
		default:
			all := m.messageLines(o)
			lines = m.scrolled(len(all), height, func(i int) line { return all[i] })
		}
	}
	for _, l := range lines {
		out = append(out, m.paint.paint(l, m.width, false))
	}
	return out
}

// scrolled makes only the lines that are on the screen.
func (m *Model) scrolled(n, height int, at func(int) line) []line {
	m.detail.top = max(0, min(m.detail.top, n-height))
	var lines []line
	for i := m.detail.top; i < min(n, m.detail.top+height); i++ {
		lines = append(lines, at(i))
	}
	return lines
}

// tabPlaces are the columns that each tab's name takes.
func (m *Model) tabPlaces() (places [len(tabs)][2]int) {
	o := m.object()
	if o == nil {
		return places
	}
	x := width(m.rule()+o.Ref()) + 2
	for i := range tabs {
		n := width(tabName(i, o)) + 2
		places[i] = [2]int{x, x + n}
		x += n + 1
	}
	return places
}

func (m *Model) rule() string { return m.paint.pick("── ", "-- ") }

func tabName(i int, o *inspect.Object) string {
	if i == tabInside {
		return insideName(o)
	}
	return tabs[i]
}

func (m *Model) tabLine(o *inspect.Object) line {
	var l line
	l.add(dim, m.rule())
	l.add(bold, o.Ref()+"  ")
	for i := range tabs {
		name := tabName(i, o)
		if i == m.detail.tab {
			if m.paint.Plain {
				l.add(plain, "["+name+"]")
			} else {
				l.add(reversed, " "+name+" ")
			}
		} else {
			l.add(plain, " "+name+" ")
		}
		l.add(plain, " ")
	}
	if rest := m.width - l.width() - 1; rest > 0 {
		l.add(dim, strings.Repeat(m.paint.pick("─", "-"), rest))
	}
	return l
}

// userLine is the headings, or one user.
func (m *Model) userLine(o *inspect.Object, i int) line {
	p := m.paint
	if i == 0 {
		if len(o.Users) == 0 {
			return line{{dim, "no users are seen"}}
		}
		return line{{bold, "    PID COMMAND          USER     ROLE          STATUS  EVIDENCE"}}
	}
	u := &o.Users[i-1]
	pid, comm, owner := "?", "-", "-"
	if u.PID != 0 {
		pid = strconv.Itoa(u.PID)
	}
	if c := u.Comm(); c != "" {
		comm = m.machine.Text(c)
	}
	if u.Process != nil && u.Status != inspect.Reused && u.Process.UID >= 0 {
		owner = m.machine.Owner(u.Process.UID)
	}
	s := plain
	switch {
	case u.Role == inspect.Waiting:
		s = yellow
	case u.Role == inspect.Attached:
		s = green
	case u.Status == inspect.Dead || u.Status == inspect.Reused:
		s = dim
	}
	where := ""
	if u.Process != nil && u.Status != inspect.Reused {
		where = strings.Join(strings.Fields(m.machine.Text(u.Process.Container+" "+u.Process.Unit)), " ")
	}
	if where != "" {
		where += ": "
	}
	return line{
		{plain, p.fitRight(pid, 7) + " "},
		{bold, p.fit(comm, 16) + " "},
		{plain, p.fit(owner, 8) + " "},
		{s, p.fit(string(u.Role), 13) + " " + p.fit(u.Status.String(), 7) + " "},
		{dim, where + m.machine.Text(u.Evidence())},
	}
}

// whyLines are the verdict with its reasons, and what the kernel keeps of the object.
func (m *Model) whyLines(o *inspect.Object) []line {
	v := &o.Verdict
	var lines []line
	lines = append(lines, line{{classStyle(v.Class), string(v.Class)}, {dim, fmt.Sprintf("  (rule %d of sysvipc gc)", v.Rule)}})
	for i, text := range v.Reasons {
		s := plain
		if i == 0 {
			s = bold
		}
		for j, part := range wrap(m.machine.Text(text), m.width-4) {
			mark := "  "
			if j == 0 {
				mark = m.paint.pick("• ", "- ")
			}
			lines = append(lines, line{{dim, mark}, {s, part}})
		}
	}
	if len(o.Unknown) > 0 {
		lines = append(lines, line{{yellow, "not known, or not in full: "}, {plain, strings.Join(o.Unknown, ", ")}})
		for _, w := range m.snap.Warnings {
			for _, part := range wrap(m.machine.Text(w), m.width-2) {
				lines = append(lines, line{{dim, "  " + part}})
			}
		}
	}
	lines = append(lines, nil)
	fact := func(name, text string) { lines = append(lines, line{{dim, m.paint.fit(name, 10)}, {plain, text}}) }
	fact("key", o.Key.String())
	fact("owner", fmt.Sprintf("%s, made by %s, mode %04o", m.machine.Owner(o.UID), m.machine.Owner(o.CUID), o.Mode))
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			fact(name, fmt.Sprintf("%s (%s ago)", t.Format(time.DateTime), m.age(m.now.Sub(t))))
		}
	}
	when("changed", o.Changed)
	switch {
	case o.Segment != nil:
		when("attached", o.Segment.Attached)
		when("detached", o.Segment.Detached)
		fact("attaches", fmt.Sprintf("%d, %d explained", o.Segment.Attaches, o.Explained))
		if o.Segment.Resident >= 0 {
			fact("memory", fmt.Sprintf("%s of %s bytes resident, %s in swap", m.machine.Size(o.Segment.Resident), m.machine.Size(o.Segment.Size), m.machine.Size(max(0, o.Segment.SwappedOut))))
		}
	case o.Set != nil:
		when("operated", o.Set.Operated)
	default:
		when("sent", o.Queue.Sent)
		when("received", o.Queue.Received)
		fact("capacity", fmt.Sprintf("%d of %d bytes used", o.Queue.Bytes, o.Queue.MaxBytes))
	}
	return lines
}

// wrap breaks text into lines at spaces.
func wrap(text string, w int) []string {
	var lines []string
	for {
		if w < 10 || width(text) <= w {
			return append(lines, text)
		}
		runes := []rune(text)
		at := strings.LastIndexByte(string(runes[:min(w, len(runes))]), ' ')
		if at <= 0 {
			return append(lines, text)
		}
		lines, text = append(lines, text[:at]), text[at+1:]
	}
}

// trendLines are a diagram of each number that changes.
func (m *Model) trendLines(o *inspect.Object, height int) []line {
	var lines []line
	each := max(1, min(8, height/2-1))
	columns := max(1, m.width-2)
	for which, metric := range metrics[o.Kind] {
		now := metric.of(o)
		s := m.history[seriesKey{placeOf(o), which}]
		if s == nil {
			lines = append(lines, line{{bold, metric.name}, {plain, fmt.Sprintf(" %s", m.number(metric, now))}, {dim, ", the same since this began"}}, nil)
			continue
		}
		values := s.sample(columns, m.now, m.interval)
		least, most := values[0], values[0]
		for _, v := range values {
			least, most = min(least, v), max(most, v)
		}
		lines = append(lines, line{
			{bold, metric.name},
			{plain, " " + m.number(metric, now)},
			{dim, fmt.Sprintf(", %s to %s in the last %s", m.number(metric, least), m.number(metric, most), (time.Duration(columns) * m.interval).Round(time.Second))},
		})
		for _, text := range chart(m.paint, values, each) {
			lines = append(lines, line{{cyan, text}})
		}
	}
	return lines[:min(len(lines), height)]
}

// number writes a number of a metric.
func (m *Model) number(metric metric, n int64) string {
	if metric.name == "resident" || metric.name == "bytes" {
		return m.machine.Size(n)
	}
	return strconv.FormatInt(n, 10)
}

// chart draws a column for each number, some lines high.
func chart(p Paint, values []int64, height int) []string {
	if height == 1 {
		return []string{bars(p, values)}
	}
	levels := []rune(p.pick(" ▁▂▃▄▅▆▇█", " .:-=+*#@"))
	most := int64(1)
	for _, v := range values {
		most = max(most, v)
	}
	lines := make([]string, height)
	for i := range lines {
		var b strings.Builder
		base := (height - 1 - i) * (len(levels) - 1)
		for _, v := range values {
			full := int(float64(v)/float64(most)*float64(height*(len(levels)-1)) + 0.5)
			if v > 0 {
				full = max(1, full)
			}
			b.WriteRune(levels[max(0, min(len(levels)-1, full-base))])
		}
		lines[i] = strings.TrimRight(b.String(), " ")
	}
	return lines
}
