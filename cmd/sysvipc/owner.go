package main

import (
	"os/user"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// names turns numbers of users or groups into names, each once.
type names struct {
	lookup func(id string) (string, error)
	seen   map[int]value
}

// name is unknown for a number that has none.
func (n *names) name(id int) value {
	if v, ok := n.seen[id]; ok {
		return v
	}
	if n.seen == nil {
		n.seen = map[int]value{}
	}
	name, err := n.lookup(strconv.Itoa(id))
	n.seen[id] = stateIf(err != nil, unknown, text(name))
	return n.seen[id]
}

func lookupUser(id string) (string, error) {
	u, err := user.LookupId(id)
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

func lookupGroup(id string) (string, error) {
	g, err := user.LookupGroupId(id)
	if err != nil {
		return "", err
	}
	return g.Name, nil
}

// userText is the name of a user for eyes, or the number.
func (v *view) userText(uid int) string { return nameOr(v.users.name(uid), uid) }

func nameOr(name value, id int) string {
	if name.state != known {
		return strconv.Itoa(id)
	}
	return escapeText(name.s)
}

// owner is the value of --owner: USER, USER:GROUP or :GROUP, names or numbers. What is
// not given is -1.
type owner struct {
	text     string
	uid, gid int
}

func (o *owner) String() string { return o.text }
func (o *owner) Type() string   { return "USER[:GROUP]" }

func (o *owner) Set(s string) error {
	name, group, hasGroup := strings.Cut(s, ":")
	uid, gid := -1, -1
	var err error
	if name != "" {
		if uid, err = userNumber(name); err != nil {
			return err
		}
	}
	if hasGroup {
		if gid, err = groupNumber(group); err != nil {
			return err
		}
	}
	if uid < 0 && gid < 0 {
		return cli.Usage("write USER, USER:GROUP or :GROUP")
	}
	*o = owner{s, uid, gid}
	return nil
}

func userNumber(name string) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, cli.Usage("there is no user %q", name)
	}
	return strconv.Atoi(u.Uid)
}

func groupNumber(name string) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, cli.Usage("there is no group %q", name)
	}
	return strconv.Atoi(g.Gid)
}
