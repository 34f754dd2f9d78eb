package sysv

import (
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func init() {
	calls["Semget"] = testSemget
	calls["SemValues"] = testSemValues
	calls["Semop"] = testSemop
	calls["SemBlock"] = testSemBlock
	calls["SemInterrupt"] = testSemInterrupt
	calls["Semtimedop"] = testSemtimedop
	calls["SemStat"] = testSemStat
	calls["SemInfo"] = testSemInfo
}

// newSet makes a set that is removed at the end of the test.
func newSet(t testing.TB, nsems int) int {
	t.Helper()
	id, errno := Semget(IPC_PRIVATE, nsems, 0o600)
	if errno != 0 {
		t.Fatal("semget:", errno)
	}
	t.Cleanup(func() {
		if errno := SemctlRmid(id); errno != 0 && errno != syscall.EINVAL {
			t.Error("rmid:", errno)
		}
	})
	return id
}

var keys atomic.Int32

// testKey returns a key that has been used for nothing else. It is negative: keys are passed with their sign.
func testKey() int32 { return -1<<31 | int32(os.Getpid())<<8&0x7fffff00 | keys.Add(1)&0xff }

func testSemget(t *testing.T) {
	key := testKey()
	id, errno := Semget(key, 2, IPC_CREAT|IPC_EXCL|0o600)
	noError(t, "semget", errno)
	t.Cleanup(func() { SemctlRmid(id) })

	again, errno := Semget(key, 0, 0)
	noError(t, "semget of what exists", errno)
	if again != id {
		t.Errorf("got id %d, want %d", again, id)
	}
	_, errno = Semget(key, 2, IPC_CREAT|IPC_EXCL|0o600)
	wantErrno(t, "semget IPC_EXCL", errno, syscall.EEXIST)
	_, errno = Semget(key, 3, 0)
	wantErrno(t, "semget of too many", errno, syscall.EINVAL)
	_, errno = Semget(IPC_PRIVATE, -1, 0o600)
	wantErrno(t, "semget of -1", errno, syscall.EINVAL)
	ds, _, errno := SemctlStat(id, IPC_STAT)
	noError(t, "stat", errno)
	if ds.Perm.Key != key {
		t.Errorf("got key %#x, want %#x", ds.Perm.Key, key)
	}

	noError(t, "rmid", SemctlRmid(id))
	got, errno := Semget(key, 2, 0)
	wantErrno(t, "semget of what is removed", errno, syscall.ENOENT)
	if got != -1 {
		t.Errorf("got id %d, want -1", got)
	}
	wantErrno(t, "rmid twice", SemctlRmid(id), syscall.EINVAL)
}

func testSemValues(t *testing.T) {
	const n = 5
	id := newSet(t, n)
	// The maximum shows a value that is passed in the wrong half of a word, or as 16 bits.
	noError(t, "setval", SemctlSetval(id, 1, 32767))
	noError(t, "setval", SemctlSetval(id, 4, 258))
	for num, want := range []int{0, 32767, 0, 0, 258} {
		got, errno := SemctlGet(id, num, GETVAL)
		if noError(t, "getval", errno); got != want {
			t.Errorf("value of %d: got %d, want %d", num, got, want)
		}
	}
	wantErrno(t, "setval 32768", SemctlSetval(id, 0, 32768), syscall.ERANGE)
	wantErrno(t, "setval -1", SemctlSetval(id, 0, -1), syscall.ERANGE)
	wantErrno(t, "setval of another", SemctlSetval(id, n, 1), syscall.EINVAL)
	_, errno := SemctlGet(id, n, GETVAL)
	wantErrno(t, "getval of another", errno, syscall.EINVAL)
	pid, errno := SemctlGet(id, 4, GETPID)
	if noError(t, "getpid", errno); pid != os.Getpid() {
		t.Errorf("got pid %d, want %d", pid, os.Getpid())
	}

	vals := []uint16{9, 9, 9, 9, 9, 9}
	noError(t, "getall", SemctlGetall(id, vals))
	if want := []uint16{0, 32767, 0, 0, 258, 9}; !slices.Equal(vals, want) {
		t.Errorf("getall: got %v, want %v", vals, want)
	}
	set := []uint16{5, 4, 300, 2, 1}
	noError(t, "setall", SemctlSetall(id, set))
	noError(t, "getall", SemctlGetall(id, vals))
	if !slices.Equal(vals[:n], set) {
		t.Errorf("getall: got %v, want %v", vals[:n], set)
	}
	wantErrno(t, "setall", SemctlSetall(id, []uint16{1, 2, 3, 4, 32768}), syscall.ERANGE)

	// More than the kernel keeps on its stack for GETALL and SETALL (256).
	const many = 300
	id = newSet(t, many)
	set, vals = make([]uint16, many), make([]uint16, many)
	for i := range set {
		set[i] = uint16(i + 1)
	}
	noError(t, "setall", SemctlSetall(id, set))
	noError(t, "getall", SemctlGetall(id, vals))
	if !slices.Equal(vals, set) {
		t.Errorf("getall of %d: got %v", many, vals)
	}
}

func testSemop(t *testing.T) {
	id := newSet(t, 3)
	for _, semop := range []func(int, []Sembuf) syscall.Errno{Semop, SemopNowait} {
		noError(t, "setall", SemctlSetall(id, []uint16{0, 1, 0}))
		// All or nothing: the last operation would block.
		wantErrno(t, "semop", semop(id, []Sembuf{
			{Num: 0, Op: 0, Flg: IPC_NOWAIT},
			{Num: 0, Op: 3, Flg: IPC_NOWAIT | SEM_UNDO},
			{Num: 2, Op: -1, Flg: IPC_NOWAIT},
		}), syscall.EAGAIN)
		noError(t, "semop", semop(id, []Sembuf{
			{Num: 0, Op: 0, Flg: IPC_NOWAIT},
			{Num: 0, Op: 3, Flg: IPC_NOWAIT | SEM_UNDO},
			{Num: 1, Op: -1, Flg: IPC_NOWAIT},
		}))
		vals := make([]uint16, 3)
		noError(t, "getall", SemctlGetall(id, vals))
		if want := []uint16{3, 0, 0}; !slices.Equal(vals, want) {
			t.Errorf("got %v, want %v", vals, want)
		}
		wantErrno(t, "semop of another semaphore", semop(id, []Sembuf{{Num: 3, Op: 1, Flg: IPC_NOWAIT}}), syscall.EFBIG)
		wantErrno(t, "semop of none", semop(id, []Sembuf{}), syscall.EINVAL)
		wantErrno(t, "semop of no set", semop(-1, []Sembuf{{Op: 1, Flg: IPC_NOWAIT}}), syscall.EINVAL)
		wantErrno(t, "semop above the maximum", semop(id, []Sembuf{{Op: 32767, Flg: IPC_NOWAIT}}), syscall.ERANGE)

		// As many operations as fit into one call, and one more.
		opm := int(sysctl(t, "sem")[2])
		ops := make([]Sembuf, opm+1)
		for i := range ops {
			ops[i] = Sembuf{Num: 2, Op: 1, Flg: IPC_NOWAIT}
		}
		noError(t, "semop of the maximum", semop(id, ops[:opm]))
		if got, _ := SemctlGet(id, 2, GETVAL); got != opm {
			t.Errorf("got %d, want %d", got, opm)
		}
		wantErrno(t, "semop of too many", semop(id, ops), syscall.E2BIG)
	}
}

// waiters waits until n threads are blocked on a semaphore.
func waiters(t *testing.T, id, semnum, cmd, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		got, errno := SemctlGet(id, semnum, cmd)
		noError(t, "getncnt or getzcnt", errno)
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %d waiters, want %d", got, n)
		}
	}
}

func testSemBlock(t *testing.T) {
	id := newSet(t, 2)
	noError(t, "setval", SemctlSetval(id, 1, 1))

	_, taken := blocked(t, func() syscall.Errno { return Semop(id, []Sembuf{{Num: 0, Op: -1}}) })
	waiters(t, id, 0, GETNCNT, 1)
	waiters(t, id, 0, GETZCNT, 0)
	noError(t, "semop", SemopNowait(id, []Sembuf{{Num: 0, Op: 1, Flg: IPC_NOWAIT}}))
	noError(t, "blocked semop", taken())

	_, zero := blocked(t, func() syscall.Errno { return Semtimedop(id, []Sembuf{{Num: 1, Op: 0}}, time.Hour) })
	waiters(t, id, 1, GETZCNT, 1)
	waiters(t, id, 1, GETNCNT, 0)
	noError(t, "semop", SemopNowait(id, []Sembuf{{Num: 1, Op: -1, Flg: IPC_NOWAIT}}))
	noError(t, "blocked semtimedop", zero())

	_, removed := blocked(t, func() syscall.Errno { return Semop(id, []Sembuf{{Num: 0, Op: -1}}) })
	waiters(t, id, 0, GETNCNT, 1)
	noError(t, "rmid", SemctlRmid(id))
	wantErrno(t, "semop of what is removed", removed(), syscall.EIDRM)
}

func testSemInterrupt(t *testing.T) {
	id := newSet(t, 1)
	interrupt(t, func() syscall.Errno { return Semop(id, []Sembuf{{Num: 0, Op: -1}}) })
	interrupt(t, func() syscall.Errno { return Semtimedop(id, []Sembuf{{Num: 0, Op: -1}}, time.Hour) })
}

func testSemtimedop(t *testing.T) {
	id := newSet(t, 1)
	take := []Sembuf{{Num: 0, Op: -1}}
	// Seconds and nanoseconds: either alone would be shorter.
	for _, timeout := range []time.Duration{0, 30 * time.Millisecond, 1050 * time.Millisecond} {
		start := time.Now()
		wantErrno(t, "semtimedop", Semtimedop(id, take, timeout), syscall.EAGAIN)
		if d := time.Since(start); d < timeout || d > timeout+10*time.Second {
			t.Errorf("timeout of %v took %v", timeout, d)
		}
	}
	wantErrno(t, "negative timeout", Semtimedop(id, take, -time.Second), syscall.EINVAL)
	wantErrno(t, "negative timeout", Semtimedop(id, take, -1), syscall.EINVAL)
	noError(t, "setval", SemctlSetval(id, 0, 2))
	noError(t, "semtimedop", Semtimedop(id, take, 0))
	noError(t, "semtimedop", Semtimedop(id, take, 1<<63-1))
	wantErrno(t, "semtimedop of none", Semtimedop(id, []Sembuf{}, 0), syscall.EINVAL)
}

func testSemStat(t *testing.T) {
	const n = 7
	id := newSet(t, n)
	ds, ret, errno := SemctlStat(id, IPC_STAT)
	noError(t, "stat", errno)
	if ret != 0 || ds.Nsems != n || ds.Otime != 0 || !recent(ds.Ctime) || modeOf(ds.Perm) != 0o600 {
		t.Errorf("new set: got %+v, ret %d", ds, ret)
	}
	uid, gid := otherIDs(t)
	noError(t, "set", SemctlSet(id, uid, gid, 0o641<<modeShift()))
	noError(t, "semop", SemopNowait(id, []Sembuf{{Num: 0, Op: 1, Flg: IPC_NOWAIT}}))
	ds, _, errno = SemctlStat(id, IPC_STAT)
	noError(t, "stat", errno)
	if ds.Perm.UID != uid || ds.Perm.GID != gid || modeOf(ds.Perm) != 0o641 || ds.Nsems != n || !recent(ds.Otime) || !recent(ds.Ctime) {
		t.Errorf("after a change: got %+v", ds)
	}
	checkSeq(t, ds.Perm, id)
	row := procRow(t, "sem", "semid", id)
	got := procPerm(map[string]int64{"semid": int64(id), "nsems": int64(ds.Nsems), "otime": ds.Otime, "ctime": ds.Ctime}, ds.Perm)
	if diff := cmp.Diff(got, row); diff != "" {
		t.Errorf("IPC_STAT (-) is not /proc/sysvipc/sem (+):\n%s", diff)
	}

	t.Run("index", func(t *testing.T) {
		_, highest, errno := SemctlInfo(SEM_INFO)
		noError(t, "info", errno)
		find(t, highest, SEM_STAT, id, ds, SemctlStat)
		_, _, errno = SemctlStat(highest, SEM_STAT_ANY)
		skipUnderQemu(t, "SEM_STAT_ANY", errno)
		find(t, highest, SEM_STAT_ANY, id, ds, SemctlStat)
	})

	wantErrno(t, "set of no set", SemctlSet(-1, uid, gid, 0o600), syscall.EINVAL)
	ds, _, errno = SemctlStat(-1, IPC_STAT)
	wantErrno(t, "stat of no set", errno, syscall.EINVAL)
	if ds != (SemidDS{}) {
		t.Errorf("stat of no set: got %+v, want zeros", ds)
	}
}

// find looks at all indexes for an object, by one of the commands that take an index.
func find[DS any](t *testing.T, highest, cmd, id int, want DS, stat func(id, cmd int) (DS, int, syscall.Errno)) {
	t.Helper()
	for i := 0; i <= highest; i++ {
		if ds, ret, errno := stat(i, cmd); errno == 0 && ret == id {
			if diff := cmp.Diff(ds, want); diff != "" {
				t.Errorf("by index (-), by id (+):\n%s", diff)
			}
			return
		} else if errno != 0 && errno != syscall.EINVAL && errno != syscall.EACCES {
			t.Fatalf("index %d, command %d: %v", i, cmd, errno)
		}
	}
	t.Errorf("command %d: id %d is not at an index up to %d", cmd, id, highest)
}

func testSemInfo(t *testing.T) {
	newSet(t, 11)
	limits, _, errno := SemctlInfo(IPC_INFO)
	noError(t, "IPC_INFO", errno)
	sys := sysctl(t, "sem") // semmsl, semmns, semopm, semmni
	if got := []uint64{uint64(limits.Semmsl), uint64(limits.Semmns), uint64(limits.Semopm), uint64(limits.Semmni)}; !slices.Equal(got, sys) {
		t.Errorf("limits: got %v, want %v", got, sys)
	}
	if limits.Semvmx != 32767 {
		t.Errorf("semvmx: got %d, want 32767", limits.Semvmx)
	}
	// Other tests make and remove sets meanwhile.
	used, highest, errno := SemctlInfo(SEM_INFO)
	noError(t, "SEM_INFO", errno)
	if used.Semusz < 1 || used.Semaem < 11 || used.Semaem < used.Semusz || highest < 0 || used.Semmsl != limits.Semmsl {
		t.Errorf("SEM_INFO: got %+v, highest index %d", used, highest)
	}
}
