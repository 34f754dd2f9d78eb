//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Round trips of 64 bytes between two processes, through a Chan and through a Unix socket, in the states in which a wait
// is found: just parked, after an idle time, after a disturbance, on a busy machine. Each side has a process of its own on
// the other end.
func BenchmarkSharedWait(b *testing.B) {
	chanTrip, socketTrip := waitTrips(b)
	b.Run("parked", func(b *testing.B) {
		parked := func(trip func()) func() []float64 {
			return func() (took []float64) {
				for range 20 {
					time.Sleep(time.Millisecond)
					took = append(took, timed(trip))
				}
				return took
			}
		}
		bySide(b, parked(chanTrip), parked(socketTrip))
	})
	for _, idle := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
		b.Run(fmt.Sprint("burst after ", idle, " idle"), func(b *testing.B) {
			bursts(b, func() { time.Sleep(idle) }, chanTrip, socketTrip)
		})
	}
	b.Run("burst after 100ms of full load", func(b *testing.B) {
		var load []*ipctest.Process
		for range processors() {
			p := ipctest.Start(b, waitLoad, nil, "100ms")
			p.Expect("ready")
			load = append(load, p)
		}
		bursts(b, func() {
			for _, p := range load {
				p.Tell("go")
			}
			for _, p := range load {
				p.Expect("done")
			}
		}, chanTrip, socketTrip)
	})
	b.Run("busy", func(b *testing.B) {
		for range 2 * len(processors()) {
			p := ipctest.Start(b, waitLoad, nil, "1h")
			p.Expect("ready")
			p.Tell("go")
		}
		many := func(trip func()) func() []float64 {
			return func() (took []float64) {
				for range 200 {
					took = append(took, timed(trip))
				}
				return took
			}
		}
		bySide(b, many(chanTrip), many(socketTrip))
	})
}

// waitTrips are a round trip through a Chan and one through a Unix socket.
func waitTrips(b *testing.B) (chanTrip, socketTrip func()) {
	r, key := newRegion(b, nil)
	there, back := twoChans(r)
	startOther(b, chanEcho, key)
	l := must(net.Listen("unix", filepath.Join(b.TempDir(), "socket")))
	defer l.Close()
	startOther(b, socketEcho, l.Addr())
	conn := must(l.Accept())
	b.Cleanup(func() { conn.Close() })
	ctx := context.Background()
	var buf [64]byte
	return func() {
			check(there.Send(ctx, cell{1}))
			must(back.Receive(ctx))
		}, func() {
			must(conn.Write(buf[:]))
			must(io.ReadFull(conn, buf[:]))
		}
}

func timed(call func()) float64 {
	start := time.Now()
	call()
	return float64(time.Since(start))
}

// bySide lets the two sides take turns, and reports median and p99 of what single round trips took.
func bySide(b *testing.B, ours, socket func() []float64) {
	ours()
	socket()
	var all, theirs []float64
	for b.Loop() {
		all, theirs = append(all, ours()...), append(theirs, socket()...)
	}
	b.ReportMetric(median(all), "ns/op")
	b.ReportMetric(quantile(all, 0.99), "p99-ns/op")
	b.ReportMetric(median(theirs), "socket-ns/op")
	b.ReportMetric(quantile(theirs, 0.99), "socket-p99-ns/op")
	b.ReportMetric(median(all)/median(theirs), "x_socket")
	b.ReportMetric(quantile(all, 0.99)/quantile(theirs, 0.99), "x_socket_p99")
}

// bursts reports the median and the worst of bursts of 2,000 round trips, each of which comes after a pause, and after how
// long a time into ours they are all fast: from there on 100 trips in a row take no more than a quarter of the socket's.
func bursts(b *testing.B, pause, ours, socket func()) {
	const trips, together = 2000, 20
	burst := func(trip func()) (each float64, parts []float64) {
		pause()
		begin := time.Now()
		for range trips / together {
			start := time.Now()
			for range together {
				trip()
			}
			parts = append(parts, float64(time.Since(start)))
		}
		return float64(time.Since(begin)) / trips, parts
	}
	var all, theirs, slow []float64
	for b.Loop() {
		each, _ := burst(socket)
		theirs = append(theirs, each)
		each, parts := burst(ours)
		all = append(all, each)
		until, sum := 0.0, 0.0
		for i, part := range parts {
			if sum += part; slices.Max(parts[i:min(i+100/together, len(parts))]) > together*median(theirs)/4 {
				until = sum
			}
		}
		slow = append(slow, until)
	}
	b.ReportMetric(median(all), "ns/op")
	b.ReportMetric(slices.Max(all), "worst-ns/op")
	b.ReportMetric(median(theirs), "socket-ns/op")
	b.ReportMetric(median(all)/median(theirs), "x_socket")
	b.ReportMetric(slices.Max(all)/median(theirs), "worst_x_socket")
	b.ReportMetric(median(slow)/1e6, "slow-ms")
	b.ReportMetric(slices.Max(slow)/1e6, "slow-worst-ms")
}

// waitLoad keeps a processor busy for so long, each time that it reads a line.
var waitLoad = ipctest.Register("wait load", func(c *ipctest.ChildEnv) {
	busy, err := time.ParseDuration(c.Args[0])
	c.Check(err)
	c.Say("ready")
	for {
		c.Listen()
		for end := time.Now().Add(busy); time.Now().Before(end); {
		}
		c.Say("done")
	}
})

// The processor time that a waiter takes for each second in which nothing comes, as a part of one processor.
func BenchmarkSharedWaitIdle(b *testing.B) {
	r, key := newRegion(b, nil)
	twoChans(r)
	p := ipctest.Start(b, waitIdle, nil, key.String())
	p.Expect("ready")
	var part []float64
	for b.Loop() {
		p.Tell("1s")
		part = append(part, must(strconv.ParseFloat(p.Line(), 64)))
	}
	b.ReportMetric(median(part), "processors")
}

var waitIdle = ipctest.Register("wait idle", func(c *ipctest.ChildEnv) {
	there, _ := twoChans(childRegion(c))
	go func() {
		_, err := there.Receive(context.Background())
		c.Check(err)
	}()
	c.Say("ready")
	for {
		pause, err := time.ParseDuration(c.Listen())
		c.Check(err)
		var before, after syscall.Rusage
		start := time.Now()
		c.Check(syscall.Getrusage(syscall.RUSAGE_SELF, &before))
		time.Sleep(pause)
		c.Check(syscall.Getrusage(syscall.RUSAGE_SELF, &after))
		used := after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano()
		c.Say("%g", float64(used)/float64(time.Since(start)))
	}
})
