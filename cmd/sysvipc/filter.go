package main

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
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// condition is a parsed --filter.
type condition interface {
	holds(v *view, e *entry) truth
}

type (
	both   struct{ a, b condition }
	either struct{ a, b condition }
	not    struct{ c condition }
)

func (c both) holds(v *view, e *entry) truth {
	a := c.a.holds(v, e)
	if a == no {
		return no
	}
	return min(a, c.b.holds(v, e))
}

func (c either) holds(v *view, e *entry) truth {
	a := c.a.holds(v, e)
	if a == yes {
		return yes
	}
	return max(a, c.b.holds(v, e))
}

func (c not) holds(v *view, e *entry) truth { return -c.c.holds(v, e) }

// comparison compares a column with a value.
type comparison struct {
	column *column
	op     string
	want   value
	match  *regexp.Regexp // for ~
}

func (c *comparison) holds(v *view, e *entry) truth {
	got := c.column.of(v, e)
	if c.want.state == none { // "detached=none"
		if got.state == unknown || got.state == absent {
			return maybe
		}
		return truthOf((got.state == none) == (c.op == "="))
	}
	switch {
	case got.state == none && c.op == "!=":
		return yes
	case got.state == none:
		return no
	case got.state != known:
		return maybe
	case c.match != nil:
		return truthOf(c.match.MatchString(c.column.typ.forFilter(got)))
	}
	return truthOf(compares(cmp.Or(cmp.Compare(got.n, c.want.n), strings.Compare(got.s, c.want.s)), c.op))
}

// forFilter is the text that ~ looks at.
func (t valueType) forFilter(v value) string {
	if t == typeText {
		return v.s
	}
	return t.forEyes(v, true)
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
