//go:build linux && (amd64 || arm64)

package bench

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// A message there and back through a channel, beside the same through a Unix socket: what
// a program of two processes would use otherwise.
func BenchmarkSharedAgainstSocket(b *testing.B) {
	path := filepath.Join(b.TempDir(), "socket")
	l := must(net.Listen("unix", path))
	defer l.Close()
	ipctest.Start(b, socketEcho, nil, path).Expect("ready")
	conn := must(l.Accept())
	defer conn.Close()
	var buf [64]byte
	socket := &side{name: "socket", batch: 100, run: loop(func() {
		must(conn.Write(buf[:]))
		must(io.ReadFull(conn, buf[:]))
	})}
	compare(b, 2000, chanRoundTrip(b), socket)
}

var socketEcho = ipctest.Register("socket echo", func(c *ipctest.ChildEnv) {
	conn, err := net.Dial("unix", c.Args[0])
	c.Check(err)
	c.Say("ready")
	var buf [64]byte
	for {
		if _, err := io.ReadFull(conn, buf[:]); err == io.EOF {
			return
		}
		_, err = conn.Write(buf[:])
		c.Check(err)
	}
})

// A stream of messages through a channel, beside the same through a pipe, each with a
// write and a read of its own.
func BenchmarkSharedAgainstPipe(b *testing.B) {
	dir := b.TempDir()
	for _, name := range []string{"there", "back"} {
		if out, err := exec.Command("mkfifo", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			b.Skipf("mkfifo: %v: %s", err, out)
		}
	}
	p := ipctest.Start(b, pipeSink, nil, dir)
	there := must(os.OpenFile(filepath.Join(dir, "there"), os.O_WRONLY, 0))
	back := must(os.Open(filepath.Join(dir, "back")))
	defer there.Close()
	defer back.Close()
	p.Expect("ready")
	pipe := &side{name: "pipe", batch: 2000, run: func(n int) time.Duration {
		start := time.Now()
		var buf [64]byte
		for i := range n {
			if i == n-1 {
				buf[0] = 1
			}
			must(there.Write(buf[:]))
		}
		must(back.Read(buf[:1]))
		return time.Since(start)
	}}
	compare(b, 64_000, chanStream(b, 1), pipe)
}

var pipeSink = ipctest.Register("pipe sink", func(c *ipctest.ChildEnv) {
	there, err := os.Open(filepath.Join(c.Args[0], "there"))
	c.Check(err)
	back, err := os.OpenFile(filepath.Join(c.Args[0], "back"), os.O_WRONLY, 0)
	c.Check(err)
	c.Say("ready")
	var buf [64]byte
	for {
		if _, err := io.ReadFull(there, buf[:]); err == io.EOF {
			return
		}
		if buf[0] == 1 {
			_, err := back.Write(buf[:1])
			c.Check(err)
		}
	}
})

//go:embed testdata/shareable.pl
var shareable string

// An increment under a lock, beside the same by Perl's IPC::Shareable.
func BenchmarkSharedAgainstShareable(b *testing.B) {
	if exec.Command("perl", "-MIPC::Shareable", "-e", "1").Run() != nil {
		b.Skip("no IPC::Shareable: install libipc-shareable-perl")
	}
	perl := exec.Command("perl", "-e", shareable)
	in, out := must(perl.StdinPipe()), must(perl.StdoutPipe())
	perl.Stderr = os.Stderr
	check(perl.Start())
	defer perl.Wait()
	defer in.Close()
	lines := bufio.NewReader(out)
	theirs := &side{name: "shareable", batch: 20, run: func(n int) time.Duration {
		must(fmt.Fprintln(in, n))
		return must(time.ParseDuration(strings.TrimSpace(must(lines.ReadString('\n'))) + "ns"))
	}}
	r, _ := newRegion(b, nil)
	mu, n, ctx := must(shared.MutexOf(r, "m")), must(shared.VarOf[int64](r, "n")), context.Background()
	compare(b, 5000, &side{run: loop(func() {
		check(mu.Lock(ctx))
		check(n.Store(ctx, must(n.Load())+1))
		check(mu.Unlock())
	})}, theirs)
}
