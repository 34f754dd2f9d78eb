package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/trace"
)

// mostTraced is how many objects a trace can have as its only ones; more are looked for in all calls.
const mostTraced = 128

// observe traces calls for a time and says of each object that was used meanwhile by which process.
func observe(ctx context.Context, objects []*inspect.Object, limit time.Duration, talk io.Writer) (map[*inspect.Object]string, error) {
	var opts trace.Options
	byName := map[string]*inspect.Object{}
	for _, o := range objects {
		byName[o.Ref()] = o
		if len(objects) <= mostTraced {
			opts.Objects = append(opts.Objects, trace.Object{Kind: o.Kind, ID: o.ID})
		}
	}
	t, err := trace.Start(&opts)
	if err != nil {
		return nil, notTraced(err)
	}
	defer t.Close()
	fmt.Fprintf(talk, "observing %s for %s\n", plural.Of(len(objects), "object"), limit)
	over, stop := context.WithTimeout(ctx, limit)
	defer stop()
	<-over.Done()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	sum, err := t.Read()
	if err != nil {
		return nil, err
	}
	if sum.Lost > 0 {
		return nil, cli.Fail(cli.ExitFailed, "%s found no room to be counted, so what was used is not known, and nothing is removed: observe for a shorter time, or fewer objects by --owner", plural.Of(int(sum.Lost), "call"))
	}
	slices.SortFunc(sum.Calls, func(a, b trace.Call) int { return int(min(b.Count, 1<<30)) - int(min(a.Count, 1<<30)) })
	used := map[*inspect.Object]string{}
	for i := range sum.Calls {
		c := &sum.Calls[i]
		if o := byName[c.Ref()]; o != nil && used[o] == "" && !onlyLooks(c) {
			used[o] = fmt.Sprintf("process %d (%s) called %s on it while it was observed", c.PID, terminal.Escape(c.Comm), c.Op)
		}
	}
	return used, nil
}

// onlyLooks reports whether a call is one of those that tools make to show an object. GETVAL and its like are a use, but
// for these commands: a program may do nothing else.
func onlyLooks(c *trace.Call) bool {
	switch c.CommandName() {
	case "IPC_STAT", "SHM_STAT", "SHM_STAT_ANY", "SEM_STAT", "SEM_STAT_ANY", "MSG_STAT", "MSG_STAT_ANY":
		return true
	case "GETVAL", "GETALL", "GETPID", "GETNCNT", "GETZCNT":
		return c.Comm == "sysvipc" || c.Comm == "sysvipcd"
	}
	return false
}
