package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// completeRefs offers the REFs of the objects that exist now, up to most of them on one
// command line; 0 means any number.
func completeRefs(most int, kinds ...sysvipc.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		v := newView()
		var offers []cobra.Completion
		for e, err := range list(kinds) {
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			name := refName(e.Kind, e.ID)
			if strings.HasPrefix(name, begun) && !slices.Contains(args, name) {
				offers = append(offers, cobra.CompletionWithDesc(name, v.describe(e)))
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// describe says in a few words which object it is.
func (v *view) describe(e *entry) string {
	what := ""
	switch {
	case e.seg != nil:
		what = fmt.Sprintf("%s bytes, %d attached", formatSize(e.seg.Size), e.seg.Attaches)
	case e.set != nil:
		what = plural.Of(e.set.Len, "semaphore")
	case e.queue != nil:
		what = plural.Of(e.queue.Messages, "message")
	}
	key := "no key"
	if e.Key != sysvipc.Private {
		key = e.Key.String()
	}
	return fmt.Sprintf("%s, %s, %s", key, what, v.userText(e.UID))
}

// completeWords offers words, for positions and flags with a fixed choice.
func completeWords(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// mustComplete registers a completion for a flag that the verb has.
func mustComplete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is misspelt in this package
	}
}
