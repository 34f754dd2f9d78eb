package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// verdict checks what a snapshot says of an object.
func verdict(t *testing.T, s *Snapshot, kind sysvipc.Kind, id int, class Class, rule int, reason string) {
	t.Helper()
	o := object(t, s, kind, id)
	if v := o.Verdict; v.Class != class || v.Rule != rule || !strings.Contains(strings.Join(v.Reasons, "\n"), reason) {
		t.Errorf("%s: got %+v, want %s by rule %d because of %q", o.Ref(), v, class, rule, reason)
	}
}

// Each row of the table, with real processes. What the other tests of waits and attaches check is not
// repeated.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const shm, sem, msg = sysvipc.KindSegment, sysvipc.KindSemaphores, sysvipc.KindQueue
	key := func() int { return int(ipctest.Key(t)) }
	p := play(t, nil)
	mine, keyed := p.do("shm 0 100"), p.do("shm %d 100", key())
	ipctest.RemoveLater(t, ipctest.Shm, mine)
	set, privateSet := p.do("sem %d 1 1", key()), p.do("sem 0 1")
	ipctest.RemoveLater(t, ipctest.Sem, privateSet)
	queue, full := p.do("msg %d", key()), p.do("msg %d", key())
	p.do("send %d 1", queue)
	p.do("recv %d", queue)
	p.do("send %d 1", full)
	used := newSegment(t, sysvipc.Private, 100)
	seen := view(t, p.PID) // all processes that matter, so that nothing is out of sight

	// unused checks what a snapshot says of a set or queue that nobody is seen to use: from a PID namespace of its own it
	// cannot know who uses it.
	first := ipctest.FirstPIDNamespace()
	unused := func(s *Snapshot, kind sysvipc.Kind, id int, class Class, rule int, reason string) {
		t.Helper()
		if !first {
			class, rule, reason = Unknown, 4, "a PID namespace of its own"
		}
		verdict(t, s, kind, id, class, rule, reason)
	}
	s := lookAt(t, seen)
	if s.Complete != first {
		t.Fatalf("complete: %v, want %v, with warnings %q", s.Complete, first, s.Warnings)
	}
	verdict(t, s, shm, mine, Unknown, 6, "which made it, is alive")
	verdict(t, s, shm, keyed, Unknown, 6, "which made it, is alive")
	verdict(t, s, sem, set, InUse, 2, "which operated on semaphore 0 last, is alive")
	verdict(t, s, sem, privateSet, InUse, 2, "which operated on semaphore 0 last, is alive")
	verdict(t, s, msg, queue, InUse, 2, "is alive")
	verdict(t, s, msg, full, InUse, 2, "which sent to it last, is alive")

	// The maker is dead, and another process has used the segment since, and lives.
	other := play(t, nil)
	other.do("attach %d", mine)
	p.Kill()
	seen = view(t, other.PID)
	s = lookAt(t, seen)
	verdict(t, s, shm, mine, InUse, 1, "attached once")
	other.do("detach")
	s = lookAt(t, seen)
	verdict(t, s, shm, mine, Unknown, 6, "which attached or detached it last, is alive")
	other.Kill()

	s = lookAt(t, seen)
	verdict(t, s, shm, mine, Candidate, 11, "processes of its owner run") // which may know its ID
	verdict(t, s, shm, keyed, Orphan, 9, "has ended")
	verdict(t, s, shm, used, Unknown, 6, "is alive")
	unused(s, sem, set, Candidate, 11, "it has a key")
	unused(s, sem, privateSet, Candidate, 11, "processes of its owner run")
	unused(s, msg, queue, Candidate, 11, "has ended")
	unused(s, msg, full, HasData, 5, "holds 1 message")

	// What is young stays, whatever else is known.
	young, err := Take(t.Context(), &Options{Proc: seen})
	if err != nil {
		t.Fatal(err)
	}
	verdict(t, young, shm, mine, Unknown, 7, "less than 1h")
	unused(young, sem, set, Unknown, 7, "less than 1h")

	// A queue may have a waiter that cannot be seen, a set cannot.
	if all := look(t); !all.Complete {
		verdict(t, all, msg, queue, Unknown, 4, "not all can be seen")
	}

	// An owner without any process: nobody is likely to know the ID.
	const noone = 4242424
	if ipctest.CanBecome(noone) != nil || !ipctest.Overrides() {
		return
	}
	for _, o := range []interface{ Chown(int, int) error }{sysvipc.SemaphoresByID(privateSet), sysvipc.SemaphoresByID(set)} {
		if err := o.Chown(noone, noone); err != nil {
			t.Fatal(err)
		}
	}
	s = lookAt(t, seen)
	// The creator is still root, who runs: that counts, too.
	unused(s, sem, privateSet, Candidate, 11, "processes of its owner run")
	unused(s, sem, set, Candidate, 11, "it has a key")
	stranger := play(t, &ipctest.Options{UID: noone})
	theirs := stranger.do("sem 0 1")
	ipctest.RemoveLater(t, ipctest.Sem, theirs)
	private := stranger.do("shm 0 100")
	ipctest.RemoveLater(t, ipctest.Shm, private)
	seen = view(t, stranger.PID)
	verdict(t, lookAt(t, seen), sem, theirs, InUse, 2, "is alive")
	friend := play(t, &ipctest.Options{UID: noone})
	stranger.Kill()
	unused(lookAt(t, view(t, friend.PID)), sem, theirs, Candidate, 11, "processes of its owner run")
	verdict(t, lookAt(t, view(t, friend.PID)), shm, private, Candidate, 11, "processes of its owner run")
	friend.Kill()
	unused(lookAt(t, view(t)), sem, theirs, Orphan, 10, "no process runs as its owner")
	verdict(t, lookAt(t, view(t)), shm, private, Orphan, 8, "no process runs as its owner")
}

// A set that nobody has operated on yet may be about to be.
func TestVerdictUninitialised(t *testing.T) {
	t.Parallel()
	p := play(t, nil)
	id := p.do("rawsem %d", ipctest.Key(t))
	seen := view(t, p.PID)
	p.Kill()
	s, err := Take(t.Context(), &Options{Proc: seen})
	if err != nil {
		t.Fatal(err)
	}
	if s.Complete {
		verdict(t, s, sysvipc.KindSemaphores, id, Unknown, 4, "no process has operated on it yet")
	}
}

// Known products are protected when nobody uses them any more.
func TestVerdictProducts(t *testing.T) {
	t.Parallel()
	p := play(t, nil)
	key := int(ipctest.Key(t))
	pg, cookie, ntp := p.do("shm %d 56", key), p.do("sem %d 1", 0x0d4d0000+key&0xffff), p.do("shm %d 96", 0x4e545031)
	pgset := p.do("sem %d 1 2 537", ipctest.Key(t))
	for _, o := range []struct {
		kind string
		id   int
	}{{ipctest.Shm, pg}, {ipctest.Sem, cookie}, {ipctest.Shm, ntp}} {
		ipctest.RemoveLater(t, o.kind, o.id)
	}
	p.Kill()
	s := look(t)
	verdict(t, s, sysvipc.KindSegment, pg, Protected, 3, "PostgreSQL")
	verdict(t, s, sysvipc.KindSemaphores, pgset, Protected, 3, "537")
	verdict(t, s, sysvipc.KindSemaphores, cookie, Protected, 3, "dmsetup udevcomplete")
	verdict(t, s, sysvipc.KindSegment, ntp, Protected, 3, "NTP")
}

// The owners of products that have no other sign.
func TestProductOwners(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"postgres": "PostgreSQL", "oracle": "Oracle", "mqm": "IBM MQ", "prdadm": "SAP", "db2inst1": "DB2", "informix": "Informix",
		"zabbix": "Zabbix", "root": "", "www-data": "", "oraclette": "", "sysadm": "SAP",
	} {
		r := recognizer{names: map[int]string{7: name, 0: ""}}
		got := ""
		if p := r.product(&Object{Object: sysvipc.Object{Kind: sysvipc.KindSemaphores, UID: 7}}); p != nil {
			got = p.Name
		}
		if got != want {
			t.Errorf("owner %s: got %q, want %q", name, got, want)
		}
	}
}

// A process with the pid of a dead creator, which started more than two seconds later, is another.
func TestReused(t *testing.T) {
	t.Parallel()
	dead := play(t, nil)
	id := dead.do("shm 0 100")
	ipctest.RemoveLater(t, ipctest.Shm, id)
	dead.Kill()
	made := time.Now()
	object(t, look(t), sysvipc.KindSegment, id)
	time.Sleep(time.Until(made.Add(3500 * time.Millisecond))) // what is tested is the time
	cmd := withPID(t, dead.PID)
	s := look(t)
	users := object(t, s, sysvipc.KindSegment, id).users(Creator)
	if len(users) != 1 || users[0].PID != cmd || users[0].Status != Reused || users[0].Comm() != "" || !strings.Contains(users[0].Evidence(), "pid was reused") {
		t.Errorf("got %+v, want process %d as reused", users, cmd)
	}
	// The clock may have been set since: then it is the same process.
	verdict(t, s, sysvipc.KindSegment, id, Unknown, 6, "or the clock was set")
	users[0].Process.kernel = true
	if !users[0].Gone() {
		t.Error("a thread of the kernel is not known to be another process")
	}
}

// withPID starts a process that has this pid, or skips the test.
func withPID(t *testing.T, pid int) int {
	t.Helper()
	for range 50 {
		// The others of this machine go on with their pids at once, lest they get those of the dead.
		const file = "/proc/sys/kernel/ns_last_pid"
		before, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strconv.Itoa(pid-1)), 0o600)
		}
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				t.Skip("needs CONFIG_CHECKPOINT_RESTORE:", err)
			}
			ipctest.SkipDenied(t, err, "pid", ipctest.CapCheckpointRestore, ipctest.CapSysAdmin)
		}
		p := play(t, nil)
		os.WriteFile(file, bytes.TrimSpace(before), 0o600)
		if p.PID == pid {
			return pid
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			t.Skip("another process has the pid")
		}
	}
	t.Skip("other processes take all pids")
	return 0
}
