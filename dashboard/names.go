package dashboard

import (
	"os/user"
	"strconv"
	"sync"
)

// names are those of users or groups that were asked for. What is renamed keeps its old name until
// the program starts again.
type names struct {
	lookup func(id string) string
	seen   sync.Map
}

var userNames = names{lookup: func(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return ""
}}

var groupNames = names{lookup: func(id string) string {
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return ""
}}

// of returns the name that belongs to a number, or "".
func (n *names) of(id string) string {
	if name, ok := n.seen.Load(id); ok {
		return name.(string)
	}
	name := n.lookup(id)
	n.seen.Store(id, name)
	return name
}

func (n *names) number(id int) string { return n.of(strconv.Itoa(id)) }
