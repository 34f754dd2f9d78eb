package main

import (
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/output"
)

// objectTable is a table of objects.
type objectTable struct {
	*output.Table
	columns []*column
	exact   bool // sizes in bytes
}

// newObjectTable makes a table of these columns. The first may have another title.
func newObjectTable(title string, cols []*column, exact bool) *objectTable {
	heads := make([]output.Column, len(cols))
	for i, c := range cols {
		heads[i].Head = strings.ToUpper(c.name)
		heads[i].Right = c.typ == typeNumber || c.typ == typeSize || c.typ == typeAge
	}
	if title != "" {
		heads[0].Head = title
	}
	return &objectTable{output.NewTable(heads...), cols, exact}
}

func (t *objectTable) add(v *view, e *entry) {
	for _, c := range t.columns {
		val := c.of(v, e)
		t.AddFunc(func(dst []byte) []byte {
			if val.state == unknown {
				return append(dst, c.fallback(e)...)
			}
			return c.typ.appendForEyes(dst, val, t.exact)
		})
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
