package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

// The exit codes, of every verb. "run" passes on those of its command.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitNotPermitted = 4 // or the evidence is incomplete
	exitRefused      = 5 // as unsafe
	exitWouldBlock   = 6 // or timed out
	exitRemoved      = 7 // while waiting
	exitLimit        = 8 // a limit is reached
	exitSignal       = 128
)

// exitError is an error that says itself what the exit code is.
type exitError struct {
	code int
	err  error // nil if all has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// fail returns an error with an exit code.
func fail(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// usage returns an error about the command line.
func usage(format string, args ...any) error { return fail(exitUsage, format, args...) }

// exitCode says what the exit code for an error is.
func exitCode(err error) int {
	var own *exitError
	var kernel *sysvipc.Error
	var stopped interrupt
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &stopped):
		return exitSignal + int(stopped.signal)
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, sysvipc.ErrRemoved) && errors.Is(err, errRemovedWaiting):
		return exitRemoved
	case errors.Is(err, sysvipc.ErrUnsafe):
		return exitRefused
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.Is(err, fs.ErrPermission):
		return exitNotPermitted
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sysvipc.ErrWouldBlock):
		return exitWouldBlock
	case errors.As(err, &kernel) && isLimit(kernel):
		return exitLimit
	case errors.Is(err, syscall.EPIPE):
		return exitSignal + int(syscall.SIGPIPE)
	}
	return exitFailed
}

// isLimit reports whether the kernel refused for want of room.
func isLimit(err *sysvipc.Error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.ENOMEM, syscall.ENFILE, syscall.E2BIG, syscall.EMSGSIZE, syscall.ERANGE} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// report tells the user of an error. Only those about the command line come with the
// usage of the verb. Who reads no more of our output, or pressed Ctrl-C, knows it.
func report(w io.Writer, cmd *cobra.Command, err error) {
	var own *exitError
	var stopped interrupt
	typedNamesOf(cmd.Context()).name(err)
	switch {
	case errors.As(err, &stopped), errors.Is(err, syscall.EPIPE):
		return
	case errors.As(err, &own) && own.err == nil:
		return
	}
	fmt.Fprintln(w, "sysvipc: "+strings.TrimPrefix(err.Error(), "sysvipc: "))
	if exitCode(err) == exitUsage {
		fmt.Fprintf(w, "Usage: %s\nSee \"%s --help\".\n", cmd.UseLine(), cmd.CommandPath())
	}
}
