package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// runHere runs a command line in this process.
func runHere(args ...string) (code int, stdout, stderr string) {
	var out, talk bytes.Buffer
	code = execute(args, strings.NewReader(""), &out, &talk)
	return code, out.String(), talk.String()
}

// kernelLine is what the kernel's list says of a segment.
func kernelLine(t *testing.T, id int) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == fmt.Sprint(id) {
			return line
		}
	}
	t.Fatalf("shm:%d is not in the list", id)
	return ""
}

// held makes a segment that this process has attached.
func held(t *testing.T, size int64) (*sysvipc.Segment, *sysvipc.Memory) {
	t.Helper()
	seg, err := sysvipc.CreateSegment(sysvipc.Key(ipctest.Key(t)), size, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := seg.Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mem.Close() })
	return seg, mem
}

func put(t *testing.T, mem *sysvipc.Memory, off int64, text string) {
	t.Helper()
	if _, err := mem.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
}

// What looks into attached segments changes no field of the kernel.
func TestLookWithoutAttach(t *testing.T) {
	t.Parallel()
	seg, mem := held(t, 40<<20)
	ref := ref.Name(sysvipc.KindSegment, seg.ID())
	put(t, mem, 30<<20, "Message #1\nsecond line")
	before := kernelLine(t, seg.ID())
	file := filepath.Join(t.TempDir(), "dump")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"shm", "read", ref, "--no-attach", "--offset", "30M", "--length", "10"}, 0, "Message #1"},
		{[]string{"shm", "read", ref, "--offset", "30M", "--length", "10"}, 0, "Message #1"},
		{[]string{"dump", "-f", file, "--only", ref, "--no-attach", "--no-sync"}, 0, "saved 1 object (1 shm) to " + file},
	} {
		code, out, talk := runHere(c.args...)
		if code != c.code || out != c.want && !(c.args[0] == "dump" && strings.HasPrefix(out, c.want)) {
			t.Errorf("%q: got exit code %d and %q, want %d and %q; it said %q", c.args, code, out, c.code, c.want, talk)
		}
	}
	if after := kernelLine(t, seg.ID()); after != before && ipctest.MemoryFiles() { // reading memory otherwise makes its pages resident
		t.Errorf("the kernel says\n%s, want as before\n%s", after, before)
	}
	if err := mem.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := runHere("shm", "read", ref, "--no-attach"); code != cli.ExitNotPermitted || !strings.Contains(talk, "no process has it attached") {
		t.Errorf("without anybody who has it attached: got exit code %d and %q, want %d", code, talk, cli.ExitNotPermitted)
	}
}
