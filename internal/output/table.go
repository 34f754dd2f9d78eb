package output

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"
)

// Table lays out rows in columns, for eyes. All its text is in one buffer, since there
// may be many thousand rows.
type Table struct {
	columns []Column
	text    []byte
	ends    []uint32 // of the cells in text, row by row, heads first
	widths  []int
	wrap    int
}

// Column is one of a table.
type Column struct {
	Head  string
	Right bool // numbers stand right
}

// Left is a column of text.
func Left(head string) Column { return Column{Head: head} }

// Right is a column of numbers.
func Right(head string) Column { return Column{Head: head, Right: true} }

// NewTable returns a table without rows.
func NewTable(columns ...Column) *Table {
	t := &Table{columns: columns, widths: make([]int, len(columns))}
	for _, c := range columns {
		t.Add(c.Head)
	}
	return t
}

// Add adds the next cell of the row, or the first of the next one.
func (t *Table) Add(cell string) {
	t.AddFunc(func(dst []byte) []byte { return append(dst, cell...) })
}

// AddFunc is Add for a cell that is appended to what is given.
func (t *Table) AddFunc(cell func(dst []byte) []byte) {
	start := len(t.text)
	t.text = cell(t.text)
	width := &t.widths[len(t.ends)%len(t.widths)]
	*width = max(*width, utf8.RuneCount(t.text[start:]))
	t.ends = append(t.ends, uint32(len(t.text)))
}

// Wrap has [Table.Write] break the cells of the last column at spaces, so that no line is wider than this where that
// leaves the column 20 characters. 0 breaks none.
func (t *Table) Wrap(width int) { t.wrap = width }

// Write writes all rows, with two spaces between columns and none at the end of a line.
func (t *Table) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 32<<10)
	start := uint32(0)
	owed := 0   // spaces that are written only if something follows
	indent := 0 // of the last column
	for _, w := range t.widths[:len(t.widths)-1] {
		indent += w + 2
	}
	for i, end := range t.ends {
		cell := t.text[start:end]
		start = end
		column := i % len(t.widths)
		gap := t.widths[column] - utf8.RuneCount(cell)
		if t.columns[column].Right {
			owed += gap
			gap = 0
		}
		if len(cell) > 0 {
			pad(out, owed)
			owed = 0
			for room := t.wrap - indent; column == len(t.widths)-1 && room >= leastWrapped && utf8.RuneCount(cell) > room; pad(out, indent) {
				var first []byte
				first, cell = breakAt(cell, room)
				out.Write(first)
				out.WriteByte('\n')
			}
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

// leastWrapped is how many characters of the last column are worth a line.
const leastWrapped = 20

// breakAt breaks a text that is longer than room characters at the last space that leaves no more than that before it, or in
// the midst of a word.
func breakAt(text []byte, room int) (first, rest []byte) {
	end := 0
	for range room {
		_, n := utf8.DecodeRune(text[end:])
		end += n
	}
	if space := bytes.LastIndexByte(text[:end+1], ' '); space > 0 {
		return text[:space], text[space+1:]
	}
	return text[:end], text[end:]
}

const blanks = "                                                                "

func pad(out *bufio.Writer, n int) {
	for ; n > len(blanks); n -= len(blanks) {
		out.WriteString(blanks)
	}
	out.WriteString(blanks[:n])
}
