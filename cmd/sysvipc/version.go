package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newVersionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		GroupID: verb.GroupOther,
		Short:   "Print the version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format == "json" {
				d := output.StartDocument(cmd.OutOrStdout(), "versions")
				d.Add(builtVersion())
				return d.End(nil)
			}
			return printVersion(cmd.OutOrStdout())
		},
	}
	flags.Output(cmd, &format, "text", "json")
	return cmd
}

func printVersion(w io.Writer) error {
	v := builtVersion()
	words := []string{v.Program, "unknown", v.Go, v.OS + "/" + v.Arch}
	if v.Version != nil {
		words[1] = *v.Version
	}
	if v.Revision != nil {
		words[1] += " " + *v.Revision
	}
	_, err := fmt.Fprintln(w, strings.Join(words, " "))
	return err
}

// builtVersion is what this program was built of.
func builtVersion() *output.Version {
	v := &output.Version{Program: "sysvipc", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = output.OrNil(info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = output.OrNil(s.Value)
			}
		}
	}
	return v
}
