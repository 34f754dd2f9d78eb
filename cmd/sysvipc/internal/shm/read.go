package shm

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

type readOptions struct {
	offset, length arg.Size
	hex, text      bool
	guard.Attach
}

func newRead() *cobra.Command {
	var o readOptions
	cmd := &cobra.Command{
		Use:   "read REF",
		Short: "Copy the bytes of a segment to standard output",
		Long: `Copy the bytes of a segment, or of a part of it, to standard output: as they are into
a file or a pipe, and as hexadecimal to a terminal.

--text is for segments that hold text with NULs behind it, as Perl's shmwrite leaves it:
it leaves out the NULs at the end. On a terminal, control characters are escaped.

Looking changes nothing where a process has the segment attached: it is read through that
process, for which one must be root, or allowed to trace it. Otherwise it is attached for
a moment, read-only, and the kernel notes the time and our pid (attached, detached,
lpid). What belongs to a product, such as PostgreSQL, is refused then (exit code 5),
since an attach may keep its server from starting: --attach attaches it all the same, and
--no-attach attaches nothing (exit code 4). Other programs may be writing meanwhile: take
their semaphore first if they have one. For others than root, pages that nobody has
touched take memory once they are read.`,
		Example: `  sysvipc shm read shm:5 >copy
  sysvipc shm read shm:key=0x4d2 --offset 1K --length 60 --hex
  sysvipc shm read shm:name=motd --text
  sysvipc shm read shm:5 --no-attach --hex --length 256`,
		Args:              ref.Args(sysvipc.KindSegment, 0, 0, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindSegment),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.Var(&o.offset, "offset", "first byte to read")
	f.Var(&o.length, "length", "number of bytes (default: to the end)")
	f.BoolVar(&o.hex, "hex", false, "as hexadecimal and text, 16 bytes on a line")
	f.BoolVar(&o.text, "text", false, "as text, without the NULs at its end")
	o.Attach.AddFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hex", "text")
	return cmd
}

func (o *readOptions) run(cmd *cobra.Command, arg string) error {
	id, err := ref.ParseOne(cmd, arg, sysvipc.KindSegment)
	if err != nil {
		return err
	}
	mem, err := o.Open(cmd.Context(), id)
	if err != nil {
		return err
	}
	defer mem.Close()
	size := mem.Size()
	length := size - o.offset.N
	switch {
	case length < 0:
		return cli.Fail(cli.ExitFailed, "shm:%d has %d bytes: there is nothing at offset %d", id, size, o.offset.N)
	case o.length.N > length:
		return cli.Fail(cli.ExitFailed, "shm:%d has %d bytes: there are not %d at offset %d", id, size, o.length.N, o.offset.N)
	case cmd.Flags().Changed("length"):
		length = o.length.N
	}
	section := io.NewSectionReader(mem, o.offset.N, length)
	w := cmd.OutOrStdout()
	person := terminal.Is(w)
	switch {
	case o.text:
		return copyText(cmd, w, section, person)
	case o.hex || person:
		h := newHexdump(w, o.offset.N)
		if err := copyChunks(cmd, h, section); err != nil {
			return err
		}
		return h.end()
	}
	return copyChunks(cmd, w, section)
}

// copyChunks copies as much as there is, and stops between two chunks when it shall.
func copyChunks(cmd *cobra.Command, w io.Writer, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for cmd.Context().Err() == nil {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return cmd.Context().Err()
}

// copyText copies all but the NULs at the end.
func copyText(cmd *cobra.Command, w io.Writer, r io.Reader, terminal bool) error {
	t := &textWriter{w: w, terminal: terminal}
	if err := copyChunks(cmd, t, r); err != nil || !terminal || t.last == '\n' || t.last == 0 {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// textWriter holds NULs back until something else follows. A character that two chunks
// share is escaped on a terminal, where nobody reads so much.
type textWriter struct {
	w        io.Writer
	terminal bool
	nuls     int64
	last     byte
}

func (t *textWriter) Write(p []byte) (int, error) {
	text := bytes.TrimRight(p, "\x00")
	if len(text) > 0 {
		if err := t.writeNULs(); err != nil {
			return 0, err
		}
		t.last = text[len(text)-1]
		out := text
		if t.terminal {
			out = terminal.AppendEscaped(nil, text, true)
		}
		if _, err := t.w.Write(out); err != nil {
			return 0, err
		}
	}
	t.nuls += int64(len(p) - len(text))
	return len(p), nil
}

func (t *textWriter) writeNULs() error {
	zeros := make([]byte, 64<<10)
	for t.nuls > 0 {
		out := zeros[:min(t.nuls, int64(len(zeros)))]
		t.nuls -= int64(len(out))
		if t.terminal {
			out = terminal.AppendEscaped(nil, out, true)
		}
		if _, err := t.w.Write(out); err != nil {
			return err
		}
	}
	return nil
}
