// Package flags has what the flags of verbs need beside their values: a word for the value in the help, -o, and completions.
package flags

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// Words offers words, for positions and flags with a fixed choice.
func Words(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// Complete registers a completion for a flag that the verb has.
func Complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is misspelt in this package
	}
}

// Output adds -o with these choices, of which the first is the default.
func Output(cmd *cobra.Command, to *string, choices ...string) {
	*to = choices[0]
	cmd.Flags().VarP(&choice{to, choices}, "output", "o", "format: "+strings.Join(choices, ", "))
	Complete(cmd, "output", Words(choices...))
}

// choice is the value of a flag that takes one of some words.
type choice struct {
	to    *string
	words []string
}

func (c *choice) String() string {
	if c.to == nil {
		return ""
	}
	return *c.to
}
func (c *choice) Type() string { return "FORMAT" }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return cli.Usage("choose one of %s", strings.Join(c.words, ", "))
	}
	*c.to = s
	return nil
}

// Placeholder sets what the help calls the values of flags: a plain word, where quotes in
// the text of the flag would also be seen in completions.
func Placeholder(cmd *cobra.Command, word string, flags ...string) {
	for _, name := range flags {
		f := cmd.Flags().Lookup(name)
		f.Value = namedValue{f.Value, word}
	}
}

type namedValue struct {
	flagValue
	word string
}

type flagValue interface {
	String() string
	Set(string) error
	Type() string
}

func (v namedValue) Type() string { return v.word }
