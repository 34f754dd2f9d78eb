// Package msg is the verb msg: it sends, receives, shows and moves the messages of queues.
package msg

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
)

// Command returns the verb.
func Command() *cobra.Command {
	return verb.Parent(&cobra.Command{
		Use:     "msg send|recv|peek|tail|drain|move",
		GroupID: verb.GroupUse,
		Short:   "Send, receive, look at and move messages",
	},
		newSend(), newRecv(), newPeek(), newTail(),
		newDrain(), newMove(),
	)
}

// selectFlags choose messages by their type.
type selectFlags struct{ ofType, upTo, except int64 }

func (s *selectFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Int64Var(&s.ofType, "type", 0, "only messages of type N")
	f.Int64Var(&s.upTo, "up-to", 0, "only messages of at most type N, the lowest type first")
	f.Int64Var(&s.except, "except", 0, "only messages of any other type than N")
	flags.Placeholder(cmd, "N", "type", "up-to", "except")
	cmd.MarkFlagsMutuallyExclusive("type", "up-to", "except")
}

// chosen returns the selector, and the same as a condition.
func (s *selectFlags) chosen(cmd *cobra.Command) (sysvipc.Selector, func(typ int64) bool, error) {
	for _, c := range []struct {
		flag     string
		typ      int64
		selector func(int64) sysvipc.Selector
		matches  func(int64) bool
	}{
		{"type", s.ofType, sysvipc.OfType, func(t int64) bool { return t == s.ofType }},
		{"up-to", s.upTo, sysvipc.UpTo, func(t int64) bool { return t <= s.upTo }},
		{"except", s.except, sysvipc.Except, func(t int64) bool { return t != s.except }},
	} {
		if !cmd.Flags().Changed(c.flag) {
			continue
		}
		if c.typ < 1 {
			return sysvipc.Any, nil, cli.Usage("--%s %d: a message has a type of at least 1", c.flag, c.typ)
		}
		return c.selector(c.typ), c.matches, nil
	}
	return sysvipc.Any, func(int64) bool { return true }, nil
}
