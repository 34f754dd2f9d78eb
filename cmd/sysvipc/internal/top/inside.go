package top

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// hexLines are bytes of a segment, those that changed since the last look in colour.
func (m *Model) hexLines(o *inspect.Object, height int) []line {
	c := m.detail.content
	if c == nil || c.place != placeOf(o) {
		return []line{{{dim, "reading…"}}}
	}
	if c.err != nil && len(c.data) == 0 {
		text := m.errorText(c.err)
		lines := []line{{{yellow, "The bytes are not shown, since reading must not attach."}}}
		if !errors.Is(c.err, fs.ErrPermission) {
			lines = nil
		}
		for _, part := range wrap(text, m.width-2) {
			lines = append(lines, line{{plain, part}})
		}
		if errors.Is(c.err, fs.ErrPermission) {
			lines = append(lines, nil, line{{dim, fmt.Sprintf("\"sysvipc shm read %s --hex\" attaches it for a moment and shows them.", o.Ref())}})
		}
		return lines[:min(height, len(lines))]
	}
	lines := make([]line, 0, height)
	lines = append(lines, line{{dim, fmt.Sprintf("bytes %d to %d of %d, through %s", c.off, c.off+int64(len(c.data)), o.Segment.Size, m.machine.Text(c.through))}})
	for at := 0; at < len(c.data) && len(lines) < height; at += 16 {
		lines = append(lines, m.hexLine(c.off+int64(at), c.data[at:min(at+16, len(c.data))], at))
	}
	return lines
}

func (m *Model) hexLine(off int64, data []byte, at int) line {
	var l line
	l.add(dim, fmt.Sprintf("%08x ", off))
	text := make([]byte, len(data))
	changed := func(i int) bool {
		b := m.detail.before
		return at+i < len(b) && b[at+i] != data[i]
	}
	styleOf := func(i int) style {
		switch {
		case changed(i):
			return alarm
		case data[i] == 0:
			return dim
		}
		return plain
	}
	// Bytes of the same style become one piece.
	begin := 0
	for i := range data {
		text[i] = data[i]
		if data[i] < ' ' || data[i] > '~' {
			text[i] = '.'
		}
		if i+1 == len(data) || styleOf(i+1) != styleOf(begin) {
			var b strings.Builder
			for j := begin; j <= i; j++ {
				if j == 8 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(&b, " %02x", data[j])
			}
			l.add(styleOf(begin), b.String())
			begin = i + 1
		}
	}
	missing := 3 * (16 - len(data))
	if len(data) <= 8 {
		missing++
	}
	l.add(plain, strings.Repeat(" ", missing)+"  |")
	begin = 0
	for i := range data {
		if i+1 == len(data) || styleOf(i+1) != styleOf(begin) {
			l.add(styleOf(begin), string(text[begin:i+1]))
			begin = i + 1
		}
	}
	l.add(plain, "|")
	return l
}

// semaphoreLines are a grid of the values, and below it who waits and who probably holds.
func (m *Model) semaphoreLines(o *inspect.Object, height int) []line {
	if o.Semaphores == nil {
		return []line{{{yellow, "Its mode does not let this user read the values."}}}
	}
	const cell = 15
	each := max(1, m.width/cell)
	grid := (len(o.Semaphores) + each - 1) / each
	waits := m.waitsOn(o)
	people := make([]line, 0, len(waits)+1)
	for _, w := range waits {
		people = append(people, m.waitLine(w))
	}
	if len(waits) == 0 {
		people = append(people, m.operatorLines(o)...)
	}
	return m.scrolled(grid+1+len(people), height, func(i int) line {
		if i < grid {
			return m.gridLine(o, i*each, min(len(o.Semaphores), (i+1)*each), cell)
		}
		if i == grid {
			return nil
		}
		return people[i-grid-1]
	})
}

func (m *Model) gridLine(o *inspect.Object, from, to, cell int) line {
	var l line
	for i := from; i < to; i++ {
		s := &o.Semaphores[i]
		mark := ""
		if n := s.Acquire; n > 0 {
			mark = fmt.Sprintf(" %dw", n)
		}
		if n := s.Zero; n > 0 {
			mark += fmt.Sprintf(" %dz", n)
		}
		valueStyle := bold
		switch {
		case mark != "":
			valueStyle = alarm
		case s.Value == 0:
			valueStyle = dim
		}
		index := fmt.Sprintf("#%d ", i)
		value := fmt.Sprintf("%d%s", s.Value, mark)
		l.add(dim, index)
		l.add(valueStyle, value)
		l.add(plain, strings.Repeat(" ", max(1, cell-len(index)-len(value))))
	}
	return l
}

// waitsOn are the waits on an object.
func (m *Model) waitsOn(o *inspect.Object) (found []*inspect.Wait) {
	for i := range m.snap.Waits {
		if w := &m.snap.Waits[i]; w.Kind == o.Kind && w.ID == o.ID {
			found = append(found, w)
		}
	}
	return found
}

// waitLine is a thread that waits, and who probably holds what it waits for.
func (m *Model) waitLine(w *inspect.Wait) line {
	var l line
	l.add(yellow, "waits ")
	l.add(plain, m.process(w.PID, w.Process))
	l.add(plain, ": "+m.machine.Text(w.What()))
	if !w.Since.IsZero() {
		l.add(dim, ", for "+m.age(m.now.Sub(w.Since)))
	}
	switch {
	case w.Cycle != 0:
		l.add(alarm, ", in a deadlock")
	case w.Stuck():
		l.add(alarm, ", stuck: no such message is there")
	}
	for _, h := range w.Holders {
		l.add(dim, "; ")
		l.add(green, m.process(h.PID, h.Process))
		l.add(dim, " "+h.Why)
	}
	return l
}

func (m *Model) process(pid int, p *inspect.Process) string {
	if p == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return m.machine.Text(fmt.Sprintf("%d (%s)", pid, p.Comm))
}

// operatorLines are who operated last, where nobody waits.
func (m *Model) operatorLines(o *inspect.Object) (lines []line) {
	for i := range o.Users {
		u := &o.Users[i]
		if u.Role != inspect.Operator || len(lines) >= 20 {
			continue
		}
		s := green
		if u.Status != inspect.Alive {
			s = dim
		}
		proc := u.Process
		if u.Status == inspect.Reused {
			proc = nil
		}
		which := fmt.Sprintf("#%d", u.FirstSemaphore)
		if u.Semaphores > 1 {
			which += fmt.Sprintf(" and %d more", u.Semaphores-1)
		}
		lines = append(lines, line{{dim, "last on "}, {bold, which}, {dim, ": "}, {s, m.process(u.PID, proc)}, {dim, ", " + u.Status.String()}})
	}
	return lines
}

// messageLines are how many messages of each type there are, who waits, and the head of the queue.
func (m *Model) messageLines(o *inspect.Object) []line {
	c := m.detail.content
	if c == nil || c.place != placeOf(o) {
		return []line{{{dim, "reading…"}}}
	}
	var lines []line
	for _, w := range m.waitsOn(o) {
		lines = append(lines, m.waitLine(w))
	}
	if len(c.messages) > 0 {
		lines = append(lines, m.histogram(c.messages, o.Queue.Messages)...)
		lines = append(lines, line{{bold, "     TYPE    BYTES  HEAD OF THE QUEUE"}})
	}
	for i, msg := range c.messages {
		size := fmt.Sprintf("%d", len(msg.Data))
		if len(msg.Data) == shownBytes {
			size += "+"
		}
		lines = append(lines, line{
			{dim, m.paint.fitRight(fmt.Sprint(i), 3) + " "},
			{cyan, m.paint.fitRight(fmt.Sprint(msg.Type), 5)},
			{plain, m.paint.fitRight(size, 9) + "  " + m.machine.Text(string(msg.Data))},
		})
	}
	switch {
	case c.err != nil:
		for _, part := range wrap(m.errorText(c.err), m.width-2) {
			lines = append(lines, line{{yellow, part}})
		}
	case len(c.messages) == 0:
		lines = append(lines, line{{dim, "The queue is empty."}})
	case o.Queue.Messages > len(c.messages):
		lines = append(lines, line{{dim, fmt.Sprintf("… and %s more", plural.Of(o.Queue.Messages-len(c.messages), "message"))}})
	}
	return lines
}

// histogram are the most frequent types.
func (m *Model) histogram(messages []sysvipc.Message, all int) []line {
	counts := map[int64]int{}
	for _, msg := range messages {
		counts[msg.Type]++
	}
	types := make([]int64, 0, len(counts))
	for typ := range counts {
		types = append(types, typ)
	}
	slices.SortFunc(types, func(a, b int64) int { return cmp.Or(-cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b)) })
	const shown = 5
	var lines []line
	room := max(8, min(60, m.width-24))
	for i, typ := range types {
		if i == shown {
			lines = append(lines, line{{dim, fmt.Sprintf("and %s more", plural.Of(len(types)-shown, "type"))}})
			break
		}
		n := counts[typ]
		bar := max(1, n*room/counts[types[0]])
		lines = append(lines, line{
			{dim, "type "},
			{cyan, m.paint.fitRight(fmt.Sprint(typ), 10)},
			{plain, " "},
			{green, strings.Repeat(m.paint.pick("█", "#"), bar)},
			{plain, fmt.Sprintf(" %d", n)},
		})
	}
	if all > len(messages) {
		lines = append(lines, line{{dim, fmt.Sprintf("of the first %d of %d messages", len(messages), all)}})
	}
	return lines
}
