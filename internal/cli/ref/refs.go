package ref

import (
	"bufio"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// AnyKind is what verbs take that work on all kinds.
var AnyKind = []sysvipc.Kind{sysvipc.KindSegment, sysvipc.KindSemaphores, sysvipc.KindQueue}

// ParseAll reads the REFs on the command line. A lone "-" stands for those on standard
// input, one on each line. All are read before anything is done.
func ParseAll(cmd *cobra.Command, args []string, kinds ...sysvipc.Kind) ([]Ref, error) {
	if len(args) == 0 {
		return nil, cli.Usage("which object? Give a REF such as %s:0 (\"sysvipc ls\" shows them), or - to read REFs from standard input", Word(kinds[0]))
	}
	var texts, input []string
	for _, arg := range args {
		if arg != "-" {
			texts = append(texts, arg)
			continue
		}
		lines := bufio.NewScanner(cmd.InOrStdin())
		for lines.Scan() {
			if text := strings.TrimSpace(lines.Text()); text != "" {
				texts, input = append(texts, text), append(input, text)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, cli.Fail(cli.ExitFailed, "read REFs from standard input: %w", err)
		}
	}
	refs := make([]Ref, 0, len(texts))
	for _, text := range texts {
		r, err := parse(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(kinds, r.Kind) {
			return nil, cli.Usage("%q takes a %s (%s:…), and %s is a %s", cmd.CommandPath(), kinds[0], Word(kinds[0]), text, r.Kind)
		}
		r.seen = NamesOf(cmd.Context())
		refs = append(refs, r)
	}
	return here(refs, input)
}

// ParseOne reads the only REF of a verb that takes one, and finds its object.
func ParseOne(cmd *cobra.Command, arg string, kind sysvipc.Kind) (int, error) {
	refs, err := ParseAll(cmd, []string{arg}, kind)
	if err != nil {
		return -1, err
	}
	if len(refs) != 1 {
		return -1, cli.Usage("standard input has %d REFs, and %q takes one", len(refs), cmd.CommandPath())
	}
	return refs[0].Find()
}

// Args is for verbs that take one REF, and from least to most further arguments.
// A negative most means any number.
func Args(kind sysvipc.Kind, least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args) - 1; {
		case n < 0:
			return cli.Usage("which %s? Give a REF such as %s:0; \"sysvipc ls %s\" shows them", kind, Word(kind), Word(kind))
		case n < least:
			return cli.Usage("give %s after the REF", what)
		case most >= 0 && n > most && most == 0:
			return cli.Usage("%q takes one REF and nothing else, not %q", cmd.CommandPath(), args[1])
		case most >= 0 && n > most:
			return cli.Usage("too many arguments: %q takes %s (quote what has spaces)", cmd.CommandPath(), what)
		}
		return nil
	}
}
