package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// servers say which NATS servers to use, and how.
type servers struct {
	url, dir, listen    string
	creds, nkey, domain string
	ca, cert, key       string
	replicas            int
	log                 string
	patient             bool // waits for servers that are away at the start
	lease               arg.Duration
	embedded, syncAlway bool
}

// add adds the flags of a connection, and those for what is made and held over it.
func (s *servers) add(cmd *cobra.Command, url string) {
	s.addConnection(cmd, url)
	f := cmd.Flags()
	f.IntVar(&s.replicas, "replicas", 0, "on how many servers new objects are kept (default: 3 in a cluster, else 1)")
	f.Var(&s.lease, "lease", "for how long one may be silent before others take its place (default 10s)")
}

// addConnection adds the flags of a connection. That for the URL is called nats or cluster.
func (s *servers) addConnection(cmd *cobra.Command, url string) {
	f := cmd.Flags()
	f.StringVar(&s.url, url, "", "`URL` of the servers, several with commas between")
	f.StringVar(&s.creds, "creds", "", "`FILE` with NATS credentials")
	f.StringVar(&s.nkey, "nkey", "", "`FILE` with the seed of an NKey")
	f.StringVar(&s.domain, "js-domain", "", "JetStream `DOMAIN` of the servers, where leaf nodes have others")
	f.StringVar(&s.ca, "tls-ca", "", "`FILE` with the certificates that the servers' must go back to")
	f.StringVar(&s.cert, "tls-cert", "", "`FILE` with this client's certificate")
	f.StringVar(&s.key, "tls-key", "", "`FILE` with its key")
	f.StringVar(&s.log, "log", "text", "`FORMAT` of what is logged to the standard error: text, json or none")
}

// addEmbedded adds the flags for a server of our own.
func (s *servers) addEmbedded(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&s.embedded, "embedded", false, "bring a server: streams are kept in `DIR`, by default below --state")
	f.StringVar(&s.listen, "listen", "127.0.0.1:4222", "`ADDRESS` of the server that --embedded brings")
	f.BoolVar(&s.syncAlway, "sync", false, "the server that --embedded brings waits for the disk after each message")
}

// checkFlags looks for what cannot be meant.
func (s *servers) checkFlags(cmd *cobra.Command) error {
	switch {
	case cmd.Flags().Changed("replicas") && s.replicas != 1 && s.replicas != 3 && s.replicas != 5:
		return cli.Usage("--replicas %d: there can be 1, 3 or 5", s.replicas)
	case s.lease.Given && s.lease.D < time.Second:
		return cli.Usage("--lease %v: it is from 1s", s.lease.D)
	}
	return nil
}

// logger returns where to log.
func (s *servers) logger(cmd *cobra.Command) (*slog.Logger, error) {
	switch s.log {
	case "text":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil)), nil
	case "none":
		return slog.New(slog.DiscardHandler), nil
	}
	return nil, cli.Usage("--log %q: text, json or none", s.log)
}

// connect connects, and starts the server if there is to be one. Close it with the
// function that it returns.
func (s *servers) connect(ctx context.Context, log *slog.Logger, m cluster.Metrics) (*cluster.Conn, func(), error) {
	note := func(what string, err error) {
		if err != nil {
			log.Warn(what, "err", err)
			return
		}
		log.Info(what)
	}
	opts := &cluster.Options{
		Replicas: s.replicas, Lease: s.lease.D, Metrics: m, Note: note, Wait: s.patient,
		Credentials: s.creds, NKey: s.nkey, RootCA: s.ca, Cert: s.cert, Key: s.key, Domain: s.domain,
	}
	if !s.embedded {
		conn, err := cluster.Connect(ctx, s.url, opts)
		return conn, func() {}, err
	}
	srv, err := embedded.Start(embedded.Options{Dir: s.dir, Listen: s.listen, SyncAlways: s.syncAlway})
	if err != nil {
		return nil, nil, err
	}
	log.Info("server started", "url", srv.URL(), "dir", s.dir)
	conn, err := cluster.Connect(ctx, srv.URL(), opts, srv.InProcess())
	if err != nil {
		srv.Close()
		return nil, nil, err
	}
	return conn, srv.Close, nil
}

// stateDir is where journals and streams are kept unless a flag says otherwise: systemd's
// StateDirectory, or the usual place.
func stateDir() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	return "/var/lib/sysvipcd"
}
