package shm

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// hexdump writes what it is given as "hexdump -C" does: offset, 16 bytes, the same as
// text; and one asterisk for lines that are equal to the one before.
type hexdump struct {
	w       *bufio.Writer
	offset  int64
	line    []byte // not yet complete
	before  []byte // the last complete line
	starred bool
}

// newHexdump begins a dump of bytes that stand at offset.
func newHexdump(w io.Writer, offset int64) *hexdump {
	return &hexdump{w: bufio.NewWriterSize(w, 64<<10), offset: offset}
}

func (h *hexdump) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		n := min(16-len(h.line), len(p))
		h.line = append(h.line, p[:n]...)
		p = p[n:]
		if len(h.line) == 16 {
			h.flushLine()
		}
	}
	return written, h.w.Flush()
}

func (h *hexdump) flushLine() {
	if bytes.Equal(h.line, h.before) {
		if !h.starred {
			h.w.WriteString("*\n")
		}
		h.starred = true
	} else {
		h.print()
		h.starred = false
	}
	h.before = append(h.before[:0], h.line...)
	h.offset += int64(len(h.line))
	h.line = h.line[:0]
}

func (h *hexdump) print() {
	fmt.Fprintf(h.w, "%08x ", h.offset)
	for i := range 16 {
		if i == 8 {
			h.w.WriteByte(' ')
		}
		if i < len(h.line) {
			fmt.Fprintf(h.w, " %02x", h.line[i])
		} else {
			h.w.WriteString("   ")
		}
	}
	h.w.WriteString("  |")
	for _, c := range h.line {
		if c < ' ' || c > '~' {
			c = '.'
		}
		h.w.WriteByte(c)
	}
	h.w.WriteString("|\n")
}

// end writes the last line and the offset behind it.
func (h *hexdump) end() error {
	if len(h.line) > 0 {
		h.before = nil
		h.flushLine()
	}
	fmt.Fprintf(h.w, "%08x\n", h.offset)
	return h.w.Flush()
}
