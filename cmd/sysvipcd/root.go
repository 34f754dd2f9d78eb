package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes, as those of sysvipc.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
	exitBusy     = 6
	exitRemoved  = 7
	exitRun      = 125 // run itself failed
	exitCannot   = 126 // the command cannot be executed
	exitNoCmd    = 127 // it is not found
	exitSignal   = 128
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

func fail(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

func usage(format string, args ...any) error { return fail(exitUsage, format, args...) }

// newRoot returns the command with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sysvipcd VERB [FLAGS]",
		Short: "Carry System V IPC past one machine",
		Long: `Sysvipcd joins message queues of several machines (bridge) and runs commands under a lock
that several machines share (run). Both need NATS servers with JetStream, from version
2.12, or bring one (--embedded).`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newBridgeCommand(), newRunCommand())
	return root
}

// execute runs one command line and returns the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// The first signal ends the work in order; the second kills.
	ctx, stop := signal.NotifyContext(context.Background(), attended(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)...)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	began := false
	for _, verb := range root.Commands() {
		if f := verb.RunE; f != nil {
			verb.RunE = func(cmd *cobra.Command, args []string) error {
				began = true
				return f(cmd, args)
			}
		}
	}
	cmd, err := root.ExecuteContextC(ctx)
	var own *exitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &own) && !began:
		own = &exitError{exitUsage, err}
	case own == nil:
		own = &exitError{exitFailed, err}
	}
	if own.err != nil {
		fmt.Fprintln(stderr, "sysvipcd: "+strings.TrimPrefix(strings.TrimPrefix(own.err.Error(), "cluster: "), "sysvipc: "))
		if own.code == exitUsage {
			fmt.Fprintf(stderr, "Usage: %s\nSee \"%s --help\".\n", cmd.UseLine(), cmd.CommandPath())
		}
	}
	return own.code
}
