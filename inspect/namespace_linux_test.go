package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A namespace is found by its processes, by an open file and by a bind mount, also when nothing else
// keeps it; and a snapshot can be taken in it. Others of this machine may have it open, or run in it, at any time: those
// that look for namespaces, and what this process forks. So what is found holds at least what this test did.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	p := play(t, &ipctest.Options{Namespace: ipctest.Fresh})
	id := p.do("shm 77 4096")
	p.do("attach %d", id)
	inode := newProcfs("/proc").namespace(p.PID, 0)

	find := func() *Namespace {
		t.Helper()
		all, err := Namespaces(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !all.All[0].Own || all.All[0].Inode != newProcfs("/proc").namespace(os.Getpid(), 0) || !slices.Contains(all.All[0].PIDs, os.Getpid()) {
			t.Errorf("got %+v first, want our own", all.All[0])
		}
		for i := range all.All {
			if all.All[i].Inode == inode {
				return &all.All[i]
			}
		}
		return nil
	}
	ns := find()
	if ns == nil || ns.Own || !slices.Contains(ns.PIDs, p.PID) {
		t.Fatalf("got %+v, want namespace %d with process %d", ns, inode, p.PID)
	}
	look := func(path string, attaches int) {
		t.Helper()
		err := WithNamespace(path, func() error {
			s := look(t)
			o := s.Object(sysvipc.KindSegment, id)
			if s.Namespace != inode || o == nil || o.Key != 77 || o.Segment.Attaches != attaches || o.Explained != attaches {
				t.Errorf("by %s: got namespace %d with %+v, want %d with segment %d, attached %d times", path, s.Namespace, o, inode, id, attaches)
			}
			return errors.New("what f returns")
		})
		if errors.Is(err, os.ErrPermission) {
			ipctest.SkipDenied(t, err, "ipc", ipctest.CapSysAdmin)
		}
		if err == nil || err.Error() != "what f returns" {
			t.Errorf("got %v, want what f returns", err)
		}
	}
	look(ns.Path, 1)

	f, err := os.Open(ns.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.Kill()
	fd := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
	if ns = find(); ns == nil || slices.Contains(ns.PIDs, p.PID) || !slices.Contains(ns.Descriptors, fd) {
		t.Fatalf("got %+v, want namespace %d kept by %s", ns, inode, fd)
	}
	look(ns.Path, 0)

	mount := filepath.Join(t.TempDir(), "a namespace")
	if err := os.WriteFile(mount, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(ns.Path, mount, "", unix.MS_BIND, ""); err != nil {
		ipctest.SkipDenied(t, err, "mnt", ipctest.CapSysAdmin)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	f.Close()
	if ns = find(); ns == nil || slices.Contains(ns.Descriptors, fd) || !slices.Contains(ns.Mounts, mount) {
		t.Fatalf("got %+v, want namespace %d kept by %s", ns, inode, mount)
	}
	look(ns.Path, 0)
	if err := unix.Unmount(mount, 0); err != nil {
		t.Fatal(err)
	}
	// Another namespace may have its number by now, but not its mount.
	if ns = find(); ns != nil && slices.Contains(ns.Mounts, mount) {
		t.Errorf("got %+v after the unmount, want none", ns)
	}
}

// What is no namespace is refused, and this process stays where it is.
func TestInNothing(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/proc/self/ns/mnt", "/dev/null", "/nonexistent"} {
		err := WithNamespace(path, func() error { t.Error("called"); return nil })
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
