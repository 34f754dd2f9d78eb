package inspect

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someMaps = `55d0c4a00000-55d0c4a02000 r--p 00000000 fe:00 123                        /usr/bin/SYSV
7fb9d6c3b000-7fb9d6c3d000 rw-s 00000000 00:01 131106                     /SYSV00001234 (deleted)
7fb9d6c3d000-7fb9d6c3e000 r--s 00002000 00:01 131106                     /SYSV00001234 (deleted)
7fb9d6c3e000-7fb9d6c3f000 rw-s 00000000 00:0f 0                          /SYSVdeadbeef (deleted)
7fb9d6c3f000-7fb9d6c40000 rw-s 00000000 fe:00 5                          /SYSV00001234 (deleted)
7fb9d6c40000-7fb9d6c41000 rw-p 00000000 00:01 5                          /SYSV00001234 (deleted)
7fb9d6c41000-7fb9d6c42000 rw-s 00000000 00:01 5                          /SYSV00001234
7fb9d6c42000-7fb9d6c43000 rw-s 00000000 00:01 5                          /SYSV0000123 (deleted)
7fb9d6c43000-7fb9d6c44000 rw-s 00000000 00:01 5                          /tmp/SYSV00001234 (deleted)
7ffe19660000-7ffe19681000 rw-p 00000000 00:00 0                          [stack]
`

func TestParseMaps(t *testing.T) {
	t.Parallel()
	var got []Mapping
	attaches([]byte(someMaps), func(m Mapping) { got = append(got, m) })
	want := []Mapping{
		{131106, 0x1234, 0x7fb9d6c3b000, 0x7fb9d6c3d000, 0, true, true},
		{131106, 0x1234, 0x7fb9d6c3d000, 0x7fb9d6c3e000, 0x2000, true, false},
		{0, -0x21524111, 0x7fb9d6c3e000, 0x7fb9d6c3f000, 0, true, true}, // 0xdeadbeef
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzParseMaps(f *testing.F) {
	f.Add([]byte(someMaps))
	f.Add([]byte("/SYSV"))
	f.Add([]byte("0-0 rw-s 0 00:01 0 /SYSV00000000 (deleted)"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		attaches(text, func(Mapping) { n++ })
		if lines := bytes.Count(text, []byte("\n")) + 1; n > lines {
			t.Errorf("%d attaches in %d lines", n, lines)
		}
	})
}

const someStat = "4026 (a) (b c) S 4025 4022 6001 0 -1 4194368 96 0 0 0 0 0 0 0 20 0 3 0 1928330 9191424 943 18446744073709551615"

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, ok := parseStat([]byte(someStat))
	want := processStat{comm: "a) (b c", state: 'S', threads: 3, started: 19283300 * time.Millisecond}
	if !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	zombie := processStat{state: 'Z', threads: 1}
	leader := processStat{state: 'Z', threads: 2}
	if !zombie.ended() || leader.ended() || got.ended() {
		t.Error("a zombie has ended, and a program whose first thread has ended has not")
	}
	for _, bad := range []string{"", "4026 (a", "4026 (a) S", strings.Replace(someStat, " 3 ", " x ", 1), strings.Replace(someStat, ") S", ") SS", 1)} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q is taken for the stat of a process", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(someStat))
	f.Add([]byte(")("))
	f.Add([]byte("Name:\tx\nUid:\t1\t2\t3\t4\nCapEff:\t00ff\nbtime 17\nse.exec_start  : 19.000001\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if st, ok := parseStat(text); ok && (st.started < 0 || st.threads < 0) {
			t.Errorf("got %+v", st)
		}
		parseBootTime(text)
		parseUIDs(text)
		parseStatusNumber(text, "CapEff:", true)
		if d, ok := parseExecStart(text); ok && d < 0 {
			t.Errorf("got %v", d)
		}
	})
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	text := []byte("Name:\tx\nTgid:\t17\nUid:\t1\t2\t3\t65534\nCapEff:\t000001fffeffffff\n")
	if got, ok := parseUIDs(text); !ok || got != [4]int{1, 2, 3, 65534} {
		t.Errorf("got users %v, %v", got, ok)
	}
	if got, ok := parseStatusNumber(text, "CapEff:", true); !ok || got != 0x1fffeffffff {
		t.Errorf("got capabilities %x, %v", got, ok)
	}
	if got, ok := parseStatusNumber(text, "Tgid:", false); !ok || got != 17 {
		t.Errorf("got Tgid %d, %v", got, ok)
	}
	if got, ok := parseBootTime([]byte("cpu  1 2\nbtime 1700000000\nprocesses 5\n")); !ok || got.Unix() != 1700000000 {
		t.Errorf("got %v, %v", got, ok)
	}
	onCPU := "4026 (a) b) S 1 " + strings.Repeat("7 ", 34) + "3 0 0\n"
	if got, ok := parseProcessor([]byte(onCPU)); !ok || got != 3 {
		t.Errorf("got processor %d, %v", got, ok)
	}
	for _, bad := range []string{"", "4026 (a) S 1", strings.Replace(onCPU, " 3 ", " x ", 1)} {
		if got, ok := parseProcessor([]byte(bad)); ok {
			t.Errorf("%q tells of processor %d", bad, got)
		}
	}
	sched := "perl (4026, #threads: 1)\n-----\nse.exec_start                                :      19283306.738370\nse.vruntime : 1.0\n"
	if got, ok := parseExecStart([]byte(sched)); !ok || got != 19283306738370 {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := parseExecStart([]byte("se.vruntime : 1.0\n")); ok {
		t.Error("got a time that is not there")
	}
}

const hexID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseCgroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, container, unit string }{
		{"0::/\n", "", ""},
		{"0::/system.slice/docker-" + hexID + ".scope\n", "docker:0123456789ab", ""},
		{"12:pids:/\n1:name=systemd:/system.slice/system-postgresql.slice/postgresql@15-main.service\n0::/x\n", "", "postgresql@15-main.service"},
		{"4:memory:/docker/" + hexID + "\n", "container:0123456789ab", ""},
		{"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + hexID + ".scope\n", "cri-containerd:0123456789ab", ""},
		{"0::/machine.slice/libpod-" + hexID + ".scope/container/app.service\n", "libpod:0123456789ab", "app.service"},
		{"0::/lxc.payload.web/init.scope", "lxc:web", "init.scope"},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service\n", "", "mine.service"},
		{"nonsense\n:\n::\n", "", ""},
	} {
		if container, unit := parseCgroup([]byte(c.text)); container != c.container || unit != c.unit {
			t.Errorf("%q: got %q, %q, want %q, %q", c.text, container, unit, c.container, c.unit)
		}
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add([]byte("0::/system.slice/docker-" + hexID + ".scope\n4:memory:/docker/" + hexID + "\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseCgroup(text) })
}

const someMounts = `22 1 0:21 / /proc rw,nosuid shared:12 - proc proc rw,hidepid=invisible
23 1 0:22 / /other\040proc rw - proc proc rw
105 24 0:4 ipc:[4026532231] /run/a\040b\134c rw shared:58 - nsfs nsfs rw
106 24 0:4 net:[4026532232] /run/netns/x rw shared:58 - nsfs nsfs rw
107 24 0:4 ipc:[x] /run/y rw - nsfs nsfs rw
nonsense - x
`

func TestParseMountinfo(t *testing.T) {
	t.Parallel()
	got := parseMountinfo([]byte(someMounts))
	if want := []mountedNamespace{{4026532231, `/run/a b\c`}}; !slices.Equal(got.namespaces, want) {
		t.Errorf("got %+v, want %+v", got.namespaces, want)
	}
	if want := map[string]string{"/proc": "invisible", "/other proc": ""}; !cmp.Equal(got.hidepid, want) {
		t.Errorf("got %v, want %v", got.hidepid, want)
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add([]byte(someMounts))
	f.Fuzz(func(_ *testing.T, text []byte) { parseMountinfo(text) })
}

func TestDecodeCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arch, text string
		want       blockedCall
	}{
		{"amd64", "70 0x28021 0x558986461730 0xa 0xfffffffffffffffd 0x2000 0x0 0x7ffe 0x7fb9", blockedCall{op: Receive, id: 0x28021, size: 10, typ: -3, flags: 0x2000, word: 8}},
		{"amd64", "220 0x7 0x1000 0x2 0x2000 0x0 0x0 0x7ffe 0x7fb9", blockedCall{op: Operate, id: 7, ops: 0x1000, nops: 2, timeout: 0x2000, word: 8}},
		{"amd64", "117 0x4 0x7 0x2 0x0 0x1000 0x2000 0x7ffe 0x7fb9", blockedCall{op: Operate, id: 7, ops: 0x1000, nops: 2, timeout: 0x2000, narrow: true, word: 4}},
		{"amd64", "401 0x7 0x1000 0xa 0xfffffffd 0x0 0x0 0x7ffe 0x7fb9", blockedCall{op: Receive, id: 7, size: 10, typ: -3, word: 4}},
		{"386", "117 0xc 0x7 0xa 0x0 0x1000 0x0 0x7ffe 0x7fb9", blockedCall{op: Receive, id: 7, size: 10, msgtyp: 0x1000, word: 4}},
		{"386", "117 0x1000c 0x7 0xa 0x0 0x1000 0xfffffffe 0x7ffe 0x7fb9", blockedCall{op: Receive, id: 7, size: 10, typ: -2, word: 4}},
		{"s390x", "117 0x4 0x7 0x1 0x2000 0x1000 0x0 0x7ffe 0x7fb9", blockedCall{op: Operate, id: 7, ops: 0x1000, nops: 1, timeout: 0x2000, word: 8}},
		{"arm64", "193 0x7 0x1000 0x1 0x0 0x0 0x0 0x7ffe 0x7fb9", blockedCall{op: Operate, id: 7, ops: 0x1000, nops: 1, word: 8}},
		{"arm", "301 0x7 0x1000 0x5 0x0 0x0 0x0 0x7ffe 0x7fb9", blockedCall{op: Send, id: 7, size: 5, msgtyp: 0x1000, word: 4}},
	} {
		nr, args, ok := parseSyscall([]byte(c.text))
		if !ok {
			t.Errorf("%q cannot be read", c.text)
			continue
		}
		if got, ok := decodeCall(c.arch, nr, args); !ok || got != c.want {
			t.Errorf("%s %q: got %+v, %v, want %+v", c.arch, c.text, got, ok, c.want)
		}
	}
	for _, text := range []string{"", "running", "-1 0x7ffe 0x7fb9", "70 0x1", "70 1 2 3 4 5 6", "70 0xx 0x1 0x1 0x1 0x1 0x1"} {
		if _, _, ok := parseSyscall([]byte(text)); ok {
			t.Errorf("%q is taken for a call", text)
		}
	}
	for _, text := range []string{"0 0x0 0x0 0x0 0x0 0x0 0x0", "70 0xffffffff 0x0 0x0 0x0 0x0 0x0", "117 0x2 0x0 0x0 0x0 0x0 0x0"} {
		nr, args, _ := parseSyscall([]byte(text))
		if c, ok := decodeCall("amd64", nr, args); ok {
			t.Errorf("%q is taken for %+v", text, c)
		}
	}
}

func FuzzParseSyscall(f *testing.F) {
	f.Add("amd64", []byte("70 0x28021 0x558986461730 0xa 0xfffffffffffffffd 0x0 0x0 0x7ffe 0x7fb9"))
	f.Add("386", []byte("117 0xc 0x7 0xa 0x0 0x1000 0x0 0x7ffe 0x7fb9"))
	f.Add("arm", []byte("running"))
	f.Fuzz(func(t *testing.T, arch string, text []byte) {
		nr, args, ok := parseSyscall(text)
		if !ok {
			return
		}
		if c, ok := decodeCall(arch, nr, args); ok && (c.op == 0 || c.id < 0 || c.nops < 0) {
			t.Errorf("got %+v", c)
		}
	})
}

func TestDecodeMemory(t *testing.T) {
	t.Parallel()
	mem := []byte{1, 0, 0xfe, 0xff, 0, 0x10, 2, 0, 0, 0, 0, 8, 9}
	if got, want := decodeSembufs(mem, binary.LittleEndian), []SemaphoreOp{{Index: 1, Delta: -2, Undo: true}, {Index: 2, NoWait: true}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	wide := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 3), 5)
	if got, ok := decodeTimespec(wide, false, binary.LittleEndian); !ok || got != 3*time.Second+5 {
		t.Errorf("got %v, %v", got, ok)
	}
	big := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 3), 5)
	if got, ok := decodeTimespec(big, false, binary.BigEndian); !ok || got != 3*time.Second+5 {
		t.Errorf("got %v, %v", got, ok)
	}
	narrow := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 3), 5)
	if got, ok := decodeTimespec(narrow, true, binary.LittleEndian); !ok || got != 3*time.Second+5 {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := decodeTimespec(narrow, false, binary.LittleEndian); ok {
		t.Error("8 bytes are taken for 16")
	}
}

func FuzzDecodeMemory(f *testing.F) {
	f.Add([]byte{1, 0, 0xfe, 0xff, 0, 0x10, 2, 0, 0, 0, 0, 8, 9, 1, 1, 1, 1, 1, 1}, true)
	f.Fuzz(func(t *testing.T, mem []byte, narrow bool) {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, op := range decodeSembufs(mem, order) {
				_ = op.String()
			}
			if d, ok := decodeTimespec(mem, narrow, order); ok && d < 0 {
				t.Errorf("got %v", d)
			}
		}
	})
}

// The operation at which a call is stuck is the first that cannot be done after those before it.
func TestStuckSemaphore(t *testing.T) {
	t.Parallel()
	sems := []Semaphore{{Value: 1}, {Value: 0}}
	for _, c := range []struct {
		ops  []SemaphoreOp
		want int
	}{
		{[]SemaphoreOp{{Index: 0, Delta: -1}, {Index: 0, Delta: -1}}, 0},
		{[]SemaphoreOp{{Index: 0, Delta: -1}, {Index: 0}, {Index: 1, Delta: -1}}, 1},
		{[]SemaphoreOp{{Index: 1, Delta: 1}, {Index: 1, Delta: -1}}, -1},
		{[]SemaphoreOp{{Index: 2, Delta: -1}}, -1},
		{nil, -1},
	} {
		if got := stuckSemaphore(c.ops, sems); got != c.want {
			t.Errorf("%v: got %d, want %d", c.ops, got, c.want)
		}
	}
}

// The ring is found in long chains, and only there.
func TestCycles(t *testing.T) {
	t.Parallel()
	const n = 10000
	wait := func(pid, holder int) Wait {
		return Wait{PID: pid, TID: pid, Holders: []Holder{{PID: holder, Self: pid == holder}}}
	}
	var s Snapshot
	for pid := 1; pid < n; pid++ {
		s.Waits = append(s.Waits, wait(pid, pid+1))
	}
	s.findCycles()
	for _, w := range s.Waits {
		if w.Cycle != 0 {
			t.Fatalf("got a ring in a chain: %+v", w)
		}
	}
	s.Waits = append(s.Waits, wait(n, n/2), wait(n+1, n+1), wait(n+2, n+3), Wait{PID: n + 3, Timeout: time.Second, Holders: []Holder{{PID: n + 2}}})
	s.findCycles()
	for _, w := range s.Waits {
		if inRing := w.PID >= n/2 && w.PID <= n; (w.Cycle != 0) != inRing {
			t.Errorf("got %+v, want it in a ring: %v", w, inRing)
		}
	}
}

// Times that cannot be are seen, and then nobody's pid is said to be reused.
func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	later := &Process{Started: now.Add(-time.Hour)}
	for _, c := range []struct {
		at    time.Time
		set   bool
		after Status
	}{
		{now.Add(-2 * time.Hour), false, Reused},
		{now.Add(-time.Hour - 1900*time.Millisecond), false, Alive},
		{now.Add(-72 * time.Hour), true, Alive},
		{now.Add(time.Minute), true, Alive},
	} {
		k := clock{boot: now.Add(-48 * time.Hour)}
		k.check(now, time.Time{}, c.at)
		if got := k.statusOf(7, later, false, true, c.at); k.set != c.set || got != c.after {
			t.Errorf("%v: got set %v, %v, want %v, %v", c.at, k.set, got, c.set, c.after)
		}
	}
	var k clock
	for want, got := range map[Status]Status{
		None: k.statusOf(0, nil, false, false, now), Hidden: k.statusOf(0, nil, false, true, now), Dead: k.statusOf(7, nil, false, true, now), Alive: k.statusOf(7, later, false, true, time.Time{}),
	} {
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if got := k.statusOf(7, nil, true, true, now); got != Hidden {
		t.Errorf("got %v for a process that cannot be seen, want hidden", got)
	}
}
