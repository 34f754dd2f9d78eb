package sysv

import (
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func init() {
	calls["Shmget"] = testShmget
	calls["Shmat"] = testShmat
	calls["ShmLarge"] = testShmLarge
	calls["ShmRemoved"] = testShmRemoved
	calls["ShmLock"] = testShmLock
	calls["ShmStat"] = testShmStat
	calls["ShmInfo"] = testShmInfo
}

// newSegment makes a segment that is removed at the end of the test.
func newSegment(t testing.TB, size uintptr, flags int) int {
	t.Helper()
	id, errno := Shmget(IPC_PRIVATE, size, flags|0o600)
	if errno != 0 {
		t.Fatal("shmget:", errno)
	}
	t.Cleanup(func() {
		if errno := Shmctl(id, IPC_RMID); errno != 0 && errno != syscall.EINVAL {
			t.Error("rmid:", errno)
		}
	})
	return id
}

// attach returns the segment's first size bytes; they are valid until the end of the test.
func attach(t *testing.T, id int, addr uintptr, flags, size int) []byte {
	t.Helper()
	p, errno := Shmat(id, addr, flags)
	skipAttach(t, errno)
	noError(t, "shmat", errno)
	t.Cleanup(func() { noError(t, "shmdt", Shmdt(p)) })
	// The kernel keeps at least size bytes mapped at p until shmdt; it is no memory of Go's.
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), size)
}

func addrOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func testShmget(t *testing.T) {
	key := testKey()
	id, errno := Shmget(key, 5000, IPC_CREAT|IPC_EXCL|0o600)
	noError(t, "shmget", errno)
	t.Cleanup(func() { Shmctl(id, IPC_RMID) })

	again, errno := Shmget(key, 0, 0)
	noError(t, "shmget of what exists", errno)
	if again != id {
		t.Errorf("got id %d, want %d", again, id)
	}
	_, errno = Shmget(key, 5000, IPC_CREAT|IPC_EXCL|0o600)
	wantErrno(t, "shmget IPC_EXCL", errno, syscall.EEXIST)
	_, errno = Shmget(key, 5001, 0)
	wantErrno(t, "shmget of too much", errno, syscall.EINVAL)
	_, errno = Shmget(IPC_PRIVATE, 0, 0o600)
	wantErrno(t, "shmget of 0 bytes", errno, syscall.EINVAL)

	noError(t, "rmid", Shmctl(id, IPC_RMID))
	got, errno := Shmget(key, 5000, 0)
	wantErrno(t, "shmget of what is removed", errno, syscall.ENOENT)
	if got != -1 {
		t.Errorf("got id %d, want -1", got)
	}
	wantErrno(t, "rmid twice", Shmctl(id, IPC_RMID), syscall.EINVAL)
}

func testShmat(t *testing.T) {
	const size = 1 << 20             // a multiple of SHMLBA on every port
	id := newSegment(t, size, 0o100) // SHM_EXEC needs the permission
	a := attach(t, id, 0, 0, size)
	b := attach(t, id, 0, SHM_RDONLY, size)
	copy(a[size-5:], "hello")
	if got := string(b[size-5:]); got != "hello" {
		t.Errorf("got %q through the second attach", got)
	}
	if addrOf(a) == addrOf(b) {
		t.Error("both attaches have one address")
	}
	nattch(t, id, 2)

	p, errno := Shmat(id, 0, SHM_EXEC)
	noError(t, "shmat SHM_EXEC", errno)
	nattch(t, id, 3)
	noError(t, "shmdt", Shmdt(p))
	nattch(t, id, 2)

	// The address of an attach: not over another one, except with SHM_REMAP.
	_, errno = Shmat(id, addrOf(a), 0)
	wantErrno(t, "shmat over an attach", errno, syscall.EINVAL)
	_, errno = Shmat(id, addrOf(a)+1, SHM_REMAP)
	wantErrno(t, "shmat at an odd address", errno, syscall.EINVAL)
	if !qemu() { // which does not know SHM_REMAP
		_, errno = Shmat(id, 0, SHM_REMAP)
		wantErrno(t, "shmat SHM_REMAP without an address", errno, syscall.EINVAL)
		other := newSegment(t, size, 0)
		p, errno := Shmat(other, addrOf(b)+1, SHM_RND|SHM_REMAP)
		noError(t, "shmat SHM_REMAP", errno)
		if p != addrOf(b) {
			t.Errorf("got address %#x, want %#x", p, addrOf(b))
		}
		if got := b[size-5]; got != 0 {
			t.Errorf("got %q from the segment that was replaced", got)
		}
		nattch(t, id, 1)
		nattch(t, other, 1)
	}

	_, errno = Shmat(-1, 0, 0)
	wantErrno(t, "shmat of no segment", errno, syscall.EINVAL)
	wantErrno(t, "shmdt of nothing", Shmdt(addrOf(a)+4096), syscall.EINVAL)
}

func nattch(t *testing.T, id int, want uint64) {
	t.Helper()
	ds, _, errno := ShmctlStat(id, IPC_STAT)
	if noError(t, "stat", errno); ds.Nattch != want {
		t.Errorf("nattch: got %d, want %d", ds.Nattch, want)
	}
}

// testShmLarge makes a segment whose size needs more than 32 bits, where addresses have them.
func testShmLarge(t *testing.T) {
	var size uint64 = 1<<31 + 12345
	if MtypeSize == 8 {
		size = 5<<30 + 12345
	} else if qemu() {
		t.Skip("qemu-user takes a size with the top bit for a negative one")
	}
	id := newSegment(t, uintptr(size), SHM_NORESERVE)
	ds, _, errno := ShmctlStat(id, IPC_STAT)
	if noError(t, "stat", errno); ds.Segsz != size {
		t.Errorf("got size %d, want %d", ds.Segsz, size)
	}
}

func testShmRemoved(t *testing.T) {
	key := testKey()
	id, errno := Shmget(key, 100, IPC_CREAT|0o600)
	noError(t, "shmget", errno)
	t.Cleanup(func() { Shmctl(id, IPC_RMID) })
	p, errno := Shmat(id, 0, 0)
	skipAttach(t, errno)
	noError(t, "shmat", errno)
	noError(t, "rmid", Shmctl(id, IPC_RMID))
	ds, _, errno := ShmctlStat(id, IPC_STAT)
	noError(t, "stat of what is removed and attached", errno)
	if modeOf(ds.Perm) != SHM_DEST|0o600 || ds.Perm.Key != IPC_PRIVATE || ds.Nattch != 1 {
		t.Errorf("got %+v, want SHM_DEST, key 0, nattch 1", ds)
	}
	noError(t, "shmdt", Shmdt(p))
	_, _, errno = ShmctlStat(id, IPC_STAT)
	if errno != syscall.EINVAL && errno != syscall.EIDRM {
		t.Errorf("stat after the last detach: got %v", errno)
	}
}

func testShmLock(t *testing.T) {
	id := newSegment(t, 4096, 0)
	if errno := Shmctl(id, SHM_LOCK); errno == syscall.ENOMEM || errno == syscall.EPERM {
		t.Skip("RLIMIT_MEMLOCK permits no locking:", errno)
	} else {
		noError(t, "lock", errno)
	}
	ds, _, errno := ShmctlStat(id, IPC_STAT)
	if noError(t, "stat", errno); modeOf(ds.Perm) != SHM_LOCKED|0o600 {
		t.Errorf("locked: got mode %#o", modeOf(ds.Perm))
	}
	noError(t, "unlock", Shmctl(id, SHM_UNLOCK))
	ds, _, errno = ShmctlStat(id, IPC_STAT)
	if noError(t, "stat", errno); modeOf(ds.Perm) != 0o600 {
		t.Errorf("unlocked: got mode %#o", modeOf(ds.Perm))
	}
}

func testShmStat(t *testing.T) {
	const size = 5000
	id := newSegment(t, size, 0)
	ds, ret, errno := ShmctlStat(id, IPC_STAT)
	noError(t, "stat", errno)
	if ret != 0 || ds.Segsz != size || ds.Atime != 0 || ds.Dtime != 0 || !recent(ds.Ctime) ||
		int(ds.Cpid) != os.Getpid() || ds.Lpid != 0 || ds.Nattch != 0 || modeOf(ds.Perm) != 0o600 {
		t.Errorf("new segment: got %+v, ret %d", ds, ret)
	}
	uid, gid := otherIDs(t)
	noError(t, "set", ShmctlSet(id, uid, gid, 0o641<<modeShift()))
	p, errno := Shmat(id, 0, 0)
	skipAttach(t, errno)
	noError(t, "shmat", errno)
	noError(t, "shmdt", Shmdt(p))
	attach(t, id, 0, 0, size)
	ds, _, errno = ShmctlStat(id, IPC_STAT)
	noError(t, "stat", errno)
	if ds.Perm.UID != uid || ds.Perm.GID != gid || modeOf(ds.Perm) != 0o641 || ds.Segsz != size ||
		!recent(ds.Atime) || !recent(ds.Dtime) || !recent(ds.Ctime) || int(ds.Lpid) != os.Getpid() || ds.Nattch != 1 {
		t.Errorf("after a change: got %+v", ds)
	}
	checkSeq(t, ds.Perm, id)
	row := procRow(t, "shm", "shmid", id)
	delete(row, "rss")
	delete(row, "swap")
	got := procPerm(map[string]int64{
		"shmid": int64(id), "size": int64(ds.Segsz), "cpid": int64(ds.Cpid), "lpid": int64(ds.Lpid), "nattch": int64(ds.Nattch),
		"atime": ds.Atime, "dtime": ds.Dtime, "ctime": ds.Ctime,
	}, ds.Perm)
	if diff := cmp.Diff(got, row); diff != "" {
		t.Errorf("IPC_STAT (-) is not /proc/sysvipc/shm (+):\n%s", diff)
	}

	t.Run("index", func(t *testing.T) {
		_, highest, errno := ShmctlInfo()
		noError(t, "info", errno)
		find(t, highest, SHM_STAT, id, ds, ShmctlStat)
		_, _, errno = ShmctlStat(highest, SHM_STAT_ANY)
		skipUnderQemu(t, "SHM_STAT_ANY", errno)
		find(t, highest, SHM_STAT_ANY, id, ds, ShmctlStat)
	})

	wantErrno(t, "set of no segment", ShmctlSet(-1, uid, gid, 0o600), syscall.EINVAL)
	ds, _, errno = ShmctlStat(-1, IPC_STAT)
	wantErrno(t, "stat of no segment", errno, syscall.EINVAL)
	if ds != (ShmidDS{}) {
		t.Errorf("stat of no segment: got %+v, want zeros", ds)
	}
}

func testShmInfo(t *testing.T) {
	const size = 1 << 20
	id := newSegment(t, size, 0)
	attach(t, id, 0, 0, size)[0] = 1
	limits, _, errno := ShmctlIPCInfo()
	noError(t, "IPC_INFO", errno)
	// 32-bit ports get the limits cut to a C long.
	fit := func(n uint64) uint64 { return min(n, uint64(^uintptr(0))) }
	want := Shminfo{
		Shmmax: fit(sysctl(t, "shmmax")[0]), Shmmin: 1, Shmmni: sysctl(t, "shmmni")[0], Shmseg: sysctl(t, "shmmni")[0],
		Shmall: fit(sysctl(t, "shmall")[0]),
	}
	if MtypeSize == 4 {
		want.Shmall, limits.Shmall = 0, 0 // cut by its lower bits
		want.Shmmax, limits.Shmmax = 0, 0
	}
	if limits != want {
		t.Errorf("limits: got %+v, want %+v", limits, want)
	}
	// Other tests make and remove segments meanwhile.
	used, highest, errno := ShmctlInfo()
	noError(t, "SHM_INFO", errno)
	pages := uint64(size / os.Getpagesize())
	if used.UsedIDs < 1 || used.Tot < pages || used.Rss < 1 || used.Rss > used.Tot || used.Swp > used.Tot || highest < 0 {
		t.Errorf("SHM_INFO: got %+v, highest index %d", used, highest)
	}
}
