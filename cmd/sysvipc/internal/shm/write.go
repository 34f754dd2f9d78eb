package shm

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

type writeOptions struct {
	offset, pad arg.Size
}

func newWrite() *cobra.Command {
	var o writeOptions
	cmd := &cobra.Command{
		Use:   "write REF [TEXT]",
		Short: "Write text, or standard input, into a segment",
		Long: `Write TEXT into a segment, or all of standard input if no TEXT or - is given. Nothing is
added to it, no newline and no NUL. What does not fit is an error, and then nothing is
written.

--pad N writes NULs behind it, so that N bytes are written in all, as Perl's shmwrite
does.`,
		Example: `  sysvipc shm write shm:5 'Message #1' --pad 60
  sysvipc shm write shm:5 --offset 1K <table.bin`,
		Args:              ref.Args(sysvipc.KindSegment, 0, 1, "one TEXT"),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindSegment),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	verb.TextMayBeginWithDash(cmd)
	f := cmd.Flags()
	f.Var(&o.offset, "offset", "where to begin")
	f.Var(&o.pad, "pad", "number of bytes to write in all, with NULs at the end")
	return cmd
}

func (o *writeOptions) run(cmd *cobra.Command, args []string) error {
	if args[0] == "-" {
		return cli.Usage("standard input is what is to be written: give the REF as an argument")
	}
	id, err := ref.ParseOne(cmd, args[0], sysvipc.KindSegment)
	if err != nil {
		return err
	}
	st, err := sysvipc.SegmentByID(id).Stat()
	if err != nil {
		return err
	}
	room := st.Size - o.offset.N
	if room < 0 {
		return cli.Fail(cli.ExitFailed, "shm:%d has %d bytes: there is nothing at offset %d", id, st.Size, o.offset.N)
	}
	data, length, source, err := readData(cmd, args[1:], room)
	if err != nil {
		return err
	}
	end := o.offset.N + length
	if cmd.Flags().Changed("pad") {
		if length > o.pad.N {
			return cli.Fail(cli.ExitFailed, "%s is longer than --pad %d; nothing was written", source, o.pad.N)
		}
		length, source = o.pad.N, fmt.Sprintf("--pad %d", o.pad.N)
	}
	if length > room {
		return cli.Fail(cli.ExitFailed, "%s is too long: shm:%d has room for %d bytes at offset %d; nothing was written", source, id, room, o.offset.N)
	}
	mem, err := sysvipc.SegmentByID(id).Attach(nil)
	if err != nil {
		return err
	}
	defer mem.Close()
	at := o.offset.N
	for _, chunk := range data {
		n, err := mem.WriteAt(chunk, at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return zero(mem, end, o.offset.N+length)
}

// readData returns what is to be written, in pieces, its length and what to call it. Of a
// standard input that is too long it reads little more than shows that.
func readData(cmd *cobra.Command, args []string, room int64) (data [][]byte, length int64, source string, err error) {
	if len(args) == 1 && args[0] != "-" {
		return [][]byte{[]byte(args[0])}, int64(len(args[0])), fmt.Sprintf("TEXT of %d bytes", len(args[0])), nil
	}
	for err == nil && length <= room {
		chunk := make([]byte, 256<<10)
		var n int
		n, err = io.ReadFull(cmd.InOrStdin(), chunk)
		data = append(data, chunk[:n])
		length += int64(n)
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, 0, "", fmt.Errorf("read standard input: %w; nothing was written", err)
	}
	return data, length, "standard input", nil
}

// zero writes NULs from one offset to another.
func zero(mem *sysvipc.Memory, from, to int64) error {
	nuls := make([]byte, 64<<10)
	for from < to {
		n, err := mem.WriteAt(nuls[:min(to-from, int64(len(nuls)))], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}
