package inspect

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Objects of POSIX IPC are files with a name; their users are the processes that have them open or mapped.
func TestPosix(t *testing.T) {
	t.Parallel()
	shm, mqueue := t.TempDir(), t.TempDir()
	write := func(dir, name string, text []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, text, mode))
		return path
	}
	segment := write(shm, "prices", make([]byte, 5000), 0o640)
	mapped := write(shm, "mapped", make([]byte, 4096), 0o600)
	write(shm, "sem.jobs", binary.NativeEndian.AppendUint64(make([]byte, 0, 32), 3|2<<32)[:32], 0o600)
	write(shm, "sem.other", make([]byte, 16), 0o600)
	write(mqueue, "orders", []byte("QSIZE:129       NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n"), 0o600)
	write(mqueue, "odd", []byte("nothing"), 0o600)
	check(t, os.Mkdir(filepath.Join(shm, "folder"), 0o700))
	f, err := os.Open(segment)
	check(t, err)
	defer f.Close()
	m, err := os.Open(mapped)
	check(t, err)
	memory, err := unix.Mmap(int(m.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	check(t, err)
	defer unix.Munmap(memory)
	m.Close()

	all, err := posixIn(t.Context(), shm, mqueue)
	check(t, err)
	found := map[string]PosixObject{}
	for _, o := range all.All {
		found[o.Type+o.Name] = o
	}
	if len(found) != 6 {
		t.Errorf("got %d objects, want 6: %+v", len(found), found)
	}
	for name, size := range map[string]int64{"shm/prices": 5000, "shm/mapped": 4096, "sem/jobs": 32, "sem/other": 16, "mqueue/orders": 129, "mqueue/odd": -1} {
		if o := found[name]; o.Size != size {
			t.Errorf("%s: got %d bytes, want %d", name, o.Size, size)
		}
	}
	if o := found["shm/prices"]; o.Mode != 0o640 || o.UID != os.Geteuid() || o.Modified.IsZero() {
		t.Errorf("got %+v", o)
	}
	if v := found["sem/jobs"].Value; v == nil || *v != 3 {
		t.Errorf("the semaphore has %v, want 3", v)
	}
	if v := found["sem/other"].Value; v != nil {
		t.Errorf("a semaphore of another layout has %d", *v)
	}
	for name, want := range map[string]bool{"shm/prices": true, "shm/mapped": true, "sem/jobs": false} {
		users := found[name].Users
		if got := len(users) == 1 && users[0].PID == os.Getpid(); got != want || !want && len(users) > 0 {
			t.Errorf("%s: got users %+v, want this process: %v", name, users, want)
		}
	}
	if all, err = posixIn(t.Context(), shm, filepath.Join(mqueue, "none")); err != nil || all.Complete || !strings.Contains(all.Warnings[0], "not mounted") {
		t.Errorf("without mqueue: got %+v, %v", all, err)
	}
}
