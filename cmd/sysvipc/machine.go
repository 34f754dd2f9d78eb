package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// record makes the JSON object of an entry: the columns that its kind has, and under
// "unknown" the names of those that are null because nobody here can tell.
func (f *format) record(v *view, e *entry, alsoUnknown ...string) record {
	r := make(record, 0, 32)
	missing := append([]string{}, alsoUnknown...)
	for _, c := range f.columns() {
		val := c.of(v, e)
		if val.state == absent {
			continue
		}
		if val.state == unknown {
			missing = append(missing, c.name)
		}
		r = append(r, field{c.name, c.typ.forPrograms(val)})
	}
	if e.users != nil && f.cols == nil {
		r = append(r, userFields(e.users)...)
		missing = append(missing, e.users.Unknown...)
	}
	return append(r, field{"unknown", missing})
}

// columns are those that JSON and CSV have: all, unless some are chosen.
func (f *format) columns() []*column {
	if f.cols != nil {
		return f.cols
	}
	all := make([]*column, len(columns))
	for i := range columns {
		all[i] = &columns[i]
	}
	return all
}

// writeJSON completes the document also when an error ends the list.
func (f *format) writeJSON(w io.Writer, v *view, all entries) error {
	d := startDocument(w, "objects")
	for e, err := range all {
		if err != nil {
			return errors.Join(err, d.end([]string{cli.Text(err)}))
		}
		d.add(f.record(v, e))
	}
	return d.end(v.warnings)
}

func (f *format) writeJSONLines(w io.Writer, v *view, all entries) error {
	out := bufio.NewWriterSize(w, outputBuffer)
	var line []byte
	for e, err := range all {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		r := append(record{{"schema", schema}}, f.record(v, e)...)
		line = append(appendJSON(line[:0], r), '\n')
		out.Write(line)
	}
	return out.Flush()
}

// writeCSV writes what JSON has. What is null there, or does not exist, is empty.
func (f *format) writeCSV(w io.Writer, v *view, all entries) error {
	out := csv.NewWriter(w)
	cols := f.columns()
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.name
	}
	out.Write(row)
	for e, err := range all {
		if err != nil {
			out.Flush()
			return errors.Join(err, out.Error())
		}
		for j, c := range cols {
			switch val := c.typ.forPrograms(c.of(v, e)).(type) {
			case nil:
				row[j] = ""
			case time.Time:
				row[j] = val.Format(time.RFC3339)
			default:
				row[j] = fmt.Sprint(val)
			}
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}

func writeNames(w io.Writer, v *view, all entries) error {
	out := bufio.NewWriterSize(w, outputBuffer)
	for e, err := range all {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		out.Write(append(v.appendRef(out.AvailableBuffer(), e), '\n'))
	}
	return out.Flush()
}

// outputBuffer is how much is written at once.
const outputBuffer = 32 << 10
