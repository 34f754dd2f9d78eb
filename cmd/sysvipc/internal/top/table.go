package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
)

// column is one of the table of objects.
type column struct {
	name  string
	width int
	sort  string // the order that its heading chooses
	right bool
	cell  func(*Model, *inspect.Object, int) (style, string)
}

// shortRef is the REF without the namespace, which stands above.
func shortRef(o *inspect.Object) string { return o.Ref()[strings.IndexByte(o.Ref(), '/')+1:] }

// columns are those that the screen has room for.
func (m *Model) columns() []column {
	last := 0
	for _, row := range m.rows {
		last = max(last, m.snap.Objects[row].ID)
	}
	cols := []column{
		{"OBJECT", max(13, len("> msg:")+len(strconv.Itoa(last))), "kind", false, func(m *Model, o *inspect.Object, _ int) (style, string) {
			return classStyle(o.Verdict.Class), shortRef(o)
		}},
		{"KEY", 10, "key", false, keyCell},
		{"OWNER", 8, "owner", false, func(m *Model, o *inspect.Object, _ int) (style, string) { return plain, m.machine.Owner(o.UID) }},
		{"SIZE", 7, "size", true, sizeCell},
		{"USE", 9, "use", true, useCell},
		{"TREND", 10, "", false, func(m *Model, o *inspect.Object, w int) (style, string) {
			return cyan, m.history.sparkline(m.paint, seriesKey{placeOf(o), 0}, w, m.now, m.interval)
		}},
		{"CLASS", 9, "class", false, classCell},
		{"IDLE", 4, "idle", true, idleCell},
	}
	room := m.width
	for _, c := range cols {
		room -= c.width + 1
	}
	room++
	drop := func(name string) {
		for i := range cols {
			if room < 0 && cols[i].name == name {
				room += cols[i].width + 1
				cols = append(cols[:i], cols[i+1:]...)
				return
			}
		}
	}
	if room < leastUsers { // who uses an object is worth more than its trend
		room -= leastUsers
		drop("TREND")
		room += leastUsers
	}
	for _, name := range []string{"TREND", "KEY", "OWNER", "IDLE", "SIZE"} {
		drop(name)
	}
	if room >= 30 {
		more := min(20, (room-20)/3)
		for i := range cols {
			if cols[i].name == "TREND" {
				cols[i].width += more
				room -= more
			}
		}
		cols = append(cols, column{"MODE", 4, "", false, func(_ *Model, o *inspect.Object, _ int) (style, string) {
			return dim, fmt.Sprintf("%04o", o.Mode)
		}})
		room -= 5
	}
	if room >= leastUsers {
		users := room - 1
		if room >= 50 {
			users = room * 2 / 5
		}
		cols = append(cols, column{"USERS", users, "", false, usersCell})
		if room -= users + 1; room >= 20 {
			cols = append(cols, column{"WHY", room - 1, "", false, func(m *Model, o *inspect.Object, _ int) (style, string) {
				return dim, strings.TrimPrefix(reason(m, o), ": ")
			}})
		}
	}
	return cols
}

// leastUsers is how wide USERS and the space before it are at least: at 80 columns it is there.
const leastUsers = 14

func keyCell(_ *Model, o *inspect.Object, _ int) (style, string) {
	if o.Key == 0 {
		return dim, "-"
	}
	return plain, o.Key.String()
}

func sizeCell(m *Model, o *inspect.Object, _ int) (style, string) {
	switch {
	case o.Segment != nil:
		return plain, m.machine.Size(o.Segment.Size)
	case o.Set != nil:
		return plain, fmt.Sprintf("%d sem", o.Set.Len)
	}
	return plain, m.machine.Size(int64(o.Queue.Bytes))
}

// useCell is the number that changes, with its noun.
func useCell(_ *Model, o *inspect.Object, _ int) (style, string) {
	n := metrics[o.Kind][0].of(o)
	s := plain
	if n == 0 {
		s = dim
	}
	switch {
	case o.Segment != nil:
		return s, fmt.Sprintf("%d att", n)
	case o.Set != nil:
		if n > 0 {
			s = bold
		}
		if o.Semaphores == nil && n == 0 {
			return dim, "?"
		}
		return s, fmt.Sprintf("%d wait", n)
	}
	if w := waiters(o); w > 0 && n == 0 {
		return bold, fmt.Sprintf("%d wait", w)
	}
	return s, fmt.Sprintf("%d msg", n)
}

func classCell(m *Model, o *inspect.Object, _ int) (style, string) {
	if m.gone[placeOf(o)] {
		return dim, "removed"
	}
	if trouble := m.trouble[placeOf(o)]; trouble != "" {
		return alarm, trouble
	}
	return classStyle(o.Verdict.Class), string(o.Verdict.Class)
}

func idleCell(m *Model, o *inspect.Object, _ int) (style, string) {
	last := o.LastUse()
	if last.IsZero() {
		return dim, "-"
	}
	return dim, m.age(m.now.Sub(last))
}

func (m *Model) age(d time.Duration) string { return m.machine.Age(max(0, int64(d/time.Second))) }

// usersCell names the programs that use an object now, or last.
func usersCell(m *Model, o *inspect.Object, w int) (style, string) {
	var names []string
	times, pids := map[string]int{}, map[int]bool{}
	for i := range o.Users[:min(len(o.Users), manyUsers)] {
		u := &o.Users[i]
		name := m.machine.Text(u.Comm())
		if name == "" || pids[u.PID] || u.Role == inspect.Creator && len(o.Users) > 1 {
			continue
		}
		pids[u.PID] = true
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if n := times[name]; n > 1 {
			names[i] = fmt.Sprintf("%s %d×", name, n)
		}
	}
	s := plain
	if o.Verdict.Class != inspect.InUse {
		s = dim
	}
	return s, strings.Join(names, ", ")
}

const manyUsers = 200

// table is the headings and the rows on the screen.
func (m *Model) table(height int) []string {
	p, cols := m.paint, m.columns()
	out := make([]string, 0, height+1)
	var head line
	for _, c := range cols {
		name, s := c.name, bold
		if c.sort != "" && c.sort == orders[m.sort].name && (m.sort > 0 || m.reverse) {
			s = title
			if orders[m.sort].down != m.reverse {
				name += p.pick("↓", "v")
			} else {
				name += p.pick("↑", "^")
			}
		}
		if c.name == "OBJECT" {
			name = "  " + name
		}
		if c.right {
			name = p.fitRight(name, c.width)
		} else {
			name = p.fit(name, c.width)
		}
		head.add(s, name)
		head.add(plain, " ")
	}
	out = append(out, p.paint(head, m.width, false))
	if len(m.rows) == 0 {
		return append(out, p.paint(line{{dim, m.emptyText()}}, m.width, false))
	}
	for i, row := range m.visible() {
		o := &m.snap.Objects[row]
		selected := m.offset+i == m.cursor
		out = append(out, p.paint(m.row(cols, o, selected), m.width, selected))
	}
	return out
}

func (m *Model) emptyText() string {
	switch {
	case len(m.snap.Objects) == 0:
		return "  There are no System V IPC objects in this namespace."
	case m.filter != "":
		return "  No object meets the filter (esc clears it)."
	}
	return "  None of this kind (t shows others)."
}

func (m *Model) row(cols []column, o *inspect.Object, selected bool) line {
	var l line
	gone, trouble := m.gone[placeOf(o)], m.trouble[placeOf(o)] != ""
	for _, c := range cols {
		w := c.width
		if c.name == "OBJECT" {
			mark := "  "
			if selected {
				mark = m.paint.pick("▸ ", "> ")
			}
			l.add(plain, mark)
			w -= 2
		}
		s, text := c.cell(m, o, w)
		switch {
		case gone:
			s = dim
		case trouble && s != alarm:
			s = red
		}
		if c.right {
			text = m.paint.fitRight(text, w)
		} else {
			text = m.paint.fit(text, w)
		}
		l.add(s, text)
		l.add(plain, " ")
	}
	return l
}
