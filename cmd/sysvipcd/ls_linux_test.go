package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/internal/cli"
)

func TestLs(t *testing.T) {
	t.Parallel()
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Listen: free(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	conn, err := cluster.Connect(t.Context(), srv.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	q, err := conn.CreateQueue(t.Context(), "orders\x1b[2J", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Send(t.Context(), 7, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.CreateSemaphores(t.Context(), "run/nightly", 1); err != nil {
		t.Fatal(err)
	}
	p := run(t, 0, "ls", "--cluster", srv.URL())
	lines := strings.Split(p.out.String(), "\n")
	for i, want := range []string{
		"KIND NAME MESSAGES BYTES SEMAPHORES HOLDERS WAITERS CREATED",
		`queue orders\x1b[2J 1 `, "semaphore set run/nightly - - 1 0 0 ",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
	var doc struct {
		Schema  string
		Objects []struct {
			Kind, Name string
			Messages   *int
			Waiters    *int
		}
		Complete bool
	}
	p = run(t, 0, "ls", "--cluster", srv.URL(), "-o", "json")
	if err := json.Unmarshal(p.out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "sysvipc/2" || !doc.Complete || len(doc.Objects) != 2 || *doc.Objects[0].Messages != 1 || doc.Objects[0].Waiters != nil || *doc.Objects[1].Waiters != 0 {
		t.Errorf("%s", &p.out)
	}
	s, err := conn.OpenSemaphores(t.Context(), "run/nightly")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(t.Context(), sysvipc.Add(0, -1)); err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	p = run(t, 0, "waits", "--cluster", srv.URL(), "run/nightly")
	if want := fmt.Sprintf("run/nightly holds %s %d ", host, os.Getpid()); !strings.Contains(strings.Join(strings.Fields(p.out.String()), " "), want) {
		t.Errorf("waits says %s, want %q", &p.out, want)
	}
	p = run(t, 0, "waits", "--cluster", srv.URL(), "-o", "json")
	if !json.Valid(p.out.Bytes()) || !strings.Contains(p.out.String(), `"role":"holds"`) || !strings.Contains(p.out.String(), `"ops":["0-1"]`) {
		t.Errorf("waits says %s", &p.out)
	}
	run(t, cli.ExitNotFound, "waits", "--cluster", srv.URL(), "nothing")
	run(t, cli.ExitUsage, "waits", "a", "b")
	run(t, cli.ExitUsage, "ls")
	run(t, 1, "ls", "--cluster", "nats://"+free(t))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if p := run(t, 0, args...); !strings.HasPrefix(p.out.String(), "sysvipcd ") || strings.Count(p.out.String(), "\n") != 1 {
			t.Errorf("%q says %q", args, &p.out)
		}
	}
	if p := run(t, 0, "version", "-o", "json"); !json.Valid(p.out.Bytes()) || !strings.Contains(p.out.String(), `"program":"sysvipcd"`) {
		t.Errorf("it says %s", &p.out)
	}
}
