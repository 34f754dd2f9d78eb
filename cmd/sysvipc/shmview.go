package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/glimpse"
)

// lookHelp is what the help of verbs that look into segments says of how they do.
const lookHelp = `A segment is read through a process that has it attached, so that no field of the kernel
changes, if the kernel lets this user: root always, others their own processes, if they may
trace them. Otherwise it is attached for a moment, read-only, and the kernel notes the time
and our pid. --no-attach forbids that (exit code 4). For others than root, pages that nobody
has touched take memory once they are read.`

// look opens a segment to read it, without attaching it if that is possible, or only then.
func look(id int, noAttach bool) (*glimpse.View, error) {
	view, err := glimpse.Open(id)
	if err != nil && !noAttach {
		return glimpse.Attach(id)
	}
	return view, err
}

func addNoAttach(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "no-attach", false, "change no field of the kernel: read through a process that has it attached, or not at all")
}

// attachedMemory is a segment that this process has attached, as what has a size.
type attachedMemory struct{ *sysvipc.Memory }

func (m attachedMemory) Size() int64 { return int64(m.Len()) }

// bytesOf is a segment, or a view of one, to read.
type bytesOf interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
