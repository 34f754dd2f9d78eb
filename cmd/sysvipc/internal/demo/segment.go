package demo

import (
	"bytes"
	"errors"
	"io/fs"

	"github.com/sysvipc/sysvipc"
)

// tellSegment is the page's first program: shmget, shmwrite, shmread and shmctl, here
// each in a process of its own.
func tellSegment(t *tour) {
	t.say(`The page's first program makes a segment of 2000 bytes, writes a message into
		its first 60, reads them back, and removes it.`)
	const size, message = 2000, "Message #1"
	ref, id := t.make("mk", "shm", "--size", "2000")
	seg := sysvipc.SegmentByID(id)
	made := valueOf(seg.Stat())(t)
	checkEqual(t, made.Size, size, "the segment has %d bytes, and not those of whole pages", size)
	checkEqual(t, made.CreatorPID, t.lastPID(), "the kernel says that process %d made it, which has ended", made.CreatorPID)

	t.run("shm", "write", ref, message, "--pad", "60")
	got := t.run("shm", "read", ref, "--length", "60", "--text")
	checkEqual(t, got, message, "one process has written, another has read the same")
	mem := valueOf(seg.Attach(nil))(t)
	defer mem.Close()
	want := make([]byte, size)
	copy(want, message)
	t.check(bytes.Equal(mem.Bytes(), want), "this process sees the text, and zeros up to byte %d: that is Perl's padding, too", size)
	checkEqual(t, valueOf(seg.Stat())(t).Attaches, 1, "only this process has it attached now: it outlived all others")
	t.must(mem.Close())

	t.run("rm", ref, "--no-backup") // the tour leaves nothing behind
	_, err := seg.Stat()
	t.check(errors.Is(err, fs.ErrNotExist), "nothing is left of it")
}
