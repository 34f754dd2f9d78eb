package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// newHelpCommand replaces cobra's own, which is content with topics that do not exist.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB…]",
		GroupID: verb.GroupOther,
		Short:   "Explain a verb or a topic",
		Long:    `Explain a verb, as --help behind it does, or a topic: ref, filter, formats or from-ipcs.`,
		Example: `  sysvipc help msg send
  sysvipc help filter`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var offers []cobra.Completion
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, sub := range about.Commands() {
				if strings.HasPrefix(sub.Name(), begun) {
					offers = append(offers, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return offers, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return cli.Usage("%w", err)
			}
			if len(rest) > 0 {
				return verb.Subverbs(about, rest)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
