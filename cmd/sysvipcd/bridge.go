package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/bridge"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// bridgeFlags are the flags of the verb bridge.
type bridgeFlags struct {
	servers
	joint
	state        string
	stats        arg.Duration
	config, http string
}

func newBridgeCommand() *cobra.Command {
	b := &bridgeFlags{joint: joint{window: usualWindow}, stats: arg.Duration{D: time.Minute, Given: true}}
	cmd := &cobra.Command{
		Use:   "bridge --queue REF --subject S --send|--recv|--both --nats URL",
		Short: "Join a message queue of this machine to one of the cluster",
		Long: `Carry messages between a kernel queue of this machine and the queue S of a NATS cluster,
so that programs that know only their kernel queue can be on several machines. Types, the
order of each type, NUL bytes and empty messages are kept. Nothing is lost when the bridge
is killed, a server restarts, or a queue is full or not there for a while.

--send carries from the kernel queue to the cluster, --recv from the cluster to the kernel
queue. --both does both, and needs the types that leave this machine: --type N sends
type N and receives all others, --except N sends all but N and receives N. The other
machine says it the other way round.

Delivery is at least once; for duplicates see docs/scale.md. The bridge keeps a journal
below --state.

--config FILE runs many bridges in one process, over one connection. FILE is YAML, and has the
names of the flags:

  bridges:
    - queue: msg:name=orders
      subject: orders
      way: send                 # or recv, or both
    - {queue: "msg:key=0x4d2", subject: app, way: both, type: 1}

SIGHUP has it read FILE again: bridges that are not there any more end, new ones begin, the
others go on. One that fails begins again after a while. --http serves metrics for
Prometheus, /healthz, and /readyz, which answers 503 and says why if one does not carry.

It waits for servers that are away, also when it starts, and connects again.

SIGTERM and Ctrl-C finish what was begun; the exit code is then 0. That takes some 2 s if
the servers are away, and up to 10 s if they hang: what they did not acknowledge stays on
its queue and in the journal, and the next bridge goes on with it. A second signal ends it
at once.`,
		Example: `  sysvipcd bridge --queue msg:name=orders --subject orders --send \
    --embedded --listen :4222
  sysvipcd bridge --queue msg:key=0x4d2 --subject orders --recv \
    --nats nats://first:4222
  sysvipcd bridge --config /etc/sysvipc/bridges.yaml --nats nats://a,nats://b
  sysvipcd bridge --queue msg:ftok=/srv/app:R --subject app --both --type 1 \
    --nats nats://a,nats://b,nats://c`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && b.embedded { // as in: --embedded DIR
				b.dir = args[0]
				return nil
			}
			return noArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.config != "" {
				return b.runMany(cmd)
			}
			return b.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.queue, "queue", "", "`REF` of the kernel queue: msg:ID, msg:key=K, msg:name=NAME, msg:ftok=PATH:PROJ")
	f.StringVar(&b.subject, "subject", "", "`NAME` of the queue of the cluster, made if need be")
	f.BoolVar(&b.send, "send", false, "carry to the cluster")
	f.BoolVar(&b.receive, "recv", false, "carry from the cluster")
	f.BoolVar(&b.both, "both", false, "do both, with --type or --except")
	f.Int64Var(&b.typ, "type", 0, "send type `N` only")
	f.Int64Var(&b.except, "except", 0, "send all types but `N`")
	f.StringVar(&b.state, "state", stateDir(), "`DIR` for the journals")
	f.Var(&b.window, "window", "for how long the servers recognise a message that is sent again, if the queue is new")
	f.Int64Var(&b.messages, "max-messages", 0, "at most `N` messages on the cluster's queue, if it is new; then senders wait")
	f.Int64Var(&b.bytes, "max-bytes", 0, "at most `N` bytes, likewise (default 256 MiB)")
	f.Var(&b.stats, "stats", "log the counts this often; 0 not at all")
	f.StringVar(&b.config, "config", "", "run the bridges of `FILE`, and read it again on SIGHUP")
	f.StringVar(&b.http, "http", "", "with --config, serve /metrics, /healthz and /readyz on `ADDRESS`: HOST:PORT, or unix:PATH")
	b.add(cmd, "nats")
	b.addEmbedded(cmd)
	return cmd
}

// way is one direction of a bridge.
type way struct {
	bridge *bridge.Bridge
	name   string
	carry  func(*bridge.Bridge, context.Context) error
}

func (b *bridgeFlags) run(cmd *cobra.Command) error {
	open, err := b.check(cmd.Flags().Changed)
	if err == nil {
		err = b.checkServers(cmd)
	}
	if err != nil {
		return err
	}
	if b.http != "" {
		return cli.Usage("--http is for --config")
	}
	log, err := b.logger(cmd)
	if err != nil {
		return err
	}
	log = log.With("queue", b.queue, "subject", b.subject)
	if b.dir == "" {
		b.dir = filepath.Join(b.state, "nats")
	}
	ctx := cmd.Context()
	m := newMeter()
	b.patient = true
	conn, stop, err := b.connect(ctx, log, m)
	if err != nil {
		return ended(ctx, log, err)
	}
	defer stop()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell(conn))
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			log.Warn("the servers are away: what they did not acknowledge stays where it is, and goes on with the next bridge", "err", err)
		}
	}()
	ways, err := b.ways(ctx, conn, m, b.state, open)
	if err != nil {
		return ended(ctx, log, err)
	}
	return carry(ctx, log, m, b.stats.D, ways)
}

// ended is how a bridge ends that had not begun: in order if a signal told it to.
func ended(ctx context.Context, log *slog.Logger, err error) error {
	if ctx.Err() == nil {
		return err
	}
	log.Info("told to end before anything was carried")
	return nil
}

// farewell is for how long to take leave of the servers. Those that are away do not miss it.
func farewell(conn *cluster.Conn) time.Duration {
	if conn.NATS().IsConnected() {
		return 3 * time.Second
	}
	return 100 * time.Millisecond
}

// checkServers looks for what cannot be meant of the servers.
func (b *bridgeFlags) checkServers(cmd *cobra.Command) error {
	is := cmd.Flags().Changed
	switch {
	case (b.url != "") == b.embedded:
		return cli.Usage("one of --nats and --embedded is needed")
	case is("listen") && !b.embedded, is("sync") && !b.embedded:
		return cli.Usage("--listen and --sync are for --embedded")
	}
	return b.checkFlags(cmd)
}

// carry carries all ways until ctx ends or one fails.
func carry(ctx context.Context, log *slog.Logger, m *meter, every time.Duration, ways []way) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(ways))
	for i, w := range ways {
		w.bridge.Note = func(what string, err error) {
			if err != nil {
				log.Warn(what, "way", w.name, "err", err)
				return
			}
			log.Warn(what, "way", w.name)
		}
		wg.Go(func() {
			defer cancel()
			errs[i] = w.carry(w.bridge, ctx)
		})
	}
	log.Info("carrying", "ways", len(ways))
	if every > 0 {
		tick := time.NewTicker(every)
		defer tick.Stop()
		go func() {
			for {
				select {
				case <-tick.C:
					log.Info("so far", m.attrs()...)
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	wg.Wait()
	log.Info("done", m.attrs()...)
	return errors.Join(errs...)
}
