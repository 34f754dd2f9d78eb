package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// schema is the version of every shape of JSON that this command writes. "sysvipc help
// formats" describes them.
const schema = "sysvipc/1"

// record is a JSON object whose fields keep their order.
type record []field

type field struct {
	name  string
	value any // nil, bool, int, int64, uint64, float64, string, time.Time, rawJSON, record, []record, []string, []int
}

// document writes {"schema":…,"NAME":[…],"complete":…,"warnings":[…]}, one element on
// each line. The elements are written as they come, so that nothing is lost when the
// process is killed.
type document struct {
	w   *bufio.Writer
	n   int
	buf []byte
}

// startDocument begins a document whose list has this name.
func startDocument(w io.Writer, name string) *document {
	d := &document{w: bufio.NewWriterSize(w, 64<<10)}
	d.w.WriteString(`{"schema":"` + schema + `","` + name + `":[`)
	return d
}

// add writes one element.
func (d *document) add(r record) {
	if d.n > 0 {
		d.w.WriteByte(',')
	}
	d.n++
	d.buf = appendJSON(append(d.buf[:0], '\n'), r)
	d.w.Write(d.buf)
}

// flush writes what was added so far.
func (d *document) flush() error { return d.w.Flush() }

// end completes the document. Warnings mean that it is not complete.
func (d *document) end(warnings []string) error {
	if d.n > 0 {
		d.w.WriteByte('\n')
	}
	d.buf = append(d.buf[:0], `],"complete":`...)
	d.buf = appendJSON(d.buf, len(warnings) == 0)
	d.buf = append(d.buf, `,"warnings":`...)
	d.buf = appendJSON(d.buf, warnings)
	d.w.Write(append(d.buf, "}\n"...))
	return d.w.Flush()
}

// appendJSON appends a value of one of the types that a field may have.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	case string:
		return appendJSONString(dst, v)
	case time.Time:
		return append(v.AppendFormat(append(dst, '"'), time.RFC3339), '"')
	case rawJSON:
		return append(dst, v...)
	case record:
		dst = append(dst, '{')
		for i, f := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendJSONString(dst, f.name), ':')
			dst = appendJSON(dst, f.value)
		}
		return append(dst, '}')
	case []record:
		return appendJSONList(dst, v)
	case []string:
		return appendJSONList(dst, v)
	case []int:
		return appendJSONList(dst, v)
	}
	panic(fmt.Sprintf("no JSON for %T", v))
}

func appendJSONList[T any](dst []byte, list []T) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, v)
	}
	return append(dst, ']')
}

// appendJSONString escapes also what JSON would allow, but no terminal should see: the
// strings come from other programs, and people look at JSON in terminals.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x80 && r >= ' ' && r != 0x7f, r >= 0x80 && unicode.IsPrint(r):
			dst = append(dst, s[i:i+n]...)
		case r > 0xffff:
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		i += n
	}
	return append(dst, '"')
}
