package main

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table lays out rows in columns, for eyes. All its text is in one buffer, since there
// may be many thousand rows.
type table struct {
	columns []tableColumn
	text    []byte
	ends    []uint32 // of the cells in text, row by row, heads first
	widths  []int
}

type tableColumn struct {
	head  string
	right bool // numbers stand right
}

func newTable(columns ...tableColumn) *table {
	t := &table{columns: columns, widths: make([]int, len(columns))}
	for _, c := range columns {
		t.add(c.head)
	}
	return t
}

// add adds the next cell of the row, or the first of the next one.
func (t *table) add(cell string) {
	start := len(t.text)
	t.text = append(t.text, cell...)
	t.end(start)
}

// end ends a cell that was appended to text.
func (t *table) end(start int) {
	width := &t.widths[len(t.ends)%len(t.widths)]
	*width = max(*width, utf8.RuneCount(t.text[start:]))
	t.ends = append(t.ends, uint32(len(t.text)))
}

// write writes all rows, with two spaces between columns and none at the end of a line.
func (t *table) write(w io.Writer) error {
	out := bufio.NewWriterSize(w, outputBuffer)
	start := uint32(0)
	owed := 0 // spaces that are written only if something follows
	for i, end := range t.ends {
		cell := t.text[start:end]
		start = end
		column := i % len(t.widths)
		gap := t.widths[column] - utf8.RuneCount(cell)
		if t.columns[column].right {
			owed += gap
			gap = 0
		}
		if len(cell) > 0 {
			pad(out, owed)
			owed = 0
			out.Write(cell)
		}
		owed += gap + 2
		if column == len(t.widths)-1 {
			out.WriteByte('\n')
			owed = 0
		}
	}
	return out.Flush()
}

const blanks = "                                                                "

func pad(out *bufio.Writer, n int) {
	for ; n > len(blanks); n -= len(blanks) {
		out.WriteString(blanks)
	}
	out.WriteString(blanks[:n])
}

// objectTable is a table of objects.
type objectTable struct {
	*table
	columns []*column
	exact   bool // sizes in bytes
}

// newObjectTable makes a table of these columns. The first may have another title.
func newObjectTable(title string, cols []*column, exact bool) *objectTable {
	heads := make([]tableColumn, len(cols))
	for i, c := range cols {
		heads[i].head = strings.ToUpper(c.name)
		heads[i].right = c.typ == typeNumber || c.typ == typeSize || c.typ == typeAge
	}
	if title != "" {
		heads[0].head = title
	}
	return &objectTable{newTable(heads...), cols, exact}
}

func (t *objectTable) add(v *view, e *entry) {
	for _, c := range t.columns {
		start := len(t.text)
		val := c.of(v, e)
		if val.state == unknown {
			t.text = append(t.text, c.fallback(e)...)
		} else {
			t.text = c.typ.appendForEyes(t.text, val, t.exact)
		}
		t.end(start)
	}
}

// fallback is what the table shows for something unknown: the number of an owner who has
// no name.
func (c *column) fallback(e *entry) string {
	switch c.name {
	case "owner":
		return strconv.Itoa(e.UID)
	case "group":
		return strconv.Itoa(e.GID)
	}
	return "?"
}
