//go:build linux

package sysvipc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// recent reports whether a time of the kernel, which has whole seconds, is of this test.
func recent(t time.Time) bool { return time.Since(t) < time.Minute && time.Until(t) < 2*time.Second }

func TestSegmentStat(t *testing.T) {
	t.Parallel()
	needModes(t)
	defer noForks()()
	key := newKey(t)
	seg := must(sysvipc.CreateSegment(key, 5000, 0o640))(t)
	want := sysvipc.SegmentStat{
		Object: sysvipc.Object{
			Kind: sysvipc.KindSegment, ID: seg.ID(), Key: key, Mode: 0o640,
			UID: os.Geteuid(), GID: os.Getegid(), CUID: os.Geteuid(), CGID: os.Getegid(),
		},
		Size: 5000, CreatorPID: os.Getpid(), Resident: -1, SwappedOut: -1,
	}
	st := must(seg.Stat())(t)
	if !recent(st.Changed) {
		t.Errorf("it changed at %v", st.Changed)
	}
	want.Changed = st.Changed
	if diff := cmp.Diff(want, st); diff != "" {
		t.Errorf("a new segment (-want +got):\n%s", diff)
	}

	mem := attach(t, seg, nil)
	must(mem.WriteAt(make([]byte, 5000), 0))(t)
	st = must(seg.Stat())(t)
	if !recent(st.Attached) || !st.Detached.IsZero() {
		t.Errorf("attached at %v, detached at %v", st.Attached, st.Detached)
	}
	want.Attaches, want.LastPID, want.Attached = 1, os.Getpid(), st.Attached
	if diff := cmp.Diff(want, st); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
	check(t, mem.Close())
	st = must(seg.Stat())(t)
	if !recent(st.Detached) {
		t.Errorf("detached at %v", st.Detached)
	}
	want.Attaches, want.Detached = 0, st.Detached
	if diff := cmp.Diff(want, st); diff != "" {
		t.Errorf("detached (-want +got):\n%s", diff)
	}

	// The list knows how much is in memory: the pages that were written.
	for st, err := range sysvipc.Segments() {
		check(t, err)
		if st.ID != seg.ID() {
			continue
		}
		page := int64(os.Getpagesize())
		if pages := (5000 + page - 1) / page * page; st.Resident+st.SwappedOut < pages && !ipctest.UnderQEMU() {
			t.Errorf("%d bytes are resident and %d in swap, want %d", st.Resident, st.SwappedOut, pages)
		}
		want.Resident, want.SwappedOut = st.Resident, st.SwappedOut
		if diff := cmp.Diff(want, st); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
	}
}

// Mode and owner change alone, each on its own.
func TestSegmentChange(t *testing.T) {
	t.Parallel()
	needModes(t)
	seg := newSegment(t, 10)
	before := must(seg.Stat())(t)
	want := before
	step := func(what string, err error) {
		t.Helper()
		check(t, err)
		got := must(seg.Stat())(t)
		want.Changed = got.Changed
		got.Resident, got.SwappedOut = -1, -1 // known where no mode lets this process ask, and the list tells
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	want.Mode = 0o604
	step("Chmod", seg.Chmod(0o604))
	want.Mode = 0
	step("Chmod to nothing", seg.Chmod(0))
	want.Mode = 0o777
	step("Chmod to all", seg.Chmod(0o777))
	step("Chown to nobody in particular", seg.Chown(-1, -1))
	t.Run("owner", func(t *testing.T) {
		if !canGive() {
			t.Skip("needs a user namespace with other users, to give objects away")
		}
		want.UID = 1234
		step("Chown of the user", seg.Chown(1234, -1))
		want.GID = 4321
		step("Chown of the group", seg.Chown(-1, 4321))
		want.UID, want.GID = before.UID, before.GID
		step("Chown of both", seg.Chown(before.UID, before.GID)) // as the creator
	})
}

// canGive reports whether there are users and groups to give objects to: a user namespace may have only one.
func canGive() bool { return ipctest.HasUser(1234) && ipctest.HasUser(4321) }

func TestSegmentLock(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 4096)
	if err := seg.Lock(); errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EPERM) {
		t.Skip("needs a page of RLIMIT_MEMLOCK:", err)
	} else {
		check(t, err)
	}
	needModes(t)
	st := must(seg.Stat())(t)
	if !st.Locked || st.Mode != 0o600 {
		t.Errorf("after Lock: %+v", st)
	}
	for st := range sysvipc.Segments() {
		if st.ID == seg.ID() && !st.Locked {
			t.Error("it is not listed as locked")
		}
	}
	check(t, seg.Chmod(0o400)) // leaves the lock alone
	if st := must(seg.Stat())(t); !st.Locked || st.Mode != 0o400 {
		t.Errorf("after Chmod: %+v", st)
	}
	check(t, seg.Unlock())
	if st := must(seg.Stat())(t); st.Locked {
		t.Error("after Unlock it is locked")
	}
}

// A segment may be far larger than memory, as long as it is not touched.
func TestSparseSegment(t *testing.T) {
	t.Parallel()
	if ^uint(0)>>32 == 0 {
		t.Skip("needs addresses of 64 bits")
	}
	size := int64(5<<30 + 123)
	seg, err := sysvipc.Creator{NoReserve: true}.CreateSegment(sysvipc.Private, size, 0o600)
	check(t, err)
	defer seg.Remove()
	if st := must(seg.Stat())(t); st.Size != size {
		t.Errorf("it has %d bytes, want %d", st.Size, size)
	}
	mem := attach(t, seg, nil)
	must(mem.WriteAt([]byte("the end"), size-7))(t)
	buf := make([]byte, 100)
	if n, err := mem.ReadAt(buf, size-7); string(buf[:n]) != "the end" || err == nil {
		t.Errorf("read %q, %v at the end", buf[:n], err)
	}
	must(mem.ReadAt(buf, 1<<32))(t)
	if int64(mem.Len()) != size {
		t.Errorf("the memory has %d bytes", mem.Len())
	}
}

// Huge pages, where the machine has none, are a clear error; where it has some, they work.
func TestHugePages(t *testing.T) {
	t.Parallel()
	free := 0
	sizes, err := filepath.Glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages")
	check(t, err)
	for _, file := range sizes {
		var n int
		must(fmt.Sscan(string(must(os.ReadFile(file))(t)), &n))(t)
		free += n
	}
	seg, err := sysvipc.Creator{HugePages: 1}.CreateSegment(sysvipc.Private, 100, 0o600)
	switch {
	case err == nil && free > 0:
		mem := attach(t, seg, nil)
		must(mem.WriteAt([]byte("huge"), 0))(t)
		check(t, mem.Close())
		check(t, seg.Remove())
	case err == nil:
		// The kernel finds out when a page is touched: do not.
		check(t, seg.Remove())
	case len(sizes) == 0:
		wantError(t, err, "", invalid[0])
	case errors.Is(err, syscall.ENOMEM):
		wantError(t, err, "sysvipc: create segment: cannot allocate memory (not enough free huge pages for 100 bytes: reserve them, as root, by \"sysctl vm.nr_hugepages=N\"; /proc/meminfo has their size and how many are free)", syscall.ENOMEM)
	case errors.Is(err, syscall.EPERM):
		wantError(t, err, "sysvipc: create segment: operation not permitted (huge pages need CAP_IPC_LOCK or a group in vm.hugetlb_shm_group)", syscall.EPERM)
	default:
		wantError(t, err, "sysvipc: create segment: invalid argument (this kernel offers no huge pages; see /sys/kernel/mm/hugepages)", invalid[0])
	}
}
