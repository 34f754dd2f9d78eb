package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/mk"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/msg"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/namespace"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/region"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/sem"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/shm"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/help"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// execute runs one command line and returns the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := cli.Interruptible(ref.WithNames(context.Background()))
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(&pipe.Input{Context: ctx, Reader: stdin})
	root.SetOut(stdout)
	root.SetErr(stderr)
	ran := false
	noteRun(root, &ran, args)
	err := namespace.Arrive()
	cmd := root
	if err == nil {
		cmd, err = runLine(ctx, root, args)
	}
	var own *cli.Error
	if err != nil && !ran && !errors.As(err, &own) {
		err = &cli.Error{Code: cli.ExitUsage, Err: err}
	}
	err = cli.Cause(ctx, err)
	if err != nil {
		verb.Report(stderr, cmd, err)
	}
	cli.DieBySignal(err)
	return cli.ExitCode(err)
}

// runLine executes the command line. For a verb that does not exist cobra would answer --help
// with the help of root, and be content.
func runLine(ctx context.Context, root *cobra.Command, args []string) (*cobra.Command, error) {
	if len(args) == 2 && (args[1] == "--help" || args[1] == "-h") && !strings.HasPrefix(args[0], "-") {
		root.InitDefaultHelpCmd()
		root.InitDefaultCompletionCmd()
		if cmd, _, err := root.Find(args[:1]); err == nil && cmd == root {
			return root, verb.Subverbs(root, args[:1])
		}
	}
	return root.ExecuteContextC(ctx)
}

// noteRun sets ran when a verb begins, and has it work in the IPC namespace that the command line names. Errors before that
// are cobra's own, about the command line.
func noteRun(cmd *cobra.Command, ran *bool, line []string) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*ran = true
			return namespace.Verb(cmd, args, line, run)
		}
	}
	for _, sub := range cmd.Commands() {
		noteRun(sub, ran, line)
	}
}

// inNamespaces gives verbs --ns.
func inNamespaces(scope namespace.Scope, cmds ...*cobra.Command) []*cobra.Command {
	namespace.Works(scope, cmds...)
	for _, cmd := range cmds {
		namespace.AddFlag(cmd)
	}
	return cmds
}

// newRoot returns the command with all its verbs.
func newRoot() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "sysvipc VERB [FLAGS] [REF…]",
		Short: "See, make, use and remove System V shared memory, semaphores and message queues",
		Long: `Sysvipc shows, makes, uses and removes the System V IPC objects of this machine: shared
memory segments, semaphore sets and message queues.

A REF names an object: by its ID (shm:5), or by its key (sem:key=0x4d2,
msg:ftok=/srv/app:R, msg:name=orders). Several can be given at once, and - reads them from
standard input. See "sysvipc help ref".

The exit code is 0 if all was done, 1 if something failed, 2 for a wrong command line, 3
if an object is not there, 4 if something is not permitted or cannot be seen, 5 for what
is refused as unsafe, 6 if it would have to wait, or has waited long enough, 7 if the
object was removed meanwhile, and 8 if a limit is reached.`,
		Example: `  sysvipc ls
  sysvipc mk msg --name orders
  sysvipc msg send msg:name=orders 'first order'
  sysvipc msg recv msg:name=orders
  sysvipc rm msg:name=orders`,
		Args: verb.Subverbs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if version {
				return printVersion(cmd.OutOrStdout())
			}
			return verb.Missing(cmd, args)
		},
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
	}
	root.Flags().BoolVar(&version, "version", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return cli.Usage("%w", err) })
	root.AddGroup(
		&cobra.Group{ID: verb.GroupLook, Title: "See what there is:"},
		&cobra.Group{ID: verb.GroupChange, Title: "Make, change and remove:"},
		&cobra.Group{ID: verb.GroupUse, Title: "Use:"},
		&cobra.Group{ID: verb.GroupOther, Title: "Other:"},
	)
	root.SetHelpCommand(newHelpCommand())
	help.Use(root)
	root.SetCompletionCommandGroupID(verb.GroupOther)
	root.AddCommand(inNamespaces(namespace.Itself, newLsCommand(), newTraceCommand(), newNsCommand(), newDoctorCommand())...)
	root.AddCommand(inNamespaces(
		namespace.Each, newShowCommand(), newExplainCommand(), newWhoCommand(), newWaitsCommand(), newWatchCommand(), newLimitsCommand(),
		newSetCommand(), newRmCommand(), newGcCommand(), newDumpCommand(),
	)...)
	root.AddCommand(inNamespaces(
		namespace.One, newTopCommand(), mk.Command(), newUndoCommand(), newRestoreCommand(), newRunCommand(),
		shm.Command(), sem.Command(), msg.Command(), region.Command(),
	)...)
	root.AddCommand(newDemoCommand(), newRecipesCommand(), newBenchCommand(), newFtokCommand(), newVersionCommand())
	root.AddCommand(newTopics()...)
	return root
}
