package output

import (
	"bufio"
	"io"
)

// Schema is the version of all shapes of JSON here.
const Schema = "sysvipc/2"

// Document writes {"schema":…,"NAME":[…],"complete":…,"warnings":[…]}, one element on each line. The
// elements are written as they come, so that nothing is lost when the process is killed.
type Document struct {
	w   *bufio.Writer
	n   int
	buf []byte
	end []byte // fields that stand after the list
}

// StartDocument begins a document whose list has this name.
func StartDocument(w io.Writer, name string) *Document {
	d := &Document{w: bufio.NewWriterSize(w, 64<<10)}
	d.w.WriteString(`{"schema":"` + Schema + `","` + name + `":[`)
	return d
}

// Add writes one element, a struct of this package.
func (d *Document) Add(element any) {
	d.AddFunc(func(dst []byte) []byte { return Append(dst, element) })
}

// AddFunc is Add for an element that is appended to what is given.
func (d *Document) AddFunc(element func(dst []byte) []byte) {
	if d.n > 0 {
		d.w.WriteByte(',')
	}
	d.n++
	d.buf = element(append(d.buf[:0], '\n'))
	d.w.Write(d.buf)
}

// Flush writes what was added so far.
func (d *Document) Flush() error { return d.w.Flush() }

// Field adds a field that stands after the list.
func (d *Document) Field(name string, value any) {
	d.end = Append(append(AppendString(append(d.end, ','), name), ':'), value)
}

// End completes the document. Warnings mean that it is not complete.
func (d *Document) End(warnings []string) error {
	if d.n > 0 {
		d.w.WriteByte('\n')
	}
	d.buf = append(append(d.buf[:0], ']'), d.end...)
	d.buf = append(d.buf, `,"complete":`...)
	d.buf = Append(d.buf, len(warnings) == 0)
	d.buf = append(d.buf, `,"warnings":`...)
	d.buf = Append(d.buf, warnings)
	d.w.Write(append(d.buf, "}\n"...))
	return d.w.Flush()
}

// AppendLine appends a struct of this package as a line of -o jsonl: an object that has the schema, too.
func AppendLine(dst []byte, element any) []byte {
	return Line(dst, func(dst []byte) []byte { return Append(dst, element) })
}

// Line is AppendLine for an element that is appended to what is given.
func Line(dst []byte, element func(dst []byte) []byte) []byte {
	const head = `{"schema":"` + Schema + `",`
	start := len(dst) + len(head) - 1
	dst = append(dst, head[:len(head)-1]...)
	dst = element(dst)
	dst[start] = ',' // instead of its brace
	return append(dst, '\n')
}
