package main

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Every verb that waits ends by the signal that it gets, says nothing, and leaves its
// object as it was.
func TestSignalEndsWait(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		for _, verb := range [][]string{
			{"msg", "recv", "msg:"},
			{"msg", "send", "msg:", "--type", "3", "text"},
			{"sem", "take", "sem:"},
			{"sem", "wait", "sem:", "-n", "1"},
			{"sem", "op", "sem:", "1+1", "0-1"},
		} {
			t.Run(sig.String()+"/"+verb[0]+" "+verb[1], func(t *testing.T) {
				t.Parallel()
				object, args := waitFor(t, verb)
				before := object()
				cmd := command(t, args...)
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ipctest.WaitBlocked(t, cmd.Process.Pid, 1)
				cmd.Process.Signal(sig)
				cmd.Wait()
				if got := cmd.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != sig {
					t.Errorf("got %v, want an end by %v", cmd.ProcessState, sig)
				}
				if out.Len() > 0 {
					t.Errorf("got output %q, want none", &out)
				}
				if after := object(); after != before {
					t.Errorf("object was %v, and is %v", before, after)
				}
			})
		}
	}
}

// waitFor makes an object on which the verb has to wait. It returns how to ask for what
// the object holds, and the whole command line.
func waitFor(t *testing.T, verb []string) (holds func() any, args []string) {
	t.Helper()
	args = append([]string{}, verb...)
	if verb[2] == "msg:" {
		q, ref := newQueue(t)
		args[2] = ref
		if verb[1] == "send" {
			if err := q.SetMaxBytes(1); err != nil {
				t.Fatal(err)
			}
			args[len(args)-1] = "x"
			send(t, q, "y")
		}
		return func() any {
			st, err := q.Stat()
			return [...]any{st.Messages, st.Bytes, err}
		}, args
	}
	set, err := sysvipc.CreateSemaphores(sysvipc.Key(ipctest.Key(t)), 0o600, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	args[2] = ref.Name(sysvipc.KindSemaphores, set.ID())
	return func() any {
		values, err := set.Values()
		return [...]any{values[0], values[1], err}
	}, args
}

// Ctrl-C also ends a verb that waits for its standard input.
func TestSignalEndsReading(t *testing.T) {
	t.Parallel()
	_, ref := newQueue(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cmd := command(t, "msg", "send", ref, "--lines")
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Once a line has arrived, signals are caught and the next line is waited for.
	if _, err := w.WriteString("line\n"); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, "msg", "recv", ref).Output(); string(out) != "line\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if got := shellCode(cmd.ProcessState); got != 130 {
		t.Errorf("got exit code %d, want 130", got)
	}
}

// A signal that was ignored when the command was started stays ignored, as nohup wants.
func TestIgnoredSignal(t *testing.T) {
	t.Parallel()
	q, ref := newQueue(t)
	cmd := exec.Command("sh", "-c", `trap "" INT HUP; exec sysvipc msg recv "$0"`, ref)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ipctest.WaitBlocked(t, cmd.Process.Pid, 1)
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Process.Signal(syscall.SIGHUP)
	send(t, q, "late")
	if err := cmd.Wait(); err != nil || out.String() != "late\n" {
		t.Errorf("got %q, %v, want the message", &out, err)
	}
}

// What is about to become another program knows of every signal that came before. The test is
// alone, since no other may be asked to end by its signals.
func TestReleaseSignals(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 200 {
		ctx, stop := cli.Interruptible(t.Context())
		if err := unix.Tgkill(os.Getpid(), unix.Gettid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if got, want := cli.ReleaseSignals(ctx), (cli.Interrupt{Signal: syscall.SIGTERM}); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
		stop()
	}
	ctx, stop := cli.Interruptible(t.Context())
	defer stop()
	if err := cli.ReleaseSignals(ctx); err != nil {
		t.Errorf("no signal came: got %v", err)
	}
}

// The first signal ends waiting for an object; whatever else a verb hangs in, the second
// one ends it.
func TestSecondSignalKills(t *testing.T) {
	t.Parallel()
	seg, err := sysvipc.CreateSegment(sysvipc.Key(ipctest.Key(t)), 1<<20, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := command(t, "shm", "read", ref.Name(sysvipc.KindSegment, seg.ID()))
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil { // the rest does not fit into the pipe
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	for running := true; running; {
		cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
			running = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	if got := shellCode(cmd.ProcessState); got != 130 {
		t.Errorf("got exit code %d, want 130", got)
	}
}
