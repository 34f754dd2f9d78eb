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

// look has the flags of the verbs that look after what a cluster keeps.
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

// run returns the RunE of a verb that asks the servers: f gets a connection for the time that the answers
// may take.
func (l *look) run(f func(ctx context.Context, cmd *cobra.Command, conn *cluster.Conn, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if l.url == "" {
			return cli.Usage("--cluster is missing: which servers?")
		}
		log, err := l.logger(cmd)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), l.timeout.D)
		defer cancel()
		conn, stop, err := l.connect(ctx, log, newMeter())
		if err != nil {
			return err
		}
		defer stop()
		defer conn.Close(ctx)
		return f(ctx, cmd, conn, args)
	}
}

// noArgs is the Args of a verb that takes flags alone.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usage("unexpected argument %q", args[0])
	}
	return nil
}
