package listing

import (
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/output"
)

// table is a table of objects.
type table struct {
	*output.Table
	columns []*column
	exact   bool // sizes in bytes
}

// newTable makes a table of these columns. The first may have another title.
func newTable(title string, cols []*column, exact bool) *table {
	heads := make([]output.Column, len(cols))
	for i, c := range cols {
		heads[i].Head = strings.ToUpper(c.Name)
		heads[i].Right = c.Type == typeNumber || c.Type == TypeSize || c.Type == typeAge
	}
	if title != "" {
		heads[0].Head = title
	}
	return &table{output.NewTable(heads...), cols, exact}
}

func (t *table) add(v *View, e *Entry) {
	for _, c := range t.columns {
		val := c.Of(v, e)
		t.AddFunc(func(dst []byte) []byte {
			if val.State == unknown {
				return append(dst, c.fallback(e)...)
			}
			return c.Type.appendForEyes(dst, val, t.exact)
		})
	}
}

// fallback is what the table shows for something unknown: the number of an owner who has
// no name.
func (c *column) fallback(e *Entry) string {
	switch c.Name {
	case "owner":
		return strconv.Itoa(e.UID)
	case "group":
		return strconv.Itoa(e.GID)
	}
	return "?"
}
