// Package cli holds what the commands of this module share: their exit codes, the error that carries one, and how signals
// end their work.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/sysvipc/sysvipc"
)

// The exit codes of every verb. "run" passes on those of its command.
const (
	ExitDone         = 0
	ExitFailed       = 1
	ExitUsage        = 2
	ExitNotFound     = 3
	ExitNotPermitted = 4 // or the evidence is incomplete
	ExitRefused      = 5 // as unsafe
	ExitWouldBlock   = 6 // or timed out
	ExitRemoved      = 7 // while waiting
	ExitLimit        = 8 // a limit is reached
	ExitSignal       = 128
)

// The exit codes of env(1) and timeout(1), for what goes wrong before the command of "run" runs.
const (
	ExitRunFailed  = 125 // run itself failed
	ExitCannotExec = 126 // the command was found and cannot be executed
	ExitNoCommand  = 127 // the command was not found
)

// Error is an error that says itself what the exit code is.
type Error struct {
	Code int
	Err  error // nil if all has been said
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Fail returns an error with an exit code.
func Fail(code int, format string, args ...any) error {
	return &Error{code, fmt.Errorf(format, args...)}
}

// Usage returns an error about the command line.
func Usage(format string, args ...any) error { return Fail(ExitUsage, format, args...) }

// Text is what an error says, without the name of package sysvipc: the command's own name stands before it.
func Text(err error) string { return strings.TrimPrefix(err.Error(), "sysvipc: ") }

// ExitCode says what the exit code for an error is.
func ExitCode(err error) int {
	var own *Error
	var kernel *sysvipc.Error
	var stopped Interrupt
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &stopped):
		return ExitSignal + int(stopped.Signal)
	case errors.As(err, &own):
		return own.Code
	case errors.Is(err, sysvipc.ErrRemoved) && errors.Is(err, errRemovedWaiting):
		return ExitRemoved
	case errors.Is(err, sysvipc.ErrUnsafe):
		return ExitRefused
	case errors.Is(err, fs.ErrNotExist):
		return ExitNotFound
	case errors.Is(err, fs.ErrPermission):
		return ExitNotPermitted
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sysvipc.ErrWouldBlock):
		return ExitWouldBlock
	case errors.As(err, &kernel) && isLimit(kernel):
		return ExitLimit
	case errors.Is(err, syscall.EPIPE):
		return ExitSignal + int(syscall.SIGPIPE)
	}
	return ExitFailed
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
