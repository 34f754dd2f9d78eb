package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// kinds are the objects of a cluster, with the words before their names.
var kinds = []struct{ word, kind string }{{"msg", "queue"}, {"sem", "semaphore set"}, {"var", "variable"}}

// describe finds the object that is meant by KIND:NAME, or by NAME alone if only one has that.
func describe(ctx context.Context, conn *cluster.Conn, text string) (*cluster.Description, error) {
	for _, k := range kinds {
		if name, ok := strings.CutPrefix(text, k.word+":"); ok {
			return conn.Describe(ctx, k.kind, name)
		}
	}
	var found []*cluster.Description
	var words []string
	for _, k := range kinds {
		d, err := conn.Describe(ctx, k.kind, text)
		switch {
		case err == nil:
			found, words = append(found, d), append(words, k.word+":"+text)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	switch len(found) {
	case 0:
		return nil, cli.Fail(cli.ExitNotFound, "%s: there is no queue, semaphore set or variable of this name: see sysvipcd ls", text)
	case 1:
		return found[0], nil
	}
	return nil, cli.Usage("%s can mean %s", text, strings.Join(words, " or "))
}

// oneOrMore refuses a command line without names.
func oneOrMore(args []string) error {
	if len(args) == 0 {
		return cli.Usage("a name is missing: NAME, msg:NAME, sem:NAME or var:NAME")
	}
	return nil
}
