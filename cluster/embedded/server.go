// Package embedded runs NATS servers with JetStream inside this process: for one machine,
// for tests, and for a program that wants to bring its own.
//
//	srv, err := embedded.Start(embedded.Options{Dir: "/var/lib/app/nats"})
//	defer srv.Close()
//	conn, err := cluster.Connect(ctx, srv.URL(), nil, srv.InProcess())
//
// Only who imports this package links the server.
package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Options say how a server runs.
type Options struct {
	// Dir is where its streams are kept, made if need be. A directory serves one server
	// at a time.
	Dir string
	// Listen is the address for clients of other processes and machines, such as
	// "127.0.0.1:4222"; with port 0 it is any free port. Empty: nobody but this process.
	Listen string
	// SyncAlways has the server wait for the disk after each message, so that what was
	// acknowledged survives a power cut. Without, it is the page cache's: what was
	// acknowledged survives the death of the process, and is on the disk within two
	// minutes.
	SyncAlways bool
	// Log gets what the server logs. Nil drops it.
	Log server.Logger

	// Member makes it one of several servers that keep the streams together. Nil: it is
	// alone.
	Member *Member
}

// Member is a server's place among others: for a program that runs on three machines, each
// with a server inside.
type Member struct {
	Name   string   // of this server, which no other has
	Listen string   // where it listens for the others: HOST:PORT
	Routes []string // where the others listen: HOST:PORT
}

// startTime is for how long a server may recover its streams.
const startTime = 60 * time.Second

// Server is a NATS server inside this process. Safe for concurrent use.
type Server struct {
	s    *server.Server
	opts Options
}

// Start starts a server and waits until it serves.
func Start(opts Options) (*Server, error) {
	if opts.Dir == "" {
		return nil, errors.New("embedded: Options.Dir is empty: where are the streams to be kept?")
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	o := &server.Options{
		ServerName: "sysvipc", JetStream: true, StoreDir: opts.Dir, NoSigs: true, NoLog: opts.Log == nil, DontListen: opts.Listen == "",
		SyncAlways: opts.SyncAlways, NoSystemAccount: opts.Member == nil,
	}
	if opts.Listen != "" {
		var err error
		if o.Host, o.Port, err = address(opts.Listen); err != nil {
			return nil, err
		}
		if o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
	}
	if m := opts.Member; m != nil {
		host, port, err := address(m.Listen)
		if err != nil {
			return nil, err
		}
		if m.Name == "" || port == 0 || len(m.Routes) == 0 {
			return nil, fmt.Errorf("embedded: member %q at %q with routes %q: it needs a name of its own, a fixed port, and where the others are", m.Name, m.Listen, m.Routes)
		}
		o.ServerName = m.Name
		o.Cluster = server.ClusterOpts{Name: "sysvipc", Host: host, Port: port, PoolSize: -1, NoAdvertise: true}
		for _, route := range m.Routes {
			if _, _, err := address(route); err != nil {
				return nil, err
			}
			o.Routes = append(o.Routes, server.RoutesFromStr("nats://"+route)...)
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if opts.Log != nil {
		s.SetLoggerV2(opts.Log, false, false, false)
	}
	s.Start()
	if !s.ReadyForConnections(startTime) {
		s.Shutdown()
		return nil, fmt.Errorf("embedded: the server in %s does not serve after %v: does another one use the directory, or the address %s?", opts.Dir, startTime, opts.Listen)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("embedded: the server in %s cannot use its directory", opts.Dir)
	}
	return &Server{s, opts}, nil
}

// address reads HOST:PORT.
func address(s string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(s)
	if err == nil {
		var n uint64
		n, err = strconv.ParseUint(digits, 10, 16)
		port = int(n)
	}
	if err != nil {
		return "", 0, fmt.Errorf("embedded: address %q: %w (it is HOST:PORT, such as 127.0.0.1:4222)", s, err)
	}
	return host, port, nil
}

// URL returns the address for clients.
func (s *Server) URL() string { return s.s.ClientURL() }

// InProcess is an option for [cluster.Connect] that reaches the server without a network.
//
// [cluster.Connect]: https://pkg.go.dev/github.com/sysvipc/sysvipc/cluster#Connect
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(s.s) }

// Close stops the server and waits until its files are closed.
func (s *Server) Close() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}
