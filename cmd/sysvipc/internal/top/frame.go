package top

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// layout is where the parts stand on the screen, in lines from 0.
type layout struct {
	top       int // lines before the body
	head      int // the headings of the table
	rows      int // of the table, below the headings
	detailTop int // the line of tabs
	detail    int // lines below it
}

const (
	lowScreen = 16 // below that there are no gauges
	leastRows = 3
)

func (m *Model) layout() layout {
	lay := layout{top: 2}
	if m.height >= lowScreen {
		lay.top += len(m.gauges())
	}
	lay.head = lay.top
	body := m.bodyHeight()
	switch m.detail.size {
	case detailHalf:
		lay.rows = max(leastRows, min(body-2, (body-2)*2/5, max(leastRows, len(m.rows))))
		lay.detailTop = lay.head + 1 + lay.rows
		lay.detail = max(0, body-2-lay.rows)
	case detailWhole:
		lay.detailTop, lay.detail = lay.head, max(0, body-1)
	default:
		lay.rows = max(1, body-1)
	}
	return lay
}

// bodyHeight is how many lines are between the top and the last line.
func (m *Model) bodyHeight() int {
	top := 2
	if m.height >= lowScreen {
		top += len(m.gauges())
	}
	return max(1, m.height-top-1)
}

// Frame is what the screen shows: m.height lines at most, each m.width wide at most.
func (m *Model) Frame() string {
	w, p := m.width, m.paint
	if w < 20 || m.height < 4 {
		return p.cut("too small", w)
	}
	out := make([]string, 0, m.height)
	put := func(l line) { out = append(out, p.paint(l, w, false)) }
	put(m.titleLine())
	if m.height >= lowScreen {
		for _, l := range m.gauges() {
			put(l)
		}
	}
	put(m.summary())
	body := m.bodyHeight()
	switch {
	case m.pane == paneHelp:
		out = append(out, m.text(helpLines(), m.helpTop, body)...)
	case m.snap == nil:
		text := "looking at this machine…"
		if m.failure != "" {
			text = m.failure
		}
		put(line{{dim, text}})
	case m.pane == paneWaits:
		out = append(out, m.text(m.waitLines(), m.treeTop, body)...)
	case m.pane == paneEvents:
		out = append(out, m.text(m.eventLines(body), 0, body)...)
	default:
		lay := m.layout()
		if lay.rows > 0 {
			out = append(out, m.table(lay.rows)...)
		}
		if m.detail.size != detailClosed {
			for len(out) < lay.detailTop {
				out = append(out, "")
			}
			out = append(out, m.detailPane(lay.detail)...)
		}
	}
	bottom := m.bottom()
	for len(out) < m.height-len(bottom) {
		out = append(out, "")
	}
	out = append(out[:max(0, m.height-len(bottom))], bottom...)
	return strings.Join(out, "\n")
}

// text is a part of some lines.
func (m *Model) text(lines []line, top, height int) []string {
	top = max(0, min(top, len(lines)-height))
	var out []string
	for _, l := range lines[top:min(len(lines), top+height)] {
		out = append(out, m.paint.paint(l, m.width, false))
	}
	return out
}

// titleLine is the first line: which machine, how many objects, how old all this is.
func (m *Model) titleLine() line {
	var l line
	l.add(title, "sysvipc top")
	l.add(plain, " "+m.machine.Text(m.machine.Name)+"  ")
	l.add(bold, m.now.Format("15:04:05"))
	if m.snap != nil {
		l.add(plain, fmt.Sprintf("  every %s", m.interval))
		if age := m.now.Sub(m.snap.Time); age > 2*m.interval && age > 2*time.Second {
			l.add(dim, fmt.Sprintf(", all of it %s ago", age.Round(time.Second)))
		}
	}
	if m.paused {
		l.add(yellow, "  paused")
	}
	if m.unlocked {
		l.add(alarm, "  UNLOCKED")
	} else {
		l.add(dim, "  read-only")
	}
	if m.failure != "" {
		l.add(alarm, "  "+m.failure)
	}
	return l
}

// summary is how many objects each verdict has, who waits, and what is filtered.
func (m *Model) summary() line {
	var l line
	if m.snap == nil {
		return nil
	}
	for i := len(classes) - 1; i >= 0; i-- {
		c := classes[i]
		if n := m.classes[c]; n > 0 {
			l.add(classStyle(c), fmt.Sprintf("%s %d", c, n))
			l.add(plain, "  ")
		}
	}
	switch waits := len(m.snap.Waits); {
	case m.deadlocks > 0:
		l.add(alarm, fmt.Sprintf("%s, DEADLOCK", plural.Of(waits, "wait")))
	case m.stuck > 0:
		l.add(yellow, fmt.Sprintf("%s, %d stuck", plural.Of(waits, "wait"), m.stuck))
	case waits > 0:
		l.add(plain, plural.Of(waits, "wait"))
	}
	if !m.snap.Complete {
		l.add(yellow, "  not all seen")
	}
	return l
}

// classStyle is the colour of a verdict.
func classStyle(c inspect.Class) style {
	switch c {
	case inspect.InUse:
		return green
	case inspect.Protected:
		return cyan
	case inspect.HasData:
		return yellow
	case inspect.Orphan:
		return red
	case inspect.Candidate:
		return magenta
	}
	return plain
}

// gauges show the limits and what is used of them.
func (m *Model) gauges() []line {
	seg, sem, msg := m.limits.Segments, m.limits.Semaphores, m.limits.Queues
	page := uint64(os.Getpagesize())
	all := []struct {
		name      string
		used, max float64
		text      string
	}{
		{"shm", float64(seg.InUse), float64(seg.Max), fmt.Sprintf("%d/%d", seg.InUse, seg.Max)},
		{"sem", float64(sem.InUse), float64(sem.Max), fmt.Sprintf("%d/%d", sem.InUse, sem.Max)},
		{"msg", float64(msg.InUse), float64(msg.Max), fmt.Sprintf("%d/%d", msg.InUse, msg.Max)},
		{"memory", float64(seg.Pages), float64(seg.MaxPages), m.bytes(seg.Pages, page) + "/" + m.bytes(seg.MaxPages, page)},
		{"semaphores", float64(sem.InTotal), float64(sem.MaxTotal), fmt.Sprintf("%d/%s", sem.InTotal, short(sem.MaxTotal))},
		{"messages", 0, 0, fmt.Sprintf("%d, %s bytes", msg.Messages, m.machine.Size(int64(msg.Bytes)))},
	}
	each := 3
	if m.width >= 200 {
		each = 6
	}
	w := m.width/each - 2
	lines := make([]line, 0, 2)
	for i := range all {
		if i%each == 0 {
			lines = append(lines, nil)
		}
		g := &all[i]
		l := &lines[len(lines)-1]
		l.add(bold, g.name+" ")
		room := w - width(g.name) - 1 - width(g.text) - 1
		part := 0.0
		if g.max > 0 {
			part = min(1, g.used/g.max)
		}
		s := green
		switch {
		case part >= 0.9:
			s = alarm
		case part >= 0.7:
			s = yellow
		}
		switch {
		case g.max > 0 && room >= 3:
			bar := m.paint.gauge(part, room)
			l.add(s, bar)
			l.add(dim, strings.Repeat(m.paint.pick("░", "."), room-width(bar)))
			l.add(plain, " "+g.text)
		default:
			l.add(plain, m.paint.fit(g.text, max(0, room+1+width(g.text))))
		}
		l.add(plain, "  ")
	}
	return lines
}

// short writes a large number in millions.
func short(n int) string {
	if n < 1e7 {
		return strconv.Itoa(n)
	}
	return strconv.Itoa(n/1e6) + "M"
}

// gauge is a part of a bar, in eighths of a column; what is more than nothing is seen.
func (p Paint) gauge(part float64, room int) string {
	if part <= 0 {
		return ""
	}
	if p.ASCII {
		return strings.Repeat("#", max(1, min(room, int(part*float64(room)+0.5))))
	}
	eighths := max(1, min(8*room, int(part*float64(8*room)+0.5)))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar
}

// bytes are so many pages.
func (m *Model) bytes(pages, page uint64) string {
	if pages >= 1<<62/page {
		return m.paint.pick("∞", "max")
	}
	return m.machine.Size(int64(pages * page))
}

// bottom is the last line, or what stands over it.
func (m *Model) bottom() []string {
	p, w := m.paint, m.width
	paint := func(l line) string { return p.paint(l, w, false) }
	switch {
	case m.asking != nil:
		return m.askLines()
	case m.typing:
		l := line{{title, "filter: "}, {plain, m.machine.Text(string(m.typed))}, {reversed, " "}}
		if p.Plain {
			l[2].text = "_"
		}
		if m.typeError != "" {
			return []string{paint(line{{alarm, m.typeError}}), paint(l)}
		}
		l.add(dim, "  such as: nattch=0 && age>1d   (enter, esc)")
		return []string{paint(l)}
	case m.message != "":
		var out []string
		for _, l := range wrapLine(line{{bold, m.message}}, w) {
			out = append(out, paint(l))
		}
		return out
	}
	var l line
	for i, k := range m.hints() {
		if i > 0 {
			l.add(plain, "  ")
		}
		l.add(title, k[0])
		l.add(plain, " "+k[1])
	}
	return []string{paint(l)}
}

// hints are the keys worth knowing here, the most important first.
func (m *Model) hints() [][2]string {
	switch {
	case m.pane == paneHelp:
		return [][2]string{{"esc", "back"}, {m.paint.pick("↑↓", "up/down"), "scroll"}, {"q", "quit"}}
	case m.pane != paneObjects:
		return [][2]string{{"esc", "back"}, {m.paint.pick("↑↓", "up/down"), "scroll"}, {"w", "waits"}, {"e", "events"}, {"?", "help"}, {"q", "quit"}}
	case m.detail.size == detailWhole:
		return [][2]string{{"esc", "back"}, {"tab", "next"}, {m.paint.pick("↑↓", "up/down"), "scroll"}, {"?", "help"}, {"q", "quit"}}
	}
	hints := [][2]string{{"?", "help"}, {m.paint.pick("⏎", "enter"), "details"}, {"/", "filter"}, {"s", "sort"}}
	if m.detail.size == detailClosed {
		hints = append(hints, [2]string{"t", "kind"})
	} else {
		hints = append(hints, [2]string{"tab", "next"})
	}
	hints = append(hints, [2]string{"w", "waits"}, [2]string{"e", "events"})
	if m.unlocked {
		hints = append(hints, [2]string{"d", "remove"})
	} else {
		hints = append(hints, [2]string{"u", "unlock"})
	}
	return append(hints, [2]string{"q", "quit"})
}

// askLines are the question whether to remove an object.
func (m *Model) askLines() []string {
	q := m.asking
	o := q.object
	lines := []line{{{reversed, m.paint.fit(" Remove "+o.Ref()+"? ", m.width)}}}
	lines = append(lines, line{{plain, " " + m.describe(o) + "; "}, {classStyle(o.Verdict.Class), string(o.Verdict.Class)}, {plain, reason(m, o)}})
	switch {
	case q.busy:
		lines = append(lines, line{{dim, " removing…"}})
	case !q.ready:
		lines = append(lines, line{{dim, " looking who uses it…  (esc: let it be)"}})
	case q.answer != "":
		lines = append(lines, line{{alarm, " It is kept: "}, {plain, q.answer}}, line{{dim, " any key: go on"}})
	default:
		lines = append(lines, line{{bold, " y removes it; any other key keeps it"}})
	}
	var out []string
	for _, long := range lines {
		for _, l := range wrapLine(long, m.width) {
			out = append(out, m.paint.paint(l, m.width, false))
		}
	}
	if over := len(out) + 1 - m.height; over > 0 { // the question and how to answer it are seen in any case
		out = append(out[:1], out[1+over:]...)
	}
	return out
}

// reason is the decisive one of a verdict.
func reason(m *Model, o *inspect.Object) string {
	if len(o.Verdict.Reasons) == 0 {
		return ""
	}
	return ": " + m.machine.Text(o.Verdict.Reasons[0])
}
