package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/dashboard"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// httpMode is the mode of the Unix socket of --http.
const httpMode = "0660"

// checkMany looks for what cannot be meant beside --config.
func (b *bridgeFlags) checkMany(cmd *cobra.Command) (network, address string, err error) {
	for _, flag := range []string{"queue", "subject", "send", "recv", "both", "type", "except", "window", "max-messages", "max-bytes", "stats"} {
		if cmd.Flags().Changed(flag) {
			return "", "", cli.Usage("--%s is for one bridge, and --config FILE names many: write it there", flag)
		}
	}
	if b.http == "" {
		return "", "", b.checkServers(cmd)
	}
	if network, address, err = listenAddress("--http", b.http); err != nil {
		return "", "", err
	}
	return network, address, b.checkServers(cmd)
}

// runMany runs the bridges of a file until SIGTERM or SIGINT. SIGHUP has it read the file again.
func (b *bridgeFlags) runMany(cmd *cobra.Command) error {
	network, address, err := b.checkMany(cmd)
	if err != nil {
		return err
	}
	wanted, err := readBridges(b.config)
	if err != nil {
		return err
	}
	log, err := b.logger(cmd)
	if err != nil {
		return err
	}
	if b.dir == "" {
		b.dir = filepath.Join(b.state, "nats")
	}
	signals, unheed := heed()
	defer unheed()
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer cancel()
	failed := make(chan error, 2)
	counts := &dashboard.Counters{}
	var fleetNow atomic.Pointer[fleet]
	ready := func() error {
		if f := fleetNow.Load(); f != nil {
			return f.ready()
		}
		return errors.New("not connected to the servers yet")
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel()
	if network != "" {
		ln, err := listen(network, address, httpMode)
		if err != nil {
			return err
		}
		log.Info("serving /metrics, /healthz and /readyz", "http", ln.Addr().String())
		serving.Go(func() {
			if err := dashboard.Serve(ctx, dashboard.NewServer(counts.Handler(ready)), ln); err != nil {
				failed <- err
			}
		})
	}
	type connected struct {
		conn *cluster.Conn
		stop func()
		err  error
	}
	reached := make(chan connected, 1)
	b.patient = true
	connecting, giveUp := context.WithCancel(ctx)
	defer giveUp()
	go func() {
		conn, stop, err := b.connect(connecting, log, counts)
		reached <- connected{conn, stop, err}
	}()
	notify("READY=1")
	alive := watchdog()
	defer alive.Stop()
	carrying, end := context.WithCancel(ctx)
	defer end()
	var changes sync.WaitGroup
	set := func() {
		if f, wanted := fleetNow.Load(), wanted; f != nil {
			changes.Go(func() { f.set(carrying, wanted) })
		}
	}
	for {
		select {
		case c := <-reached:
			if c.err != nil {
				return c.err
			}
			defer c.stop()
			defer func() {
				ctx, cancel := context.WithTimeout(ctx, farewell(c.conn))
				defer cancel()
				if err := c.conn.Close(ctx); err != nil {
					log.Warn("the servers are away: what they did not acknowledge stays where it is, and goes on with the next bridge", "err", err)
				}
			}()
			fleetNow.Store(&fleet{conn: c.conn, counts: counts, state: b.state, log: log, runs: map[joint]*bridgeRun{}})
			set()
		case <-alive.C:
			ready() // it would hang if the bridges' states could not be had
			notify("WATCHDOG=1")
		case err := <-failed:
			return err
		case s := <-signals:
			if s != syscall.SIGHUP {
				unheed() // the next one kills
				notify("STOPPING=1")
				log.Info("ending", "signal", s.String())
				end()
				if f := fleetNow.Load(); f != nil {
					changes.Wait()
					f.set(ctx, nil)
				}
				return nil
			}
			notify("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic().Microseconds(), 10))
			if again, err := readBridges(b.config); err != nil {
				log.Error("the file is not as it should be: the bridges stay as they are", "err", err)
			} else {
				wanted = again
				log.Info("the file was read again", "bridges", len(wanted))
				set()
			}
			notify("READY=1")
		}
	}
}

// watchdog ticks twice in the time after which systemd takes this process for dead, or never.
func watchdog() *time.Ticker {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err != nil || usec < 1 || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTicker(max(time.Duration(usec)*time.Microsecond/2, time.Millisecond))
}

// listenAddress reads the value of a flag: HOST:PORT, or unix:PATH.
func listenAddress(flag, value string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(value, "unix:"); ok {
		if path == "" {
			return "", "", cli.Usage("%s %s: a path is missing, as in unix:/run/sysvipcd.sock", flag, value)
		}
		return "unix", path, nil
	}
	if _, _, err := net.SplitHostPort(value); err != nil {
		return "", "", cli.Usage("%s %q: write HOST:PORT or unix:PATH", flag, value)
	}
	return "tcp", value, nil
}
