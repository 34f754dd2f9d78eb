package listing

import (
	"cmp"
	"regexp"
	"strings"
)

// truth has a third value. What compares something that nobody can tell, or that objects
// of the kind do not have, is neither true nor false, and neither is its opposite: an
// object that cannot be read is never taken for an unused one.
type truth int8

const (
	no truth = iota - 1
	maybe
	Yes
)

func truthOf(b bool) truth {
	if b {
		return Yes
	}
	return no
}

// condition is a parsed --filter.
type condition interface {
	Holds(v *View, e *Entry) truth
}

type (
	both   struct{ a, b condition }
	either struct{ a, b condition }
	not    struct{ c condition }
)

func (c both) Holds(v *View, e *Entry) truth {
	a := c.a.Holds(v, e)
	if a == no {
		return no
	}
	return min(a, c.b.Holds(v, e))
}

func (c either) Holds(v *View, e *Entry) truth {
	a := c.a.Holds(v, e)
	if a == Yes {
		return Yes
	}
	return max(a, c.b.Holds(v, e))
}

func (c not) Holds(v *View, e *Entry) truth { return -c.c.Holds(v, e) }

// comparison compares a column with a value.
type comparison struct {
	column *column
	op     string
	want   value
	match  *regexp.Regexp // for ~
}

func (c *comparison) Holds(v *View, e *Entry) truth {
	got := c.column.Of(v, e)
	if c.want.State == none { // "detached=none"
		if got.State == unknown || got.State == Absent {
			return maybe
		}
		return truthOf((got.State == none) == (c.op == "="))
	}
	switch {
	case got.State == none && c.op == "!=":
		return Yes
	case got.State == none:
		return no
	case got.State != Known:
		return maybe
	case c.match != nil:
		return truthOf(c.match.MatchString(c.column.Type.forFilter(got)))
	}
	return truthOf(compares(cmp.Or(cmp.Compare(got.N, c.want.N), strings.Compare(got.S, c.want.S)), c.op))
}

// forFilter is the text that ~ looks at.
func (t valueType) forFilter(v value) string {
	if t == typeText {
		return v.S
	}
	return t.ForEyes(v, true)
}

func compares(order int, op string) bool {
	switch op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}
