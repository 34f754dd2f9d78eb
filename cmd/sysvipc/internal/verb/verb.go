// Package verb has what the verbs share as cobra's commands: their groups in the help, how they wait, and how they report errors.
package verb

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// The groups of verbs in the help.
const (
	GroupLook   = "look"
	GroupChange = "change"
	GroupUse    = "use"
	GroupOther  = "other"
)

// Parent makes cmd a verb that has nothing but verbs.
func Parent(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.Args, cmd.RunE, cmd.DisableFlagsInUseLine = Subverbs, Missing, true
	cmd.AddCommand(verbs...)
	return cmd
}

// Subverbs answers a verb that does not exist: cobra takes it for an argument of the parent.
func Subverbs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	text := ""
	for _, s := range cmd.SuggestionsFor(args[0]) {
		text += "\n\t" + cmd.CommandPath() + " " + s
	}
	if text != "" {
		text = "\nDid you mean this?" + text
	}
	return cli.Usage("%q has no verb %q%s", cmd.CommandPath(), args[0], text)
}

// Missing is what happens without a verb.
func Missing(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	if err := cmd.Help(); err != nil {
		return err
	}
	return &cli.Error{Code: cli.ExitUsage}
}

// NoArgs is for verbs that take flags only.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usage("%q takes no argument, and %q is one", cmd.CommandPath(), args[0])
	}
	return nil
}

// TextMayBeginWithDash has the error about a flag that does not exist say how to write
// text that only looks like one.
func TextMayBeginWithDash(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return cli.Usage("%w (if it is text that is meant, put -- before it)", err)
	})
}
