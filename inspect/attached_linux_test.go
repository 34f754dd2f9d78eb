package inspect

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A process shows where it has segments, until it has ended.
func TestAttachedProcesses(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	id := newSegment(t, key, 10000)
	p := play(t, nil)
	p.do("attach %d", id)
	p.do("split")

	all, _, err := AttachedProcesses()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(a AttachedProcess) bool { return a.PID == p.PID })
	if at < 0 || len(all[at].Mappings) != 3 {
		t.Fatalf("got %+v, want process %d with 3 mappings", all, p.PID)
	}
	maps, err := Mappings(p.PID)
	if err != nil || !slices.Equal(maps, all[at].Mappings) {
		t.Errorf("got %+v, %v, want %+v", maps, err, all[at].Mappings)
	}
	for i, m := range maps {
		if m.ID != id || m.Key != key || m.Offset != int64(i)*4096 || m.End-m.Start != 4096 || !m.Readable || m.Writable != (i != 1) {
			t.Errorf("mapping %d is %+v", i, m)
		}
	}
	if own, err := Mappings(0); err != nil || slices.ContainsFunc(own, func(m Mapping) bool { return m.ID == id && m.Key == key }) {
		t.Errorf("this process: got %+v, %v", own, err)
	}
	if found, err := FindProcess(p.PID); err != nil || found.PID != p.PID || found.Comm == "" {
		t.Errorf("got %+v, %v", found, err)
	}
	p.Kill()
	if found, err := FindProcess(p.PID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that was killed: got %+v, %v", found, err)
	}
}

// A thread leads to its process.
func TestFindProcessOfThread(t *testing.T) {
	t.Parallel()
	tids, err := numbers("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := FindProcess(slices.Max(tids)); err != nil || p.PID != os.Getpid() {
		t.Errorf("got %+v, %v, want process %d", p, err, os.Getpid())
	}
}
