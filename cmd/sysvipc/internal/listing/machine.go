package listing

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/output"
)

// append appends an object as JSON: whole, or the columns that are chosen.
func (f *Format) append(dst []byte, v *View, e *Entry) []byte {
	if f.Cols == nil {
		return output.Append(dst, e.Published(v))
	}
	fields := make([]output.Field, len(f.Cols))
	for i, c := range f.Cols {
		fields[i] = c.field
	}
	return output.Select(dst, e.Published(v), fields)
}

// columns are those that CSV has: all that are known, unless some are chosen.
func (f *Format) columns() []*column {
	if f.Cols != nil {
		return f.Cols
	}
	var all []*column
	for i := range Columns {
		if f.Judged || !slices.Contains(UserColumns, Columns[i].Name) {
			all = append(all, &Columns[i])
		}
	}
	return all
}

// writeJSON completes the document also when an error ends the list.
func (f *Format) writeJSON(w io.Writer, v *View, all Entries) error {
	d := output.StartDocument(w, "objects")
	for e, err := range all {
		if err != nil {
			return errors.Join(err, d.End([]string{cli.Text(err)}))
		}
		d.AddFunc(func(dst []byte) []byte { return f.append(dst, v, e) })
	}
	return d.End(v.Warnings)
}

func (f *Format) writeJSONLines(w io.Writer, v *View, all Entries) error {
	out := bufio.NewWriterSize(w, outputBuffer)
	var line []byte
	for e, err := range all {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		line = output.Line(line[:0], func(dst []byte) []byte { return f.append(dst, v, e) })
		out.Write(line)
	}
	return out.Flush()
}

// writeCSV writes what JSON has. What is null there, or does not exist, is empty.
func (f *Format) writeCSV(w io.Writer, v *View, all Entries) error {
	out := csv.NewWriter(w)
	cols := f.columns()
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.Name
	}
	out.Write(row)
	for e, err := range all {
		if err != nil {
			out.Flush()
			return errors.Join(err, out.Error())
		}
		for j, c := range cols {
			switch val := c.Type.forPrograms(c.Of(v, e)).(type) {
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

func writeNames(w io.Writer, v *View, all Entries) error {
	out := bufio.NewWriterSize(w, outputBuffer)
	for e, err := range all {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		look := v.look(e)
		out.WriteString(look.Ref(e.Object) + "\n")
	}
	return out.Flush()
}

// outputBuffer is how much is written at once.
const outputBuffer = 32 << 10
