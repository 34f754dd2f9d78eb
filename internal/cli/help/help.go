// Package help writes what --help says of a verb: first how it is used, with examples, and nothing wider than a terminal of
// 80 columns.
package help

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Width is how wide a page is at most.
const Width = 80

// Use has a command and all its verbs explain themselves by this package.
func Use(root *cobra.Command) {
	write := func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStdout(), Page(cmd))
		return err
	}
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { _ = write(cmd) })
	root.SetUsageFunc(write)
}

// Page is the page of a verb or of a topic.
func Page(cmd *cobra.Command) string {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	about = Fill(strings.TrimSpace(about)) + "\n"
	if !cmd.Runnable() && !cmd.HasAvailableSubCommands() { // a topic
		return about
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	b.WriteString("\n" + about)
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Verbs:"}}
	}
	for _, group := range groups {
		list(&b, cmd, group.Title, func(sub *cobra.Command) bool { return sub.IsAvailableCommand() && sub.GroupID == group.ID })
	}
	list(&b, cmd, "Topics of help:", (*cobra.Command).IsAdditionalHelpTopicCommand)
	if flags := cmd.LocalFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s\n", strings.TrimRight(flags.FlagUsagesWrapped(Width), " \n"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s VERB --help\" explains a verb.\n", cmd.CommandPath())
	}
	return b.String()
}

// list lists some of a command's verbs.
func list(b *strings.Builder, cmd *cobra.Command, title string, which func(*cobra.Command) bool) {
	for _, sub := range cmd.Commands() {
		if !which(sub) {
			continue
		}
		if title != "" {
			fmt.Fprintf(b, "\n%s\n", title)
			title = ""
		}
		fmt.Fprintln(b, Fill(fmt.Sprintf("  %-*s  %s", sub.NamePadding(), sub.Name(), sub.Short)))
	}
}
