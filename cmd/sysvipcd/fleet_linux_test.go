package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster/embedded"
)

// fetch returns the status and the text of a page, or 0 if nobody answers.
func fetch(url string) (int, string) {
	r, err := http.Get(url)
	if err != nil {
		return 0, ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(text)
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// One process carries for many queues, takes another file on SIGHUP, keeps what it has if that is wrong, says
// whether all is well, and ends in order.
func TestManyBridges(t *testing.T) {
	t.Parallel()
	local := func() *sysvipc.Queue {
		q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Remove() })
		return q
	}
	from, to, later := local(), local(), local()
	file := filepath.Join(t.TempDir(), "bridges.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(q *sysvipc.Queue, subject, way string) string {
		return fmt.Sprintf("  - {queue: \"msg:%d\", subject: %s, way: %s}\n", q.ID(), subject, way)
	}
	first := "bridges:\n" + entry(from, "a", "send")
	write(first + entry(to, "a", "recv"))
	listen, address := free(t), free(t)
	p := command(t, "bridge", "--config", file, "--nats", "nats://"+listen, "--http", address)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.Stderr = log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	times := func(words string) int {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), words)
	}
	until(t, "it serves", func() bool { code, _ := fetch("http://" + address + "/healthz"); return code == 200 })
	if code, text := fetch("http://" + address + "/readyz"); code != 503 || !strings.Contains(text, "not connected") {
		t.Errorf("without servers it is ready: %d %s", code, text)
	}
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	ready := func() bool { code, _ := fetch("http://" + address + "/readyz"); return code == 200 }
	until(t, "it is ready", ready)
	carry := func(q *sysvipc.Queue, text string) {
		t.Helper()
		if err := from.Send(t.Context(), 3, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if m, err := q.Receive(t.Context(), sysvipc.Any); err != nil || string(m.Data) != text || m.Type != 3 {
			t.Fatalf("received %v, %v; want %s", m, err, text)
		}
	}
	carry(to, "one")
	reload := func(text, said string) {
		t.Helper()
		write(text)
		n := times(said)
		p.Process.Signal(syscall.SIGHUP)
		until(t, "it says: "+said, func() bool { return times(said) > n })
	}
	reload("bridges:\n  - {queue: 'msg:1', way: send, subjekt: a}\n", "subjekt not found")
	carry(to, "two")
	reload(first+entry(later, "a", "recv"), "read again")
	until(t, "it is ready", ready)
	carry(later, "three")
	for _, want := range []string{`sysvipc_cluster_bridge_sent_total{object="a"} 3`, `sysvipc_cluster_bridge_received_total{object="a"} 3`, `sysvipc_cluster_bridge_up{object="a"} 1`} {
		until(t, "the metrics have "+want, func() bool { // a message is counted after it was handed on
			_, text := fetch("http://" + address + "/metrics")
			return strings.Contains(text, want)
		})
	}
	p.Process.Signal(syscall.SIGTERM)
	p.code(t, 0)
}

// What cannot be meant is refused before anything is connected.
func TestManyBridgesRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"bridges:\n  - {queue: 'msg:1', subject: a, way: sent}\n":                                                           `bridge 1 of 1: way "sent": send, recv or both`,
		"bridges:\n  - {queue: 'shm:1', subject: a, way: send}\n":                                                           "is a segment",
		"bridges:\n  - {queue: 'msg:1', subject: a, way: both}\n":                                                           "--type or --except",
		"bridges:\n  - {queue: 'msg:1', subject: a, way: send, window: 1ms}\n":                                              "from 1s",
		"bridges:\n  - {queue: 'msg:1', subject: a, way: send}\n  - {queue: 'msg:1', subject: a, way: send, window: 10m}\n": "bridges 1 and 2 are the same",
	} {
		file := filepath.Join(t.TempDir(), "bridges.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := run(t, 2, "bridge", "--config", file, "--nats", "nats://127.0.0.1:1"); !strings.Contains(p.err.String(), want) {
			t.Errorf("of %s it says %s; want %s", text, &p.err, want)
		}
	}
	run(t, 2, "bridge", "--config", "x", "--queue", "msg:1", "--nats", "nats://127.0.0.1:1")
	run(t, 3, "bridge", "--config", filepath.Join(t.TempDir(), "none"), "--nats", "nats://127.0.0.1:1")
}
