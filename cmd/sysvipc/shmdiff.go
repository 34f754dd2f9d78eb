package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

type shmDiffOptions struct {
	quiet, noAttach bool
	output          string
}

func newShmDiffCommand() *cobra.Command {
	var o shmDiffOptions
	cmd := &cobra.Command{
		Use:   "diff REF REF2|FILE",
		Short: "Compare a segment with another one, or with a file",
		Long: `Compare the bytes of a segment with those of another one, or of a file such as "shm read"
writes, and show each part that differs as hexadecimal and text: - for the first, + for
the second. A length that differs is told, too.

` + lookHelp + `

The exit code is 0 if they are equal, 1 if they differ.`,
		Example: `  sysvipc shm read shm:5 >before; sleep 1; sysvipc shm diff shm:5 before
  sysvipc shm diff shm:5 shm:key=0x4d2 -q`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("give a REF, and another REF or a FILE")
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			offers, d := completeRefs(2, sysvipc.KindSegment)(cmd, args, begun)
			if len(args) == 1 {
				d = cobra.ShellCompDirectiveDefault
			}
			return offers, d
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "write nothing: the exit code says it")
	addNoAttach(cmd, &o.noAttach)
	outputFlag(cmd, &o.output, "table", "json")
	return cmd
}

func (o *shmDiffOptions) run(cmd *cobra.Command, args []string) error {
	if args[0] == "-" {
		return usage("the first argument is a REF, and - is none here")
	}
	id, err := parseOneRef(cmd, args[0], sysvipc.KindSegment)
	if err != nil {
		return err
	}
	first, err := look(id, o.noAttach)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := o.second(cmd, args[1])
	if err != nil {
		return err
	}
	defer second.Close()
	var out differences
	switch {
	case o.quiet:
		out = quietDiff{}
	case o.output == "json":
		out = &jsonDiff{d: startDocument(cmd.OutOrStdout(), "ranges")}
	default:
		out = newHexDiff(cmd.OutOrStdout())
	}
	sizeA, sizeB := first.Size(), second.Size()
	differ, err := compare(cmd, first, second, min(sizeA, sizeB), out)
	if err != nil {
		return err
	}
	if err := out.end(); err != nil {
		return err
	}
	if sizeA != sizeB && !o.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "sysvipc: %s has %d bytes, and %s has %d\n", args[0], sizeA, escapeText(args[1]), sizeB)
	}
	if differ || sizeA != sizeB {
		return &exitError{code: exitFailed}
	}
	return nil
}

// second opens what is compared with: a segment, or a file.
func (o *shmDiffOptions) second(cmd *cobra.Command, arg string) (bytesOf, error) {
	if word, _, ok := strings.Cut(arg, ":"); ok {
		if _, isKind := kindOf(word); isKind {
			id, err := parseOneRef(cmd, arg, sysvipc.KindSegment)
			if err != nil {
				return nil, err
			}
			return look(id, o.noAttach)
		}
	}
	f, err := os.Open(arg)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = usage("%s is no regular file", escapeText(arg))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return sizedFile{f, info.Size()}, nil
}

type sizedFile struct {
	*os.File
	size int64
}

func (f sizedFile) Size() int64 { return f.size }

// differences are told one by one: parts of at most diffPart bytes that begin and end with a line of 16 in which something
// differs, in order.
type differences interface {
	add(offset int64, a, b []byte) error
	end() error
}

const (
	diffLine = 16
	diffPart = 64 * diffLine
)

// compare tells of the differences in the first n bytes.
func compare(cmd *cobra.Command, a, b io.ReaderAt, n int64, out differences) (differ bool, err error) {
	const piece = 256 << 10
	bufA, bufB := make([]byte, piece), make([]byte, piece)
	for at := int64(0); at < n; at += piece {
		if err := cmd.Context().Err(); err != nil {
			return differ, err
		}
		pa, pb := bufA[:min(piece, n-at)], bufB[:min(piece, n-at)]
		for _, r := range []struct {
			from io.ReaderAt
			p    []byte
		}{{a, pa}, {b, pb}} {
			if k, err := r.from.ReadAt(r.p, at); k < len(r.p) {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return differ, err
			}
		}
		if bytes.Equal(pa, pb) {
			continue
		}
		differ = true
		if _, quiet := out.(quietDiff); quiet {
			return true, nil
		}
		for i := 0; i < len(pa); {
			end := i
			for end < len(pa) && end-i < diffPart {
				next := min(end+diffLine, len(pa))
				if bytes.Equal(pa[end:next], pb[end:next]) {
					break
				}
				end = next
			}
			if end == i {
				i += diffLine
				continue
			}
			if err := out.add(at+int64(i), pa[i:end], pb[i:end]); err != nil {
				return differ, err
			}
			i = end
		}
	}
	return differ, nil
}

type quietDiff struct{}

func (quietDiff) add(int64, []byte, []byte) error { return nil }
func (quietDiff) end() error                      { return nil }

// hexDiff shows lines as hexdump does, first those of one side and then those of the other.
type hexDiff struct {
	w    *bufio.Writer
	line hexdump
}

func newHexDiff(w io.Writer) *hexDiff {
	out := bufio.NewWriterSize(w, outputBuffer)
	return &hexDiff{w: out, line: hexdump{w: out}}
}

func (h *hexDiff) add(offset int64, a, b []byte) error {
	for _, side := range []struct {
		mark byte
		p    []byte
	}{{'-', a}, {'+', b}} {
		for i := 0; i < len(side.p); i += diffLine {
			h.w.WriteByte(side.mark)
			h.line.offset, h.line.line = offset+int64(i), side.p[i:min(i+diffLine, len(side.p))]
			h.line.print()
		}
	}
	return h.w.Flush()
}

func (h *hexDiff) end() error { return h.w.Flush() }

// jsonDiff lists ranges, from the first byte that differs to the last one of each part.
type jsonDiff struct{ d *document }

func (j *jsonDiff) add(offset int64, a, b []byte) error {
	first, last := 0, len(a)-1
	for a[first] == b[first] {
		first++
	}
	for a[last] == b[last] {
		last--
	}
	j.d.add(record{{"offset", offset + int64(first)}, {"size", last - first + 1}})
	return nil
}

func (j *jsonDiff) end() error { return j.d.end(nil) }
