package main

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMsgTail(t *testing.T) {
	t.Parallel()
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	send := func(typ int64, text string) {
		t.Helper()
		if ok, err := q.TrySend(typ, []byte(text)); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	send(1, "one")
	send(1, "two")
	send(1, "two")
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "msg", "tail", ref.Name(sysvipc.KindQueue, q.ID()), "-t", "--last", "2", "--interval", "1ms")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	expect("1\ttwo")
	expect("1\ttwo")
	if after, err := q.Stat(); err != nil || after != before {
		t.Errorf("looking changed the queue: got %+v, %v, want %+v", after, err, before)
	}
	send(7, "two")
	expect("7\ttwo")
	if _, _, err := q.TryReceive(sysvipc.Any); err != nil {
		t.Fatal(err)
	}
	send(1, "one")
	expect("1\tone")
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if lines.Scan() {
		t.Errorf("got %q more", lines.Text())
	}
	if cmd.Wait(); cmd.ProcessState.ExitCode() != cli.ExitRemoved {
		t.Errorf("got exit code %d, want %d; it said %q", cmd.ProcessState.ExitCode(), cli.ExitRemoved, stderr.String())
	}
}
