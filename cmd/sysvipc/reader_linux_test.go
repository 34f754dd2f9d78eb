package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// newQueue makes a queue for a test, and returns it with its REF.
func newQueue(t *testing.T) (*sysvipc.Queue, string) {
	t.Helper()
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return q, ref.Name(sysvipc.KindQueue, q.ID())
}

// A reader that is gone from the start gets no message, and one that goes while the
// command waits ends it. In both cases the next message stays on the queue, and nothing
// is said about it.
func TestReceiveForNobody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		early bool
	}{{"gone", true}, {"goes", false}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			q, ref := newQueue(t)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := command(t, "msg", "recv", ref)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = w, &stderr
			if test.early {
				r.Close()
				send(t, q, "precious")
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if !test.early {
				ipctest.WaitBlocked(t, cmd.Process.Pid, 1)
				r.Close()
			}
			cmd.Wait()
			if got, want := shellCode(cmd.ProcessState), 128+int(syscall.SIGPIPE); got != want {
				t.Errorf("got exit code %d, want %d", got, want)
			}
			if stderr.Len() > 0 {
				t.Errorf("got %q on stderr, want nothing", &stderr)
			}
			if !test.early {
				send(t, q, "precious")
			}
			if m, err := q.Peek(0); err != nil || string(m.Data) != "precious" {
				t.Errorf("got message %q, %v, want it untouched", m.Data, err)
			}
			if st, err := q.Stat(); err != nil || !st.Received.IsZero() {
				t.Errorf("a process received at %v (%v), want never", st.Received, err)
			}
		})
	}
}

// A message that cannot be written goes back.
func TestReceiveToFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full:", err)
	}
	defer full.Close()
	for _, format := range []string{"lines", "raw", "json", "jsonl"} {
		q, ref := newQueue(t)
		send(t, q, "precious")
		cmd := command(t, "msg", "recv", ref, "-o", format)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); shellCode(cmd.ProcessState) != cli.ExitFailed {
			t.Errorf("-o %s: got %v, want exit code %d", format, err, cli.ExitFailed)
		}
		if want := "no space left on device; it was put back at the end of the queue"; !strings.Contains(stderr.String(), want) {
			t.Errorf("-o %s: got %q on stderr, want %q", format, &stderr, want)
		}
		if m, err := q.Peek(0); err != nil || string(m.Data) != "precious" || m.Type != 7 {
			t.Errorf("-o %s: got message %v, %v, want it back", format, m, err)
		}
	}
}

func send(t *testing.T, q *sysvipc.Queue, text string) {
	t.Helper()
	if err := q.Send(context.Background(), 7, []byte(text)); err != nil {
		t.Fatal(err)
	}
}
