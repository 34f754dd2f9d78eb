package top

import (
	"fmt"
	"strings"
)

// waitLines are the graph of waits.
func (m *Model) waitLines() []line {
	if m.tree == nil {
		m.tree = m.machine.Waits(m.snap)
	}
	if len(m.tree) == 0 {
		return []line{{{dim, "Nobody is seen to wait."}}}
	}
	lines := make([]line, 0, len(m.tree))
	for _, text := range m.tree {
		s := plain
		switch {
		case strings.HasPrefix(text, "deadlock"):
			s = alarm
		case strings.Contains(text, "; stuck:"):
			s = yellow
		case !strings.HasPrefix(text, " "):
			s = bold
		}
		rest := strings.TrimLeft(text, " ")
		indent := text[:len(text)-len(rest)]
		for i, part := range wrap(rest, m.width-len(indent)-4) {
			if i == 1 {
				indent += "    "
			}
			lines = append(lines, line{{s, indent + part}})
		}
	}
	return lines
}

// eventLines are the last events that fit, or those above them; the latest is below.
func (m *Model) eventLines(height int) []line {
	if len(m.events) == 0 {
		return []line{{{dim, "Nothing has been created, removed or changed since this began."}}}
	}
	end := max(1, len(m.events)-m.eventsUp)
	var lines []line
	for _, e := range m.events[max(0, end-height):end] {
		s := map[string]style{"created": green, "removed": red, "changed": yellow}[e.kind]
		lines = append(lines, line{
			{dim, e.at.Format("15:04:05 ")}, {s, m.paint.fit(e.kind, 8)}, {bold, m.paint.fit(e.ref, 11) + " "}, {plain, e.text},
		})
	}
	return lines
}

var helpText = [][2]string{
	{"", "Objects"},
	{"up, down, …", "choose an object (also pgup, home, j, k, g, G, mouse)"},
	{"enter", "details below, then alone, then none"},
	{"tab, shift+tab", "next details: users, contents, why, trend"},
	{"J K", "scroll the details"},
	{"s, S", "sort by the next column; reverse (or click a heading)"},
	{"t", "segments, semaphore sets, queues, or all"},
	{"/", "filter by a condition: see \"sysvipc help filter\""},
	{"", "More"},
	{"w", "graph of waits: who waits for whom, and deadlocks"},
	{"e", "events: what was created, removed and changed"},
	{"p", "pause"},
	{"r", "look at everything now"},
	{"u", "unlock, and lock again"},
	{"d", "when unlocked: remove the object, after a question"},
	{"esc", "one step back; clears the filter"},
	{"q, ctrl+c", "quit"},
	{"", "Colours"},
	{"in-use", "a process uses it"},
	{"protected", "belongs to a product with a tool of its own"},
	{"unknown", "nobody here can tell; kept"},
	{"has-data", "a queue with messages"},
	{"orphan", "nobody can have a use for it"},
	{"candidate", "nobody seems to use it; its owner must say"},
	{" ", "Looking changes nothing: no field of any object. Where reading a segment would take"},
	{" ", "an attach, its bytes are not shown. A snapshot of everything is taken as often as"},
	{" ", fmt.Sprintf("%.0f %% of one processor allow; the rows on the screen are new at every tick.", Share*100)},
}

func helpLines() []line {
	lines := make([]line, len(helpText))
	for i, h := range helpText {
		switch {
		case h[0] == " ":
			lines[i] = line{{dim, h[1]}}
		case h[0] == "":
			lines[i] = line{{title, h[1]}}
		default:
			s := bold
			for _, c := range classes {
				if string(c) == h[0] {
					s = classStyle(c)
				}
			}
			lines[i] = line{{s, fmt.Sprintf("  %-16s", h[0])}, {plain, h[1]}}
		}
	}
	return lines
}
