package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	err = cause(ctx, err)
	if err != nil {
		report(stderr, cmd, err)
	}
	dieBySignal(err)
	return exitCode(err)
}

// newRoot returns the command with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sysvipc VERB [FLAGS] [REF…]",
		Short: "See, make, use and remove System V shared memory, semaphores and message queues",
		Long: `Sysvipc shows, makes, uses and removes the System V IPC objects of this machine:
shared memory segments, semaphore sets and message queues.

A REF names an object: shm:ID, sem:key=0x4d2, msg:ftok=/srv/app:R, msg:name=orders.
See "sysvipc help ref".`,
		Args:          verbs,
		RunE:          missingVerb,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage("%w", err) })
	return root
}

// verbs answers a verb that does not exist: cobra looks for arguments of the parent.
func verbs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := ""
	for _, s := range cmd.SuggestionsFor(args[0]) {
		text += "\n\t" + cmd.CommandPath() + " " + s
	}
	if text != "" {
		text = "\nDid you mean this?" + text
	}
	return usage("unknown verb %q of %q%s", args[0], cmd.CommandPath(), text)
}

// missingVerb is what happens without a verb.
func missingVerb(cmd *cobra.Command, args []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	if err := cmd.Help(); err != nil {
		return err
	}
	return &exitError{code: exitUsage}
}
