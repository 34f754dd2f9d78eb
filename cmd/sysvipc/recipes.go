package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/docs/cookbook"
	"github.com/sysvipc/sysvipc/internal/cli"
)

func newRecipesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "recipes [WORD]",
		GroupID: verb.GroupOther,
		Short:   "What users of other programs meet, and what says why",
		Long: `List recipes, or print one. Each is about a program such as PostgreSQL, PHP or Apache: a
failure as its users report it, the commands that bring it about, the verb that says why,
and what mends it. WORD is the name of a recipe, or stands in it: if several have it, they
are listed.

The lines that begin with $ can be typed in, and the lines below them are what they print.
"..." stands for what differs: IDs, processes, times. Some make objects and start servers:
try them where that harms nobody, or in a shell of "unshare --ipc".`,
		Example: `  sysvipc recipes
  sysvipc recipes fakeroot
  sysvipc recipes AH00023`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
			if len(args) == 0 {
				for _, r := range cookbook.All() {
					offers = append(offers, cobra.CompletionWithDesc(r.Name, r.Title))
				}
			}
			return offers, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return printRecipes(cmd.OutOrStdout(), strings.Join(args, ""))
		},
		DisableFlagsInUseLine: true,
	}
}

// printRecipes prints the recipe with a name, or the only one that has a word in it; a list if there are several.
func printRecipes(w io.Writer, word string) error {
	all := cookbook.All()
	found := slices.DeleteFunc(slices.Clone(all), func(r cookbook.Recipe) bool { return r.Name != word })
	if len(found) == 0 {
		has := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(word)) }
		found = slices.DeleteFunc(all, func(r cookbook.Recipe) bool { return !has(r.Name) && !has(r.Text) })
	}
	switch len(found) {
	case 0:
		return &cli.Error{Code: cli.ExitNotFound, Err: fmt.Errorf("no recipe has %q in it (\"sysvipc recipes\" lists them)", word)}
	case 1:
		_, err := io.WriteString(w, found[0].Text)
		return err
	}
	for _, r := range found {
		if _, err := fmt.Fprintf(w, "%-14s %s\n", r.Name, r.Title); err != nil {
			return err
		}
	}
	return nil
}
