package main

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table lays out rows in columns, for eyes.
type table struct {
	heads []string
	right []bool // numbers stand right
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the heads and the rows, with two spaces between columns and none at the
// end of a line.
func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.heads))
	for i, h := range t.heads {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	out := bufio.NewWriterSize(w, 64<<10)
	t.line(out, widths, t.heads)
	for _, row := range t.rows {
		t.line(out, widths, row)
	}
	return out.Flush()
}

const blanks = "                                                                "

func (t *table) line(out *bufio.Writer, widths []int, row []string) {
	owed := 0 // spaces that are written only if something follows
	for i, cell := range row {
		gap := widths[i] - utf8.RuneCountInString(cell)
		if t.right[i] {
			owed += gap
		}
		if cell != "" {
			pad(out, owed)
			owed = 0
			out.WriteString(cell)
		}
		if !t.right[i] {
			owed += gap
		}
		owed += 2
	}
	out.WriteByte('\n')
}

func pad(out *bufio.Writer, n int) {
	for ; n > len(blanks); n -= len(blanks) {
		out.WriteString(blanks)
	}
	out.WriteString(blanks[:n])
}

// tableOf makes the table of these columns.
func tableOf(v *view, cols []*column, entries []entry, exact bool) *table {
	t := &table{heads: make([]string, len(cols)), right: make([]bool, len(cols)), rows: make([][]string, 0, len(entries))}
	for i, c := range cols {
		t.heads[i] = strings.ToUpper(c.name)
		t.right[i] = c.typ == typeNumber || c.typ == typeSize || c.typ == typeAge
	}
	cells := make([]string, len(cols)*len(entries))
	for i := range entries {
		row := cells[:len(cols):len(cols)]
		cells = cells[len(cols):]
		for j, c := range cols {
			row[j] = c.typ.forEyes(c.of(v, &entries[i]), exact)
			if row[j] == "?" {
				row[j] = c.fallback(&entries[i])
			}
		}
		t.rows = append(t.rows, row)
	}
	return t
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
