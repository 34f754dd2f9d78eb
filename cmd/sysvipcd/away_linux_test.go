package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster/embedded"
)

// spoken starts the command, and returns what waits for a line of its log with some words.
func spoken(t *testing.T, args ...string) (p *process, says func(words string)) {
	t.Helper()
	p = command(t, args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = w
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { p.Process.Kill(); p.Wait(); r.Close() })
	lines := bufio.NewScanner(io.TeeReader(r, &p.err))
	return p, func(words string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), words) {
				return
			}
		}
		t.Fatalf("it does not say %q:\n%s", words, &p.err)
	}
}

// ends tells a process to end by a signal: it has to do so by itself, and in order.
func (p *process) ends(t *testing.T, s syscall.Signal) {
	t.Helper()
	defer time.AfterFunc(time.Minute, func() { p.Process.Kill() }).Stop()
	p.Process.Signal(s)
	p.code(t, 0)
}

// A bridge gets the signal to end before there was a server.
func TestBridgeEndsBeforeTheServersCome(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p, says := spoken(t, "bridge", "--queue", "msg:name="+t.Name(), "--subject", "s", "--send", "--nats", "nats://"+free(t))
		says("waiting for them")
		p.ends(t, s)
		says("before anything was carried")
	}
}

// A bridge gets the signal to end while the server is away: it leaves all messages where they are,
// and the next one carries each once.
func TestBridgeEndsWhileTheServersAreAway(t *testing.T) {
	t.Parallel()
	address, dir, state := free(t), t.TempDir(), t.TempDir()
	serve := func() *embedded.Server {
		s, err := embedded.Start(embedded.Options{Dir: dir, Listen: address})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	q, err := sysvipc.CreateQueue(sysvipc.KeyOf(t.Name()), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove() })
	on := []string{"bridge", "--queue", "msg:name=" + t.Name(), "--subject", "s", "--nats", "nats://" + address, "--state", state}
	server := serve()
	sender, says := spoken(t, append(on, "--send")...)
	says("carrying")
	receiver, hears := spoken(t, append(on, "--recv")...)
	hears("carrying")
	server.Close()
	says("connection to the servers lost")
	hears("connection to the servers lost")
	const n = 3
	for range n {
		if err := q.Send(t.Context(), 5, []byte("same")); err != nil {
			t.Fatal(err)
		}
	}
	receiver.ends(t, syscall.SIGTERM)
	sender.ends(t, syscall.SIGINT)
	says("the servers are away")
	if st, err := q.Stat(); err != nil || st.Messages != n {
		t.Errorf("%d messages are left, %v; want %d", st.Messages, err, n)
	}
	serve()
	arrived, err := sysvipc.CreateQueue(sysvipc.KeyOf(t.Name()+" arrived"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { arrived.Remove() })
	sender, _ = spoken(t, append(on, "--send")...)
	on[2] += " arrived"
	receiver, hears = spoken(t, append(on, "--recv")...)
	for range n {
		if m, err := arrived.Receive(t.Context(), sysvipc.Any); err != nil || m.Type != 5 || string(m.Data) != "same" {
			t.Errorf("got %d:%q, %v", m.Type, m.Data, err)
		}
	}
	sender.ends(t, syscall.SIGTERM)
	receiver.ends(t, syscall.SIGTERM)
	hears("msg=done queue=\"msg:name=" + t.Name() + " arrived\" subject=s bridge_backlog=0 bridge_received=3")
	if st, err := q.Stat(); err != nil || st.Messages != 0 {
		t.Errorf("%d messages are left, %v", st.Messages, err)
	}
	if files, _ := filepath.Glob(state + "/*.send"); len(files) != 1 {
		t.Errorf("journals %q", files)
	}
}
