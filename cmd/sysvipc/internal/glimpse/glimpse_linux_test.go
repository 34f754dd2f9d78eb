package glimpse

import (
	"io"
	"slices"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

func TestParseMappings(t *testing.T) {
	t.Parallel()
	const text = `5600-5700 r--p 00000000 fe:00 5      /SYSV00000005
7f0a000-7f0b000 rw-s 00000000 00:01 5                          /SYSV000004d2 (deleted)
7f0b000-7f0c000 ---s 00001000 00:01 5                          /SYSV000004d2 (deleted)
7f0c000-7f0d000 rw-s 00000000 00:01 55                         /SYSV000004d2 (deleted)
7f0d000-7f0e000 rw-s 00000000 00:01 5                          /home/SYSV000004d2
`
	want := []mapping{
		{0x5600, 0x5700, 0, "5600-5700", true},
		{0x7f0a000, 0x7f0b000, 0, "7f0a000-7f0b000", true},
		{0x7f0b000, 0x7f0c000, 0x1000, "7f0b000-7f0c000", false},
	}
	if got := parseMappings([]byte(text), 5)[5]; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzParseMappings(f *testing.F) {
	f.Add([]byte("7f0a000-7f0b000 rw-s 00000000 00:01 5 /SYSV000004d2 (deleted)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for id, maps := range parseMappings(text, anyID) {
			for _, m := range maps {
				if id < 0 || m.end <= m.start {
					t.Errorf("shm:%d from %#x to %#x", id, m.start, m.end)
				}
			}
		}
	})
}

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
