package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newFtokCommand() *cobra.Command {
	var name, format string
	cmd := &cobra.Command{
		Use:     "ftok PATH PROJ | ftok --name NAME",
		GroupID: verb.GroupOther,
		Short:   "Print the key that ftok(3) makes of a file",
		Long: `Print the key that ftok(3) of the C library makes of a file and a project byte, in
hexadecimal and as a signed decimal number, as C and /proc/sysvipc show it.

PROJ is a character as in ftok(path, 'R'), or a number as in ftok(path, 1); for the
character 1 write 0x31. A file that is removed and written again has another key, and two
files may have the same one.

With --name, print the key that package sysvipc makes of a name, as in msg:name=orders.`,
		Example: `  sysvipc ftok /srv/app R
  sysvipc ftok /srv/app 1
  sysvipc ftok --name orders`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			named := cmd.Flags().Changed("name")
			if named && len(args) > 0 || !named && len(args) != 2 {
				return cli.Usage("give PATH and PROJ, or --name and nothing else")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := ftokKey(args, name)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeKey(cmd.OutOrStdout(), key, args, name)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %d\n", key, int32(key))
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "NAME instead of a file")
	flags.Placeholder(cmd, "NAME", "name")
	flags.Output(cmd, &format, "text", "json")
	return cmd
}

func ftokKey(args []string, name string) (sysvipc.Key, error) {
	if len(args) == 0 {
		return ref.ParseKeyAs("name", name)
	}
	proj, err := arg.ParseProj(args[1])
	if err != nil {
		return 0, err
	}
	return sysvipc.Ftok(args[0], proj)
}

func writeKey(w io.Writer, key sysvipc.Key, args []string, name string) error {
	made := &output.Key{Key: int32(key), KeyHex: key.String()}
	if len(args) == 0 {
		made.Name = &name
	} else {
		proj, err := arg.ParseProj(args[1])
		if err != nil {
			return err
		}
		n := int(proj)
		made.Path, made.Proj = &args[0], &n
	}
	d := output.StartDocument(w, "keys")
	d.Add(made)
	return d.End(nil)
}
