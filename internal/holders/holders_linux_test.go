package holders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
)

// What a server knows arrives as it is; where there is no server, nothing does, and that is no error.
func TestAsk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	ask := func() ([]inspect.Taken, error) { return Ask(context.Background(), path, 7) }
	if got, err := ask(); got != nil || err != nil {
		t.Errorf("without a socket: %v, %v", got, err)
	}
	want := []inspect.Taken{{ID: 0, Semaphore: 2, PID: 17, Comm: "worker", Taken: 3, Certain: true, Last: time.Unix(1e9, 1).UTC(), Began: time.Unix(1e8, 0).UTC()}}
	var fails atomic.Bool
	ctx, cancel := context.WithCancel(context.Background())
	ln := listen(t, path)
	done := make(chan error)
	go func() {
		done <- Serve(ctx, ln, 7, func() ([]inspect.Taken, error) {
			if fails.Load() {
				return nil, errors.New("closed")
			}
			return want, nil
		})
	}()
	for range 2 {
		if got, err := ask(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	fails.Store(true)
	if _, err := ask(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a server that cannot tell: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got, err := ask(); got != nil || err != nil {
		t.Errorf("without a server: %v, %v", got, err)
	}
}

func listen(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	ln.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return ln
}

// Whatever answers, nothing of it is believed that cannot be, and the error says what is wrong.
func TestAskHostile(t *testing.T) {
	t.Parallel()
	holder := func(change string) string {
		return `{"version":1,"namespace":7,"holders":[{"ID":1,"Semaphore":0,"PID":9,"Comm":"x","Taken":1` + change + `}]}`
	}
	long, _ := json.Marshal(strings.Repeat("x", 65))
	for _, test := range []struct{ answer, says string }{
		{"", "not understood"},
		{"\x00\xff\x1b[2J", "not understood"},
		{`{"version":1,"namespace":7,"holders":[`, "not understood"},
		{strings.Repeat(" ", limit) + "{}", "not understood"},
		{`{"version":1,"namespace":7,"holders":[{"PID":1e99}]}`, "not understood"},
		{`{"version":2,"namespace":7}`, "version 2"},
		{`{"version":1,"namespace":8}`, "namespace 8, not 7"},
		{holder(`,"PID":0`), "cannot be"},
		{holder(`,"PID":-1`), "cannot be"},
		{holder(`,"ID":-1`), "cannot be"},
		{holder(`,"Semaphore":-1`), "cannot be"},
		{holder(`,"Taken":0`), "cannot be"},
		{holder(`,"Comm":` + string(long)), "cannot be"},
		{holder(`,"Comm":"\u0000"`), "cannot be"},
		{holder(""), ""},
	} {
		path := filepath.Join(t.TempDir(), "s")
		ln := listen(t, path)
		go func() {
			if conn, err := ln.Accept(); err == nil {
				fmt.Fprint(conn, test.answer)
				conn.Close()
			}
		}()
		got, err := Ask(context.Background(), path, 7)
		switch {
		case test.says == "" && (err != nil || len(got) != 1):
			t.Errorf("%.80q: %v, %v", test.answer, got, err)
		case test.says != "" && (got != nil || err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path)):
			t.Errorf("%.80q: %v, %v, want an error that says %q", test.answer, got, err, test.says)
		}
	}
}

// A server that says nothing is left when the caller has no more time.
func TestAskSilent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	ln := listen(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if conn, err := ln.Accept(); err == nil {
			cancel()
			t.Cleanup(func() { conn.Close() })
		}
	}()
	if got, err := Ask(ctx, path, 7); got != nil || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}

// What others could have put there is not asked.
func TestAskDistrusts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	listen(t, path)
	for _, change := range []struct {
		name string
		mode os.FileMode
		says string
	}{{path, 0o620, "written to by others"}, {path, 0o602, "written to by others"}, {dir, 0o777 | os.ModeSticky, "written to by others"}} {
		was, err := os.Stat(change.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(change.name, change.mode); err != nil {
			t.Fatal(err)
		}
		if got, err := Ask(context.Background(), path, 7); got != nil || err == nil || !strings.Contains(err.Error(), change.says) {
			t.Errorf("%s with mode %v: %v, %v", change.name, change.mode, got, err)
		}
		if err := os.Chmod(change.name, was.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	const stranger = 54321
	if err := os.Lchown(path, stranger, -1); err != nil {
		t.Skip("needs a process that may give files away: ", err)
	}
	if got, err := Ask(context.Background(), path, 7); got != nil || err == nil || !strings.Contains(err.Error(), "belongs to user 54321") {
		t.Errorf("the socket of another user: %v, %v", got, err)
	}
}
