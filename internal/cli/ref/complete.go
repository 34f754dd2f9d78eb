package ref

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// Complete offers the REFs of the objects that exist now, up to most of them on one
// command line; 0 means any number.
func Complete(most int, kinds ...sysvipc.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		users := account.Names{Lookup: account.User}
		var offers []cobra.Completion
		offer := func(o *sysvipc.Object, what string) {
			name := Name(o.Kind, o.ID)
			if strings.HasPrefix(name, begun) && !slices.Contains(args, name) {
				offers = append(offers, cobra.CompletionWithDesc(name, Describe(o.Key, what, users.Text(o.UID))))
			}
		}
		for _, kind := range kinds {
			if err := listed(kind, offer); err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// listed calls f for the objects of one kind that exist now, with what is in them.
func listed(kind sysvipc.Kind, f func(o *sysvipc.Object, what string)) error {
	switch kind {
	case sysvipc.KindSegment:
		return forAll(sysvipc.Segments(), func(st *sysvipc.SegmentStat) { f(&st.Object, SegmentText(st)) })
	case sysvipc.KindSemaphores:
		return forAll(sysvipc.SemaphoreSets(), func(st *sysvipc.SemaphoreSetStat) { f(&st.Object, SetText(st)) })
	default:
		return forAll(sysvipc.Queues(), func(st *sysvipc.QueueStat) { f(&st.Object, QueueText(st)) })
	}
}

func forAll[T any](all iter.Seq2[T, error], f func(*T)) error {
	for st, err := range all {
		if err != nil {
			return err
		}
		f(&st)
	}
	return nil
}

// SegmentText is what is in a segment, in a few words.
func SegmentText(st *sysvipc.SegmentStat) string {
	return fmt.Sprintf("%s bytes, %d attached", arg.FormatSize(st.Size), st.Attaches)
}

// SetText is what is in a semaphore set.
func SetText(st *sysvipc.SemaphoreSetStat) string { return plural.Of(st.Len, "semaphore") }

// QueueText is what is in a queue.
func QueueText(st *sysvipc.QueueStat) string { return plural.Of(st.Messages, "message") }

// Describe says in a few words which object it is, by what is in it and the name of its owner.
func Describe(key sysvipc.Key, what, owner string) string {
	return KeyText(key) + ", " + what + ", " + owner
}

// KeyText is a key, or that there is none.
func KeyText(key sysvipc.Key) string {
	if key == sysvipc.Private {
		return "no key"
	}
	return key.String()
}
