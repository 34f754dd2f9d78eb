package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
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

// What looks into segments that somebody has attached changes no field of the kernel.
func TestLookWithoutAttach(t *testing.T) {
	t.Parallel()
	seg, mem := held(t, 40<<20)
	ref := refName(sysvipc.KindSegment, seg.ID())
	put(t, mem, 30<<20, "Message #1\nsecond line")
	put(t, mem, 1<<20-3, "across")
	before := kernelLine(t, seg.ID())
	file := filepath.Join(t.TempDir(), "dump")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"shm", "read", ref, "--no-attach", "--offset", "30M", "--length", "10"}, 0, "Message #1"},
		{[]string{"shm", "grep", "--no-attach", "acr..s", ref}, 0, ref + ":1048573: across\n"},
		{[]string{"shm", "grep", "^[a-z]+ #[0-9]$", ref}, 1, ""},
		{[]string{"shm", "grep", "(?i)[a-z]+ #[0-9]$", ref}, 0, ref + ":31457280: Message #1\n"},
		{[]string{"shm", "grep", "-q", "^second", ref}, 0, ""},
		{[]string{"shm", "grep", "-q", "^econd", ref}, 1, ""},
		{[]string{"shm", "grep", "--hex", "00 6163 72", ref}, 0, ref + ":1048572: \\x00acr\n"},
		{[]string{"shm", "grep", "-F", "line\x00", ref, "-o", "json"}, 0, `{"schema":"sysvipc/1","matches":[` + "\n" + `{"ref":"` + ref + `","offset":31457298,"size":5,"text":"line\u0000"}` + "\n" + `],"complete":true,"warnings":[]}` + "\n"},
		{[]string{"shm", "diff", ref, ref, "--no-attach"}, 0, ""},
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
	for _, args := range [][]string{{"shm", "read", ref}, {"shm", "grep", "x", ref}, {"shm", "diff", ref, ref}} {
		if code, _, talk := runHere(append(args, "--no-attach")...); code != exitNotPermitted || !strings.Contains(talk, "no process has it attached") {
			t.Errorf("%q without anybody who has it attached: got exit code %d and %q, want %d", args, code, talk, exitNotPermitted)
		}
	}
}

func TestShmDiff(t *testing.T) {
	t.Parallel()
	seg, mem := held(t, 300<<10)
	other, otherMem := held(t, 300<<10+5)
	a, b := refName(sysvipc.KindSegment, seg.ID()), refName(sysvipc.KindSegment, other.ID())
	put(t, mem, 20, "old text")
	put(t, otherMem, 20, "new text")
	put(t, otherMem, 300<<10-1, "!")
	code, out, talk := runHere("shm", "diff", a, b)
	want := `-00000010  00 00 00 00 6f 6c 64 20  74 65 78 74 00 00 00 00  |....old text....|
+00000010  00 00 00 00 6e 65 77 20  74 65 78 74 00 00 00 00  |....new text....|
-0004aff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
+0004aff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 21  |...............!|
`
	if code != 1 || out != want || !strings.Contains(talk, "has 307200 bytes, and "+b+" has 307205") {
		t.Errorf("got exit code %d, %q and\n%swant 1 and\n%s", code, talk, out, want)
	}
	code, out, _ = runHere("shm", "diff", a, b, "-o", "json")
	want = `{"schema":"sysvipc/1","ranges":[` + "\n" + `{"offset":20,"size":3},` + "\n" + `{"offset":307199,"size":1}` + "\n" + `],"complete":true,"warnings":[]}` + "\n"
	if code != 1 || out != want {
		t.Errorf("got exit code %d and %s, want 1 and %s", code, out, want)
	}
	// With a file.
	file := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(file, mem.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, talk = runHere("shm", "diff", a, file); code != 0 || out+talk != "" {
		t.Errorf("got exit code %d and %q, want that they are equal", code, out+talk)
	}
	if code, _, talk = runHere("shm", "diff", a, file+"none"); code != exitNotFound {
		t.Errorf("got exit code %d and %q for a file that does not exist", code, talk)
	}
}

// The finders agree with what a plain search of all bytes finds, wherever the pieces end.
func TestShmGrepFindsAll(t *testing.T) {
	t.Parallel()
	seg, mem := held(t, 3<<20)
	ref := refName(sysvipc.KindSegment, seg.ID())
	var want []string
	for _, at := range []int{0, 100, 1<<20 - 5, 1 << 20, 1<<20 + longestMatch - 3, 2<<20 - 1, 2<<20 + 2*longestMatch, 3<<20 - 5} {
		put(t, mem, int64(at), "aaaaa")
	}
	all := mem.Bytes()
	for i := 0; ; {
		k := bytes.Index(all[i:], []byte("aa"))
		if k < 0 {
			break
		}
		want = append(want, fmt.Sprintf("%s:%d: aa", ref, i+k))
		i += k + 2
	}
	for _, args := range [][]string{{"-F", "aa"}, {"aa"}, {"--hex", "6161"}} {
		_, out, talk := runHere(append([]string{"shm", "grep", ref, "--"}[:2], append(args, ref)...)...)
		if got := strings.Split(strings.TrimSpace(out), "\n"); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q; it said %q", args, got, want, talk)
		}
	}
	for _, args := range [][]string{{"--hex", "6"}, {"--hex", "xy"}, {"-F", ""}, {"a*"}, {"("}} {
		if code, _, talk := runHere(append([]string{"shm", "grep"}, append(args, ref)...)...); code != exitUsage {
			t.Errorf("%q: got exit code %d and %q, want %d", args, code, talk, exitUsage)
		}
	}
}
