package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newExplainCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "explain REF…",
		GroupID: verb.GroupLook,
		Short:   "Say in words what an object is, who waits for whom, and what to do",
		Long: `Say in one paragraph what an object is, which processes use it, which threads wait for
what, how long and because of which process, whether anything is stuck, and what to do.
Looking changes nothing.

The kernel does not know the holder of a semaphore: it notes the last operator, so what
this says of holders is probable, unless "sysvipcd serve --trace" runs as root: it has seen
who took and did not give back. What cannot be seen is said, and then the exit code is 4.`,
		Example: `  sysvipc explain sem:key=0x4d2
  sysvipc explain msg:name=orders -o json
  sysvipc ls --mine -o name | sysvipc explain -`,
		ValidArgsFunction: ref.Complete(0, ref.AnyKind...),
		RunE:              func(cmd *cobra.Command, args []string) error { return runExplain(cmd, args, format) },
	}
	flags.Output(cmd, &format, "text", "json")
	return cmd
}

func runExplain(cmd *cobra.Command, args []string, format string) error {
	refs, err := ref.ParseAll(cmd, args, ref.AnyKind...)
	if err != nil {
		return err
	}
	snap, err := inspect.Take(cmd.Context(), seenTaking(cmd))
	if err != nil {
		return err
	}
	v := listing.NewView()
	var d *output.Document
	if format == "json" {
		d = output.StartDocument(cmd.OutOrStdout(), "objects")
	}
	var warnings []string
	note := func(err error) { warnings = append(warnings, cli.Text(err)) }
	shown, hidden := 0, false
	first := verb.Each(cmd, refs, note, func(r ref.Ref, id int) error {
		o := snap.Object(r.Kind, id)
		if o == nil {
			e, err := listing.Stat(r.Kind, id)
			if err != nil {
				return err
			}
			return cli.Fail(cli.ExitFailed, "%s came while this was looking: try again", ref.Name(e.Kind, e.ID))
		}
		hidden = hidden || len(o.Unknown) > 0
		if d != nil {
			e := listing.Inspected(snap, o)
			d.Add(&output.ExplainedObject{Object: e.Published(v), Explanation: snap.Explain(o)})
			return nil
		}
		if shown++; shown > 1 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), paragraph(snap, o))
		return err
	})
	if d != nil {
		if hidden {
			warnings = append(warnings, unseen(snap)...)
		}
		if err := d.End(warnings); err != nil {
			return err
		}
	}
	if first != nil || !hidden {
		return first
	}
	return incomplete(cmd, snap, d == nil)
}

// paragraph is an object in words, for a terminal.
func paragraph(snap *inspect.Snapshot, o *inspect.Object) string {
	return fill(terminal.Escape(snap.Explain(o)), textWidth)
}

// textWidth is the width of paragraphs: that of the smallest terminal.
const textWidth = 80

// fill breaks a paragraph into lines of at most so many characters, between words.
func fill(text string, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
