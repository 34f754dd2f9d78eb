package main

import (
	"fmt"
	"io"
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
		Long:    `Explain a verb, as --help behind it does, or a topic: ref, filter or formats.`,
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

// writeUsage writes how a verb is used: what its help has below the explanation. It is
// cobra's own, without a second line of usage for verbs that only have verbs.
func writeUsage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Verbs:"}}
	}
	for _, group := range groups {
		listCommands(&b, cmd, group.Title, func(sub *cobra.Command) bool {
			return sub.IsAvailableCommand() && sub.GroupID == group.ID
		})
	}
	listCommands(&b, cmd, "Topics of help:", (*cobra.Command).IsAdditionalHelpTopicCommand)
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s\n", strings.TrimRight(cmd.LocalFlags().FlagUsages(), " \n"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s VERB --help\" explains a verb.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func listCommands(b *strings.Builder, cmd *cobra.Command, title string, which func(*cobra.Command) bool) {
	for _, sub := range cmd.Commands() {
		if !which(sub) {
			continue
		}
		if title != "" {
			fmt.Fprintf(b, "\n%s\n", title)
			title = ""
		}
		fmt.Fprintf(b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
	}
}
