package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/dashboard"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/history"
	"github.com/sysvipc/sysvipc/trace"
)

// serveFlags are the flags of the verb serve.
type serveFlags struct {
	listen            string
	hosts             []string
	cert, key, token  string
	mode              string
	namespaces, trace bool
	objects           []string
	maxObjects        int
	interval          arg.Duration
	history           string
	historySize       arg.Size
}

func newServeCommand() *cobra.Command {
	s := &serveFlags{interval: arg.Duration{D: 5 * time.Second, Given: true}, historySize: arg.Size{N: 64 << 20}}
	cmd := &cobra.Command{
		Use:   "serve [--listen ADDRESS]",
		Short: "Serve what is on this machine: a page, metrics for Prometheus, an API",
		Long: `Serve the objects of this IPC namespace, who uses and who waits for them, and the limits: as a
page for a browser at /, as metrics for Prometheus at /metrics, and at /api/v1/objects, waits,
limits and findings as JSON, in the schema of "sysvipc … -o json". Looking changes nothing.
/healthz says that this process answers, /readyz that the machine does.

It listens on 127.0.0.1:9765. A client sees what this process sees, so on a machine with
other users let a root process listen on a Unix socket, or ask for a token. Another address
than a loopback one needs --tls-cert, --tls-key and --token-file: clients send the header
"Authorization: Bearer TOKEN".

The number of series is bounded by 300, whatever the machine holds. --object and
--namespaces add some for each object that is selected, and for each IPC namespace.

--trace counts all System V calls in this IPC namespace in the kernel, by eBPF, and adds some
110 series: how many of each call, how long they took, waiting included, and how many failed.
While it runs, each call takes about twice as long, and some half a microsecond more. It needs
what "sysvipc trace" needs: root, or CAP_BPF with CAP_PERFMON. It sees who takes from a semaphore
and does not give back, too, and tells "sysvipc who", waits, explain and top, through a socket in
/run/sysvipcd that only root may use. That needs Linux 5.17 and the machine's first PID namespace.

As an ordinary user it says what it could not see (sysvipc_snapshot_complete). To see all, it
needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, and with --namespaces CAP_SYS_ADMIN.`,
		Example: `  sysvipcd serve
  sysvipcd serve --listen unix:/run/sysvipcd.sock
  sysvipcd serve --object msg --object shm:name=prices
  sysvipcd serve --listen :9765 --host db1.example.com \
    --tls-cert c.pem --tls-key k.pem --token-file token`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.NoArgs,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:9765", "`ADDRESS`: HOST:PORT, or unix:PATH")
	f.StringVar(&s.mode, "socket-mode", "0600", "permissions `MODE` of the Unix socket")
	f.StringArrayVar(&s.hosts, "host", nil, "answer to this `NAME`, too, as it stands in the URL; can be repeated")
	f.StringVar(&s.cert, "tls-cert", "", "`FILE` with the certificate, and those of its issuers")
	f.StringVar(&s.key, "tls-key", "", "`FILE` with the private key")
	f.StringVar(&s.token, "token-file", "", "`FILE` with the token, which others may not read")
	f.StringArrayVar(&s.objects, "object", nil, "series of their own for the objects that `FILTER` selects: shm, sem, msg or a REF; can be repeated")
	f.IntVar(&s.maxObjects, "max-objects", dashboard.DefaultMaxObjects, "at most `N` objects with series of their own")
	f.Var(&s.interval, "interval", "look this often for the page and its history; where a look takes long, less often")
	f.StringVar(&s.history, "history", "", "keep the history in `FILE`, which survives this process (default: in memory)")
	f.Var(&s.historySize, "history-size", "at most so many bytes of it, such as 64M")
	f.BoolVar(&s.trace, "trace", false, "count the System V calls of this IPC namespace, too")
	f.BoolVar(&s.namespaces, "namespaces", false, "count the objects of all IPC namespaces, too")
	return cmd
}

// check looks for what cannot be meant.
func (s *serveFlags) check() (network, address string, err error) {
	if network, address, err = listenAddress("--listen", s.listen); err != nil {
		return "", "", err
	}
	switch {
	case (s.cert == "") != (s.key == ""):
		return "", "", cli.Usage("--tls-cert and --tls-key go together")
	case network == "tcp" && !loopback(address) && (s.cert == "" || s.token == ""):
		return "", "", cli.Usage("--listen %s is no loopback address: that needs --tls-cert, --tls-key and --token-file", s.listen)
	case s.interval.D < 100*time.Millisecond:
		return "", "", cli.Usage("--interval %v: it is from 0.1", s.interval.D)
	case s.maxObjects < 1:
		return "", "", cli.Usage("--max-objects %d: it is at least 1", s.maxObjects)
	}
	return network, address, nil
}

// loopback reports whether an address can be reached from this machine alone.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *serveFlags) run(cmd *cobra.Command) error {
	network, address, err := s.check()
	if err != nil {
		return err
	}
	opts, err := s.options(network, address)
	if err != nil {
		return err
	}
	var calls *trace.Trace
	var noHolders error
	if s.trace {
		calls, noHolders, err = startTrace()
		if errors.Is(err, fs.ErrPermission) {
			return &cli.Error{Code: cli.ExitNotPermitted, Err: err}
		}
		if err != nil {
			return err
		}
		defer calls.Close()
		opts.Collector.Calls = calls.Read
	}
	config, err := s.tls()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30) // all users of 44,000 objects would take more than 64 MiB
	}
	ln, err := listen(network, address, s.mode)
	if err != nil {
		return err
	}
	scheme := "http"
	if config != nil {
		ln, scheme = tls.NewListener(ln, config), "https"
	}
	logger := log.New(cmd.ErrOrStderr(), "sysvipcd: ", 0)
	if network == "unix" {
		logger.Printf("serving on %s", s.listen)
	} else {
		logger.Printf("serving on %s://%s", scheme, ln.Addr())
	}
	kept, err := s.openHistory()
	if err != nil {
		ln.Close()
		return err
	}
	defer kept.Close()
	opts.Feed = &dashboard.Feed{Looks: opts.Collector.Looks, History: kept, Interval: s.interval.D}
	opts.Collector.Looks.Happened = opts.Feed.Note
	server := dashboard.NewServer(dashboard.NewHandler(opts))
	server.ErrorLog = logger
	ctx, cancel := context.WithCancel(cmd.Context())
	context.AfterFunc(ctx, func() { notify("STOPPING=1") })
	var feeding sync.WaitGroup
	feeding.Go(func() { opts.Feed.Run(ctx) })
	if calls != nil {
		var holders net.Listener
		if noHolders == nil {
			holders, noHolders = listenHolders()
		}
		if noHolders == nil {
			feeding.Go(func() { serveHolders(ctx, holders, calls, logger) })
		} else { // the rest is served
			logger.Printf("holders of semaphores are not shown: %v", noHolders)
		}
	}
	notify("READY=1")
	err = dashboard.Serve(ctx, server, ln)
	cancel()
	feeding.Wait()
	return err
}

// inMemory is how many samples are kept without --history: a day of them, in less than 2 MB.
const inMemory = 17280

func (s *serveFlags) openHistory() (*history.History, error) {
	if s.history == "" {
		return history.New(inMemory), nil
	}
	return history.Open(s.history, s.historySize.N)
}

func (s *serveFlags) options(network, address string) (opts dashboard.Options, err error) {
	opts = dashboard.Options{
		Collector: &dashboard.Collector{Looks: &dashboard.Looks{}, Namespaces: s.namespaces, MaxObjects: s.maxObjects},
		Hosts:     s.hosts, AnyHost: network == "unix",
	}
	if host, _, err := net.SplitHostPort(address); network == "tcp" && err == nil && host != "" {
		opts.Hosts = append(opts.Hosts, host)
	}
	if s.token != "" {
		token, err := readToken(s.token)
		if err != nil {
			return opts, err
		}
		opts.Token = token
	}
	if len(s.objects) > 0 {
		selected, err := selector(s.objects)
		if err != nil {
			return opts, err
		}
		opts.Collector.Objects = selected
	}
	return opts, nil
}

// shortest is the least length of a token, in bytes: 16 that nobody can guess.
const shortest = 16

// readToken reads the first line of a file that only its owner may read.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return "", cli.Fail(cli.ExitNotPermitted, "--token-file %s: others may read it: chmod 600 %s", path, path)
	}
	token, _, _ := strings.Cut(string(text), "\n")
	if token = strings.TrimSpace(token); len(token) < shortest {
		return "", cli.Fail(cli.ExitFailed, "--token-file %s: its first line has %d characters, and a token has at least %d: openssl rand -hex 16", path, len(token), shortest)
	}
	return token, nil
}

// tls returns what the flags say of TLS, or nil for none. The certificate is read for each
// connection, so that a new one needs no restart.
func (s *serveFlags) tls() (*tls.Config, error) {
	if s.cert == "" {
		return nil, nil
	}
	if _, err := tls.LoadX509KeyPair(s.cert, s.key); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(s.cert, s.key)
			return &pair, err
		},
	}, nil
}

// listen opens a socket. A Unix socket that a killed server left is replaced; one that answers is not.
func listen(network, address, mode string) (net.Listener, error) {
	if network != "unix" {
		return net.Listen(network, address)
	}
	perm, err := arg.ParseMode(mode)
	if err != nil {
		return nil, cli.Usage("--socket-mode: %v", err)
	}
	if info, err := os.Lstat(address); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, cli.Fail(cli.ExitFailed, "%s is there, and no socket", address)
		}
		if conn, err := net.DialTimeout("unix", address, time.Second); err == nil {
			conn.Close()
			return nil, cli.Fail(cli.ExitFailed, "%s: another server answers there", address)
		}
	}
	// It gets its permissions before its name: between bind(2) and chmod(2) it would be open.
	dir, err := os.MkdirTemp(filepath.Dir(address), ".sysvipcd-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	hidden := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	err = os.Chmod(hidden, perm)
	if err == nil {
		err = os.Rename(hidden, address)
	}
	if err != nil {
		ln.Close()
		return nil, err
	}
	return &named{ln, address}, nil
}

// named is a listener on a Unix socket that is removed with it.
type named struct {
	net.Listener
	path string
}

func (n *named) Close() error {
	os.Remove(n.path)
	return n.Listener.Close()
}

// notify says something to systemd, if that waits for it: see sd_notify(3). It is no reason to fail.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(state))
}
