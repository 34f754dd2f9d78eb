package segread

import (
	"io"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// The holes of a segment are known where the kernel shows it as a file, and reading them fills none.
func TestHoles(t *testing.T) {
	t.Parallel()
	seg, err := sysvipc.CreateSegment(sysvipc.Key(ipctest.Key(t)), 8<<20+100, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := seg.Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt([]byte("text"), 4<<20); err != nil {
		t.Fatal(err)
	}
	v, err := Attach(seg.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	switch {
	case v.file == nil && ipctest.MemoryFiles():
		t.Fatal("the kernel shows memory files, and it was read otherwise")
	case v.file == nil:
		t.Skip("the kernel shows memory files to root only")
	}
	start, end, err := v.Data(0)
	if err != nil || start != 4<<20 || end != 4<<20+4096 {
		t.Errorf("got data from %d to %d, %v, want one page at 4M", start, end, err)
	}
	if _, _, err := v.Data(end); err != io.EOF {
		t.Errorf("got %v behind the last data, want EOF", err)
	}
	p := make([]byte, 200)
	if n, err := v.ReadAt(p, 8<<20); n != 100 || err != io.EOF {
		t.Errorf("at the end: got %d bytes and %v", n, err)
	}
	if n, err := v.ReadAt(p[:4], 4<<20); n != 4 || err != nil || string(p[:4]) != "text" {
		t.Errorf("got %q, %v", p[:n], err)
	}
}
