package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, ExitDone},
		{errors.New("something else"), ExitFailed},
		{context.Canceled, ExitFailed},
		{fmt.Errorf("verb: %w", Usage("no such flag")), ExitUsage},
		{fmt.Errorf("verb: %w", fs.ErrNotExist), ExitNotFound},
		{syscall.EACCES, ExitNotPermitted},
		{sysvipc.ErrUnsafe, ExitRefused},
		{sysvipc.ErrWouldBlock, ExitWouldBlock},
		{context.DeadlineExceeded, ExitWouldBlock},
		{&sysvipc.Error{Err: syscall.ENOSPC}, ExitLimit},
		{syscall.ENOSPC, ExitFailed}, // of a file
		{syscall.EPIPE, ExitSignal + int(syscall.SIGPIPE)},
		{&Error{Code: 75, Err: fs.ErrNotExist}, 75},
		{errors.Join(Usage("no such flag"), Interrupt{syscall.SIGTERM}), ExitSignal + int(syscall.SIGTERM)},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%v: got exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	seen := make(chan os.Signal, 1)
	signal.Notify(seen, s)
	defer signal.Stop(seen)
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
	<-seen
}

// A signal ends the context, and leaves what else was asked for in force.
func TestInterruptible(t *testing.T) {
	forCommand := make(chan os.Signal, 2)
	signal.Notify(forCommand, syscall.SIGTERM)
	defer signal.Stop(forCommand)
	ctx, stop := Interruptible(t.Context())
	defer stop()
	raise(t, syscall.SIGTERM)
	<-ctx.Done()
	if got, want := Cause(ctx, ctx.Err()), (Interrupt{syscall.SIGTERM}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	raise(t, syscall.SIGTERM)
	<-forCommand
	<-forCommand
}

// Where all signals are ignored, as in the background of a script, no other one ends the work.
func TestInterruptibleIgnored(t *testing.T) {
	ended := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	signal.Ignore(ended...)
	defer signal.Reset(ended...)
	ctx, stop := Interruptible(t.Context())
	defer stop()
	raise(t, syscall.SIGWINCH)
	if err := ReleaseSignals(ctx); err != nil {
		t.Errorf("got %v, want a context that goes on", err)
	}
}
