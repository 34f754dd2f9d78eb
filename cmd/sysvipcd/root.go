package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/help"
	"github.com/sysvipc/sysvipc/internal/output"
)

// newRoot returns the command with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sysvipcd VERB [FLAGS]",
		Short: "Carry System V IPC past one machine",
		Long: `Sysvipcd serves what is on this machine as metrics (serve), joins message queues of several
machines (bridge), runs commands under a lock that several machines share (run), and looks after what
a cluster keeps (ls, show, waits, rm, doctor). All but serve need NATS servers with JetStream, from version 2.12; a
bridge can bring one (--embedded).`,
		SilenceUsage: true, SilenceErrors: true, DisableFlagsInUseLine: true,
	}
	help.Use(root)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newBridgeCommand(), newRunCommand(), newServeCommand(), newLsCommand(), newShowCommand(), newWaitsCommand(), newRmCommand(), newDoctorCommand(), newVersionCommand())
	root.Version = output.BuiltVersion("sysvipcd").String()
	root.SetVersionTemplate("{{.Version}}\n")
	return root
}

// execute runs one command line and returns the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := cli.Interruptible(context.Background())
	defer stop()
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
	var own *cli.Error
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &own) && !began:
		own = &cli.Error{Code: cli.ExitUsage, Err: err}
	case own == nil:
		own = &cli.Error{Code: cli.ExitCode(err), Err: err}
	}
	if own.Err != nil {
		fmt.Fprintln(stderr, "sysvipcd: "+strings.TrimPrefix(strings.TrimPrefix(own.Err.Error(), "cluster: "), "sysvipc: "))
		if own.Code == cli.ExitUsage {
			fmt.Fprintf(stderr, "Usage: %s\nSee \"%s --help\".\n", cmd.UseLine(), cmd.CommandPath())
		}
	}
	return own.Code
}
