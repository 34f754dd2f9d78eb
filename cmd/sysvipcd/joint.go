package main

import (
	"context"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// joint says which kernel queue and which queue of the cluster a bridge joins, and how.
type joint struct {
	queue, subject      string
	send, receive, both bool
	typ, except         int64
	window              arg.Duration
	messages, bytes     int64
}

// usualWindow is the window of bridges that say nothing of it.
var usualWindow = arg.Duration{D: 10 * time.Minute, Given: true}

// check looks for what cannot be meant, and returns what opens the kernel queue. Is reports whether
// a flag, or the field of its name, was given.
func (j *joint) check(is func(flag string) bool) (func() (*sysvipc.Queue, error), error) {
	directions := 0
	for _, d := range []bool{j.send, j.receive, j.both} {
		if d {
			directions++
		}
	}
	selects := is("type") || is("except")
	switch {
	case j.queue == "":
		return nil, cli.Usage("--queue is missing: which kernel queue?")
	case j.subject == "":
		return nil, cli.Usage("--subject is missing: which queue of the cluster?")
	case directions != 1:
		return nil, cli.Usage("one of --send, --recv and --both is needed")
	case is("type") && j.typ < 1, is("except") && j.except < 1, is("type") && is("except"):
		return nil, cli.Usage("--type or --except takes a type, which is at least 1")
	case j.both && !selects:
		return nil, cli.Usage("--both needs --type or --except: else what came from the cluster would go there again")
	case j.receive && selects:
		return nil, cli.Usage("--recv carries all types: --type and --except are for --send and --both")
	case is("max-messages") && j.messages < 1, is("max-bytes") && j.bytes < 1:
		return nil, cli.Usage("--max-messages and --max-bytes are at least 1: leave them out for what is usual")
	case j.window.D < time.Second:
		return nil, cli.Usage("--window %v: it is from 1s, and to be longer than servers are away", j.window.D)
	}
	return local(j.queue)
}

// ways returns the directions to carry, with their journals below state.
func (j *joint) ways(ctx context.Context, conn *cluster.Conn, m cluster.Metrics, state string, open func() (*sysvipc.Queue, error)) (ways []way, err error) {
	sel, there, here := sysvipc.Any, j.subject, j.subject
	number := strconv.FormatInt(j.typ+j.except, 10)
	switch {
	case j.typ != 0:
		sel = sysvipc.OfType(j.typ)
	case j.except != 0:
		sel = sysvipc.Except(j.except)
	}
	if j.both { // two queues, since the two machines must not take what they sent
		there, here = j.subject+"/"+number, j.subject+"/!"+number
		if j.except != 0 {
			there, here = here, there
		}
	}
	add := func(suffix, name string, sel sysvipc.Selector, f func(*bridge.Bridge, context.Context) error) error {
		q, err := conn.EnsureQueue(ctx, name, &cluster.QueueOptions{Duplicates: j.window.D, MaxMessages: j.messages, MaxBytes: j.bytes})
		ways = append(ways, way{&bridge.Bridge{
			Local: open, Remote: q, Select: sel, Journal: filepath.Join(state, url.PathEscape(name+" "+j.queue)+"."+suffix), Metrics: m,
		}, suffix, f})
		return err
	}
	if j.send || j.both {
		err = add("send", there, sel, (*bridge.Bridge).Send)
	}
	if err == nil && (j.receive || j.both) {
		err = add("recv", here, sysvipc.Any, (*bridge.Bridge).Receive)
	}
	return ways, err
}
