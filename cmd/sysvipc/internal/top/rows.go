package top

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// order is a way to sort.
type order struct {
	name string
	of   func(*Model, *inspect.Object) (int64, string)
	down bool // largest first, unless it is reversed
}

// orders are all there are; the first is the kernel's.
var orders = []order{
	{name: "kind"},
	{"key", func(_ *Model, o *inspect.Object) (int64, string) { return int64(uint32(o.Key)), "" }, false},
	{"owner", func(m *Model, o *inspect.Object) (int64, string) { return 0, m.machine.Owner(o.UID) }, false},
	{"size", func(_ *Model, o *inspect.Object) (int64, string) { return sizeOf(o), "" }, true},
	{"use", func(_ *Model, o *inspect.Object) (int64, string) { return metrics[o.Kind][0].of(o), "" }, true},
	{"class", func(_ *Model, o *inspect.Object) (int64, string) {
		return int64(slices.Index(classes, o.Verdict.Class)), ""
	}, false},
	{"idle", func(_ *Model, o *inspect.Object) (int64, string) { return -o.LastUse().Unix(), "" }, false},
}

// classes are in the order in which a person should look at them.
var classes = []inspect.Class{inspect.Orphan, inspect.Candidate, inspect.HasData, inspect.Unknown, inspect.Protected, inspect.InUse}

// sizeOf is how large an object is: bytes, or semaphores.
func sizeOf(o *inspect.Object) int64 {
	switch {
	case o.Segment != nil:
		return o.Segment.Size
	case o.Set != nil:
		return int64(o.Set.Len)
	}
	return int64(o.Queue.Bytes)
}

// Orders are the names of the ways to sort.
func Orders() []string {
	names := make([]string, len(orders))
	for i := range orders {
		names[i] = orders[i].name
	}
	return names
}

// SortBy sets how to sort; a dash before the name reverses it. It reports whether there is such a way.
func (m *Model) SortBy(name string) bool {
	name, reverse := strings.CutPrefix(name, "-")
	for i := range orders {
		if orders[i].name == name {
			m.sort, m.reverse = i, reverse
			m.arrange()
			return true
		}
	}
	return false
}

// FilterBy shows only the objects for which a condition holds; "" shows all.
func (m *Model) FilterBy(text string) error {
	if strings.TrimSpace(text) == "" {
		m.filter, m.keep = "", nil
		m.arrange()
		return nil
	}
	keep, err := m.machine.Filter(text)
	if err != nil {
		return err
	}
	m.filter, m.keep = text, keep
	m.arrange()
	return nil
}

// Open selects an object and shows its details.
func (m *Model) Open(kind sysvipc.Kind, id int) {
	m.selected = place{kind, id}
	m.detail.size = detailHalf
	m.arrange()
}

// arrange chooses and sorts the rows, and keeps the selected object selected.
func (m *Model) arrange() {
	if m.snap == nil {
		return
	}
	m.rows = m.rows[:0]
	for i := range m.snap.Objects {
		o := &m.snap.Objects[i]
		if (m.anyKind || o.Kind == m.kind) && (m.keep == nil || m.keep(m.snap, o)) {
			m.rows = append(m.rows, i)
		}
	}
	m.order()
	if at := m.rowOf(m.selected); at >= 0 {
		m.cursor = at
	}
	m.scroll()
}

func (m *Model) order() {
	by := orders[m.sort]
	if by.of == nil {
		if m.reverse {
			slices.Reverse(m.rows)
		}
		return
	}
	type sortKey struct {
		n   int64
		s   string
		row int
	}
	keys := make([]sortKey, len(m.rows))
	for i, row := range m.rows {
		n, s := by.of(m, &m.snap.Objects[row])
		keys[i] = sortKey{n, s, row}
	}
	sign := 1
	if m.reverse != by.down {
		sign = -1
	}
	slices.SortFunc(keys, func(a, b sortKey) int {
		return cmp.Or(sign*cmp.Compare(a.n, b.n), sign*strings.Compare(a.s, b.s), cmp.Compare(a.row, b.row))
	})
	for i := range keys {
		m.rows[i] = keys[i].row
	}
}

// rowOf is where an object stands, or -1.
func (m *Model) rowOf(p place) int {
	at, ok := m.index[p]
	if !ok {
		return -1
	}
	if orders[m.sort].of == nil && !m.reverse {
		if row, found := slices.BinarySearch(m.rows, at); found {
			return row
		}
		return -1
	}
	return slices.Index(m.rows, at)
}

// scroll keeps the cursor on the screen.
func (m *Model) scroll() {
	m.cursor = max(0, min(m.cursor, len(m.rows)-1))
	height := m.layout().rows
	m.offset = max(0, min(m.offset, m.cursor, len(m.rows)-height))
	if m.cursor >= m.offset+height {
		m.offset = max(0, m.cursor-height+1)
	}
	if m.cursor < len(m.rows) {
		m.selectRow()
	}
}

// selectRow makes the object at the cursor the selected one.
func (m *Model) selectRow() {
	if p := placeOf(&m.snap.Objects[m.rows[m.cursor]]); p != m.selected {
		m.selected = p
		m.detail.top = 0
	}
}

// visible are the rows on the screen.
func (m *Model) visible() []int {
	end := min(len(m.rows), m.offset+m.layout().rows)
	return m.rows[min(m.offset, end):end]
}

// object is the selected one, or nil.
func (m *Model) object() *inspect.Object {
	if m.snap == nil || m.cursor >= len(m.rows) {
		return nil
	}
	return &m.snap.Objects[m.rows[m.cursor]]
}
