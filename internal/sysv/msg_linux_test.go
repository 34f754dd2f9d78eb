package sysv

import (
	"bytes"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func init() {
	calls["Msgget"] = testMsgget
	calls["MsgText"] = testMsgText
	calls["MsgTypes"] = testMsgTypes
	calls["MsgErrors"] = testMsgErrors
	calls["MsgCopy"] = testMsgCopy
	calls["MsgBlock"] = testMsgBlock
	calls["MsgInterrupt"] = testMsgInterrupt
	calls["MsgStat"] = testMsgStat
	calls["MsgInfo"] = testMsgInfo
}

// newQueue makes a queue that is removed at the end of the test.
func newQueue(t testing.TB) int {
	t.Helper()
	id, errno := Msgget(IPC_PRIVATE, 0o600)
	if errno != 0 {
		t.Fatal("msgget:", errno)
	}
	t.Cleanup(func() {
		if errno := MsgctlRmid(id); errno != 0 && errno != syscall.EINVAL {
			t.Error("rmid:", errno)
		}
	})
	return id
}

// msgbuf makes a struct msgbuf.
func msgbuf(typ int64, text string) []byte {
	b := make([]byte, MtypeSize, MtypeSize+len(text))
	PutMtype(b, typ)
	return append(b, text...)
}

func send(t *testing.T, id int, typ int64, text string) {
	t.Helper()
	noError(t, "msgsnd", MsgsndNowait(id, msgbuf(typ, text), 0))
}

// receive returns the type and text of a message.
func receive(t *testing.T, id int, typ int64, flags int) (int64, string) {
	t.Helper()
	b := make([]byte, MtypeSize+100)
	n, errno := MsgrcvNowait(id, b, typ, flags)
	noError(t, "msgrcv", errno)
	return Mtype(b), string(b[MtypeSize : MtypeSize+n])
}

func testMsgget(t *testing.T) {
	key := testKey()
	id, errno := Msgget(key, IPC_CREAT|IPC_EXCL|0o600)
	noError(t, "msgget", errno)
	t.Cleanup(func() { MsgctlRmid(id) })
	again, errno := Msgget(key, 0)
	noError(t, "msgget of what exists", errno)
	if again != id {
		t.Errorf("got id %d, want %d", again, id)
	}
	_, errno = Msgget(key, IPC_CREAT|IPC_EXCL|0o600)
	wantErrno(t, "msgget IPC_EXCL", errno, syscall.EEXIST)
	noError(t, "rmid", MsgctlRmid(id))
	got, errno := Msgget(key, 0)
	wantErrno(t, "msgget of what is removed", errno, syscall.ENOENT)
	if got != -1 {
		t.Errorf("got id %d, want -1", got)
	}
	wantErrno(t, "rmid twice", MsgctlRmid(id), syscall.EINVAL)
}

func testMsgText(t *testing.T) {
	id := newQueue(t)
	most := int(sysctl(t, "msgmax")[0])
	for _, text := range []string{"", "x", "NUL\x00inside\x00", string(bytes.Repeat([]byte("0123456789abcdef"), most/16))} {
		for _, typ := range []int64{1, 258, MaxMtype} {
			msg := msgbuf(typ, text)
			noError(t, "msgsnd", Msgsnd(id, msg, IPC_NOWAIT))
			buf := bytes.Repeat([]byte{'?'}, len(msg)+3)
			n, errno := Msgrcv(id, buf[:len(msg)], 0, IPC_NOWAIT)
			noError(t, "msgrcv", errno)
			if n != len(text) || !bytes.Equal(buf[:len(msg)], msg) || string(buf[len(msg):]) != "???" {
				t.Errorf("%d bytes of type %d: got %d bytes of type %d", len(text), typ, n, Mtype(buf))
			}
		}
	}
	wantErrno(t, "msgsnd of too much", MsgsndNowait(id, make([]byte, MtypeSize+most+1), 0), syscall.EINVAL)
}

func testMsgTypes(t *testing.T) {
	id := newQueue(t)
	want := func(typ int64, flags int, wantTyp int64, wantText string) {
		t.Helper()
		gotTyp, gotText := receive(t, id, typ, flags)
		if gotTyp != wantTyp || gotText != wantText {
			t.Errorf("msgrcv %d: got %d %q, want %d %q", typ, gotTyp, gotText, wantTyp, wantText)
		}
	}
	for i, typ := range []int64{4, 3, 2, 1, 3, 9} {
		send(t, id, typ, string(rune('a'+i)))
	}
	want(-2, 0, 1, "d")          // the lowest type up to 2
	want(3, 0, 3, "b")           // the first of type 3
	want(4, MSG_EXCEPT, 2, "c")  // the first of another type than 4
	want(0, 0, 4, "a")           // the first
	want(-MaxMtype, 0, 3, "e")   // the lowest of all
	want(-MaxMtype-1, 0, 9, "f") // the kernel takes the lowest long as well
	_, errno := MsgrcvNowait(id, make([]byte, 100), 0, 0)
	wantErrno(t, "msgrcv from an empty queue", errno, syscall.ENOMSG)
}

func testMsgErrors(t *testing.T) {
	id := newQueue(t)
	wantErrno(t, "type 0", Msgsnd(id, msgbuf(0, "x"), 0), syscall.EINVAL)
	wantErrno(t, "type -1", Msgsnd(id, msgbuf(-1, "x"), 0), syscall.EINVAL)
	wantErrno(t, "no queue", Msgsnd(-1, msgbuf(1, "x"), 0), syscall.EINVAL)
	_, errno := Msgrcv(-1, make([]byte, 100), 0, 0)
	wantErrno(t, "no queue", errno, syscall.EINVAL)

	send(t, id, 5, "hello")
	n, errno := Msgrcv(id, make([]byte, MtypeSize+4), 0, IPC_NOWAIT)
	wantErrno(t, "msgrcv of too much", errno, syscall.E2BIG)
	if n != -1 {
		t.Errorf("got %d bytes, want -1", n)
	}
	if typ, text := receive(t, id, 5, 0); typ != 5 || text != "hello" {
		t.Errorf("after E2BIG: got %d %q, want 5 hello", typ, text)
	}
	send(t, id, 5, "hello")
	b := make([]byte, MtypeSize+4)
	n, errno = Msgrcv(id, b, 0, MSG_NOERROR|IPC_NOWAIT)
	noError(t, "msgrcv MSG_NOERROR", errno)
	if n != 4 || string(b[MtypeSize:]) != "hell" {
		t.Errorf("MSG_NOERROR: got %q, want hell", b[MtypeSize:])
	}

	fillQueue(t, id)
	wantErrno(t, "full queue", Msgsnd(id, msgbuf(1, "x"), IPC_NOWAIT), syscall.EAGAIN)
	wantErrno(t, "full queue", MsgsndNowait(id, msgbuf(1, "x"), 0), syscall.EAGAIN)
}

// fillQueue sends until the queue has no room for one byte more.
func fillQueue(t *testing.T, id int) {
	t.Helper()
	noError(t, "set", MsgctlSet(id, uint32(os.Getuid()), uint32(os.Getgid()), 0o600, 1000))
	send(t, id, 1, string(make([]byte, 1000)))
}

func testMsgCopy(t *testing.T) {
	id := newQueue(t)
	send(t, id, 7, "a")
	send(t, id, 8, "b")
	b := make([]byte, MtypeSize+10)
	n, errno := MsgrcvNowait(id, b, 1, MSG_COPY)
	if errno == syscall.ENOSYS {
		t.Skip("the kernel has no CONFIG_CHECKPOINT_RESTORE")
	}
	skipUnderQemu(t, "MSG_COPY", errno)
	noError(t, "msgrcv MSG_COPY", errno)
	if n != 1 || Mtype(b) != 8 || b[MtypeSize] != 'b' {
		t.Errorf("position 1: got %d bytes, type %d, % x", n, Mtype(b), b)
	}
	_, errno = MsgrcvNowait(id, b, 2, MSG_COPY)
	wantErrno(t, "MSG_COPY after the end", errno, syscall.ENOMSG)
	_, errno = Msgrcv(id, b, 1, MSG_COPY)
	wantErrno(t, "MSG_COPY without IPC_NOWAIT", errno, syscall.EINVAL)
	ds, _, errno := MsgctlStat(id, IPC_STAT)
	if noError(t, "stat", errno); ds.Qnum != 2 {
		t.Errorf("qnum: got %d, want 2", ds.Qnum)
	}
}

func testMsgBlock(t *testing.T) {
	id := newQueue(t)
	b := make([]byte, MtypeSize+10)
	var n int
	_, received := blocked(t, func() (errno syscall.Errno) {
		n, errno = Msgrcv(id, b, 258, 0)
		return errno
	})
	send(t, id, 257, "no")
	send(t, id, 258, "yes")
	noError(t, "blocked msgrcv", received())
	if n != 3 || Mtype(b) != 258 || string(b[MtypeSize:MtypeSize+3]) != "yes" {
		t.Errorf("got %d bytes: % x", n, b)
	}
	receive(t, id, 257, 0)

	fillQueue(t, id)
	_, sent := blocked(t, func() syscall.Errno { return Msgsnd(id, msgbuf(2, "x"), 0) })
	n, errno := Msgrcv(id, make([]byte, MtypeSize+1000), 1, 0)
	noError(t, "msgrcv", errno)
	if n != 1000 {
		t.Errorf("got %d bytes, want 1000", n)
	}
	noError(t, "blocked msgsnd", sent())
	if typ, text := receive(t, id, 0, 0); typ != 2 || text != "x" {
		t.Errorf("got %d %q, want 2 x", typ, text)
	}

	// The call may come before or after the removal: EIDRM or EINVAL.
	_, removed := blocked(t, func() syscall.Errno {
		_, errno := Msgrcv(id, b, 0, 0)
		return errno
	})
	noError(t, "rmid", MsgctlRmid(id))
	if errno := removed(); errno != syscall.EIDRM && errno != syscall.EINVAL {
		t.Errorf("msgrcv of what is removed: got %v", errno)
	}
}

func testMsgInterrupt(t *testing.T) {
	id := newQueue(t)
	interrupt(t, func() syscall.Errno {
		_, errno := Msgrcv(id, make([]byte, 100), 0, 0)
		return errno
	})
	fillQueue(t, id)
	interrupt(t, func() syscall.Errno { return Msgsnd(id, msgbuf(2, "x"), 0) })
}

func testMsgStat(t *testing.T) {
	id := newQueue(t)
	stat := func() MsqidDS {
		t.Helper()
		ds, ret, errno := MsgctlStat(id, IPC_STAT)
		if noError(t, "stat", errno); ret != 0 {
			t.Errorf("stat: got %d, want 0", ret)
		}
		row := procRow(t, "msg", "msqid", id)
		pids, times := wrongMsqid()
		if pids {
			ds.Lspid, ds.Lrpid = int32(row["lspid"]), int32(row["lrpid"])
		}
		if times {
			ds.Stime, ds.Rtime, ds.Ctime = row["stime"], row["rtime"], row["ctime"]
		}
		got := procPerm(map[string]int64{
			"msqid": int64(id), "cbytes": int64(ds.Cbytes), "qnum": int64(ds.Qnum), "lspid": int64(ds.Lspid), "lrpid": int64(ds.Lrpid),
			"stime": ds.Stime, "rtime": ds.Rtime, "ctime": ds.Ctime,
		}, ds.Perm)
		if diff := cmp.Diff(got, row); diff != "" {
			t.Errorf("IPC_STAT (-) is not /proc/sysvipc/msg (+):\n%s", diff)
		}
		return ds
	}
	qbytes := sysctl(t, "msgmnb")[0]
	if ds := stat(); ds.Stime != 0 || ds.Rtime != 0 || !recent(ds.Ctime) || ds.Cbytes != 0 || ds.Qnum != 0 ||
		ds.Qbytes != qbytes || ds.Lspid != 0 || ds.Lrpid != 0 || modeOf(ds.Perm) != 0o600 {
		t.Errorf("new queue: got %+v", ds)
	}
	uid, gid := otherIDs(t)
	noError(t, "set", MsgctlSet(id, uid, gid, 0o641<<modeShift(), qbytes/2))
	for _, text := range []string{"one", "three", "sixteen"} {
		send(t, id, 1, text)
	}
	if ds := stat(); int(ds.Lspid) != os.Getpid() || ds.Lrpid != 0 || ds.Rtime != 0 || !recent(ds.Stime) || ds.Qnum != 3 || ds.Cbytes != 15 {
		t.Errorf("after msgsnd: got %+v", ds)
	}
	receive(t, id, 0, 0)
	ds := stat()
	if ds.Perm.UID != uid || ds.Perm.GID != gid || modeOf(ds.Perm) != 0o641 || ds.Qbytes != qbytes/2 ||
		!recent(ds.Rtime) || !recent(ds.Ctime) || int(ds.Lrpid) != os.Getpid() || ds.Qnum != 2 || ds.Cbytes != 12 {
		t.Errorf("after a change: got %+v", ds)
	}
	checkSeq(t, ds.Perm, id)

	t.Run("index", func(t *testing.T) {
		_, highest, errno := MsgctlInfo(MSG_INFO)
		noError(t, "info", errno)
		ds, _, errno := MsgctlStat(id, IPC_STAT)
		noError(t, "stat", errno)
		find(t, highest, MSG_STAT, id, ds, MsgctlStat)
		_, _, errno = MsgctlStat(highest, MSG_STAT_ANY)
		skipUnderQemu(t, "MSG_STAT_ANY", errno)
		find(t, highest, MSG_STAT_ANY, id, ds, MsgctlStat)
	})

	wantErrno(t, "set of no queue", MsgctlSet(-1, uid, gid, 0o600, 1), syscall.EINVAL)
	ds, _, errno := MsgctlStat(-1, IPC_STAT)
	wantErrno(t, "stat of no queue", errno, syscall.EINVAL)
	if ds != (MsqidDS{}) {
		t.Errorf("stat of no queue: got %+v, want zeros", ds)
	}
}

func testMsgInfo(t *testing.T) {
	id := newQueue(t)
	send(t, id, 1, "hello")
	limits, _, errno := MsgctlInfo(IPC_INFO)
	noError(t, "IPC_INFO", errno)
	want := []int{int(sysctl(t, "msgmax")[0]), int(sysctl(t, "msgmnb")[0]), int(sysctl(t, "msgmni")[0])}
	if got := []int{limits.Msgmax, limits.Msgmnb, limits.Msgmni}; !slices.Equal(got, want) {
		t.Errorf("limits: got %v, want %v", got, want)
	}
	// Other tests make and remove queues meanwhile.
	used, highest, errno := MsgctlInfo(MSG_INFO)
	noError(t, "MSG_INFO", errno)
	if used.Msgpool < 1 || used.Msgmap < 1 || used.Msgtql < 5 || highest < 0 || used.Msgmax != limits.Msgmax {
		t.Errorf("MSG_INFO: got %+v, highest index %d", used, highest)
	}
}
