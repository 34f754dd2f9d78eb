// Package account knows the users and groups of this machine by name and number.
package account

import (
	"os/user"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

// Names turns numbers of users or groups into names, each once.
type Names struct {
	Lookup func(id string) (string, error) // User or Group
	seen   map[int]string
}

// Name is the name of a number, or "".
func (n *Names) Name(id int) string {
	if name, ok := n.seen[id]; ok {
		return name
	}
	if n.seen == nil {
		n.seen = map[int]string{}
	}
	name, err := n.Lookup(strconv.Itoa(id))
	if err != nil {
		name = ""
	}
	n.seen[id] = name
	return name
}

// Text is the name for eyes, or the number.
func (n *Names) Text(id int) string {
	if name := n.Name(id); name != "" {
		return terminal.Escape(name)
	}
	return strconv.Itoa(id)
}

// User looks up the name of a user.
func User(id string) (string, error) {
	u, err := user.LookupId(id)
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// Group looks up the name of a group.
func Group(id string) (string, error) {
	g, err := user.LookupGroupId(id)
	if err != nil {
		return "", err
	}
	return g.Name, nil
}

// Owner is the value of --owner: USER, USER:GROUP or :GROUP, names or numbers. What is
// not given is -1.
type Owner struct {
	text     string
	UID, GID int
}

func (o *Owner) String() string { return o.text }
func (o *Owner) Type() string   { return "USER[:GROUP]" }

func (o *Owner) Set(s string) error {
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
	*o = Owner{s, uid, gid}
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
