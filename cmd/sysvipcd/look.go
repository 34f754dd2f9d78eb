package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
)

// look has the flags of the verbs that change nothing on a cluster.
type look struct {
	servers
	timeout arg.Duration
	format  string
}

func (l *look) add(cmd *cobra.Command) {
	l.timeout = arg.Duration{D: 10 * time.Second, Given: true}
	cmd.Flags().Var(&l.timeout, "timeout", "how long to wait for the servers' answers")
	flags.Output(cmd, &l.format, "table", "json")
	l.addConnection(cmd, "cluster")
}

// connect connects for the time that the answers may take. Close it with the function that it
// returns.
func (l *look) connect(cmd *cobra.Command) (conn *cluster.Conn, ctx context.Context, stop func(), err error) {
	if l.url == "" {
		return nil, nil, nil, cli.Usage("--cluster is missing: which servers?")
	}
	log, err := l.logger(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), l.timeout.D)
	conn, stopServer, err := l.servers.connect(ctx, log, newMeter())
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return conn, ctx, func() {
		conn.Close(ctx)
		stopServer()
		cancel()
	}, nil
}
