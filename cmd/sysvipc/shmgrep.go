package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/glimpse"
)

type shmGrepOptions struct {
	fixed, hex, quiet, noAttach bool
	most                        int
	output                      string
}

func newShmGrepCommand() *cobra.Command {
	var o shmGrepOptions
	cmd := &cobra.Command{
		Use:   "grep PATTERN REF…",
		Short: "Look for text or bytes in segments",
		Long: `Look for a regular expression, for text (-F) or for bytes (--hex) in segments, and write
where it stands: REF, offset, and what was found, with control characters escaped. A match
has at most 64K bytes; ^ and $ are the begin and end of lines; bytes that are not UTF-8
are found by --hex. "shm read --offset" shows what stands around.

` + lookHelp + `

The exit code is 0 if something was found, 1 if not, and otherwise that of the first
failure.`,
		Example: `  sysvipc shm grep 'order [0-9]+' shm:5
  sysvipc shm grep -F password shm:5 shm:6
  sysvipc shm grep --hex 'de ad be ef' shm:key=0x4d2
  sysvipc ls shm -o name | sysvipc shm grep -q --no-attach secret -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage("give a PATTERN and at least one REF")
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeRefs(0, sysvipc.KindSegment)(cmd, args[1:], begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) },
	}
	textMayBeginWithDash(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.fixed, "fixed", "F", false, "PATTERN is text, not a regular expression")
	f.BoolVar(&o.hex, "hex", false, "PATTERN is bytes in hexadecimal, with or without spaces")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "write nothing: the exit code says it")
	f.IntVarP(&o.most, "max-count", "m", 0, "at most N matches in each segment")
	placeholder(cmd, "N", "max-count")
	addNoAttach(cmd, &o.noAttach)
	outputFlag(cmd, &o.output, "table", "json")
	cmd.MarkFlagsMutuallyExclusive("fixed", "hex")
	return cmd
}

// finder returns the place of the first match in p at or behind from, or nil.
type finder func(p []byte, from int) []int

// longestMatch is how long a match may be.
const longestMatch = 64 << 10

// finder makes one of the pattern.
func (o *shmGrepOptions) finder(pattern string) (finder, error) {
	if o.fixed || o.hex {
		want := []byte(pattern)
		if o.hex {
			var err error
			if want, err = hex.DecodeString(strings.Join(strings.Fields(pattern), "")); err != nil {
				return nil, usage("--hex %q: %s: write two digits for each byte, as in 'de ad be ef'", pattern, strings.TrimPrefix(err.Error(), "encoding/hex: "))
			}
		}
		if len(want) == 0 || len(want) > longestMatch {
			return nil, usage("the PATTERN has %d bytes: it has from 1 to %d", len(want), longestMatch)
		}
		return func(p []byte, from int) []int {
			i := bytes.Index(p[from:], want)
			if i < 0 {
				return nil
			}
			return []int{from + i, from + i + len(want)}
		}, nil
	}
	re, err := regexp.Compile("(?m:" + pattern + ")")
	if err != nil {
		return nil, usage("PATTERN %q: %s (-F looks for it as text)", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if re.MatchString("") {
		return nil, usage("PATTERN %q matches also nothing at all, which is everywhere", pattern)
	}
	return func(p []byte, from int) []int {
		// The byte before tells whether a line or word begins here.
		before := max(from-1, 0)
		at := re.FindIndex(p[before:])
		if at != nil && before+at[0] < from {
			before = from
			at = re.FindIndex(p[before:])
		}
		if at == nil || at[0] == at[1] {
			return nil
		}
		return []int{before + at[0], before + at[1]}
	}, nil
}

func (o *shmGrepOptions) run(cmd *cobra.Command, pattern string, args []string) error {
	if o.most < 0 || o.most == 0 && cmd.Flags().Changed("max-count") {
		return usage("--max-count %d: at least 1", o.most)
	}
	find, err := o.finder(pattern)
	if err != nil {
		return err
	}
	refs, err := parseRefs(cmd, args, sysvipc.KindSegment)
	if err != nil {
		return err
	}
	var d *document
	if o.output == "json" && !o.quiet {
		d = startDocument(cmd.OutOrStdout(), "matches")
	}
	var warnings []string
	found := 0
	first := each(cmd, refs, func(err error) { warnings = append(warnings, unprefixed(err)) }, func(r ref, id int) error {
		view, err := look(id, o.noAttach)
		if err != nil {
			return err
		}
		defer view.Close()
		n := 0
		return search(cmd, view, find, func(offset int64, match []byte) (more bool, err error) {
			found++
			n++
			switch {
			case o.quiet:
				return false, nil
			case d != nil:
				d.add(matchRecord(id, offset, match))
			default:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "shm:%d:%d: %s\n", id, offset, appendEscaped(nil, match[:min(len(match), 200)], false))
			}
			return o.most == 0 || n < o.most, err
		})
	})
	if d != nil {
		if err := d.end(warnings); err != nil {
			return err
		}
	}
	if first == nil && found == 0 {
		return &exitError{code: exitFailed}
	}
	return first
}

func matchRecord(id int, offset int64, match []byte) record {
	r := record{{"ref", refName(sysvipc.KindSegment, id)}, {"offset", offset}, {"size", len(match)}}
	if utf8.Valid(match) {
		return append(r, field{"text", string(match)})
	}
	return append(r, field{"base64", base64.StdEncoding.EncodeToString(match)})
}

// search looks through a segment in pieces that overlap by the longest match, and passes over what was never touched and
// cannot match.
func search(cmd *cobra.Command, view *glimpse.View, find finder, report func(offset int64, match []byte) (bool, error)) error {
	const piece = 1 << 20
	buf := make([]byte, piece+longestMatch)
	holesMatch := find(make([]byte, longestMatch), 0) != nil
	data := int64(0) // up to here there is some
	for at := int64(0); at < view.Size(); {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if !holesMatch && at >= data {
			start, end, err := view.Data(at)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			// What begins or ends in a hole is found, too.
			at, data = max(at, start-longestMatch), end+longestMatch
		}
		// One byte before tells find whether a line begins.
		begin := max(at-1, 0)
		n, err := view.ReadAt(buf[:min(int64(len(buf)), view.Size()-begin)], begin)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		last := begin+int64(n) >= view.Size() || n == 0
		p := buf[:n]
		from := int(at - begin)
		limit := n
		if !last {
			limit = n - longestMatch
		}
		for from < limit {
			m := find(p, from)
			if m == nil || m[0] >= limit {
				break
			}
			if more, err := report(begin+int64(m[0]), p[m[0]:m[1]]); err != nil || !more {
				return err
			}
			from = m[1]
		}
		if last {
			return nil
		}
		at = begin + int64(max(from, limit))
	}
	return nil
}
