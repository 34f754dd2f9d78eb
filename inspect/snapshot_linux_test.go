package inspect

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Every mapping counts as the kernel counts them, also of a segment that is removed.
func TestAttached(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	id := newSegment(t, key, 3*4096-1)
	a, b := play(t, nil), play(t, nil)
	a.do("attach %d", id)
	a.do("attach %d readonly", id)
	b.do("attach %d", id)
	b.do("split")
	check := func(s *Snapshot, destroyed bool) {
		t.Helper()
		o := object(t, s, sysvipc.KindSegment, id)
		if o.Segment.Attaches != 5 || o.Explained != 5 || o.Segment.Destroyed != destroyed || len(o.Unknown) > 0 {
			t.Errorf("got %d of %d attaches explained, destroyed %v, unknown %q, want 5 of 5, %v, none", o.Explained, o.Segment.Attaches, o.Segment.Destroyed, o.Unknown, destroyed)
		}
		users := o.users(Attached)
		if len(users) != 2 {
			t.Fatalf("got users %+v, want two", users)
		}
		for i, want := range []User{{PID: a.PID, Mappings: 2, ReadOnly: 1}, {PID: b.PID, Mappings: 3, ReadOnly: 1}} {
			u := users[slices.IndexFunc(users, func(u User) bool { return u.PID == want.PID })]
			if u.Mappings != want.Mappings || u.ReadOnly != want.ReadOnly || u.Elsewhere || u.Status != Alive {
				t.Errorf("user %d: got %+v, want %+v", i, u, want)
			}
			if u.Process.UID != os.Geteuid() || u.Process.Namespace != s.Namespace || time.Since(u.Process.Started) > time.Hour {
				t.Errorf("got process %+v", u.Process)
			}
		}
		if o.Verdict.Class != InUse || o.Verdict.Rule != 1 {
			t.Errorf("got %+v, want in use by rule 1", o.Verdict)
		}
	}
	check(look(t), false)
	if err := sysvipc.SegmentByID(id).Remove(); err != nil {
		t.Fatal(err)
	}
	check(look(t), true)
}

// An attach in another namespace is none of the segment with the same ID, key and length here; one
// of a process that moved away after attaching is.
func TestAttachedElsewhere(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("needs the number of unshare(2)")
	}
	if err := exec.Command("perl", "-MIPC::SysV=shmat", "-e", "1").Run(); err != nil {
		t.Skip("needs perl:", err)
	}
	key := sysvipc.Key(ipctest.Key(t))
	id := newSegment(t, key, 4096)
	// The same in another namespace: IDs count from 0 there, so make as many as it takes.
	other := play(t, &ipctest.Options{Namespace: ipctest.Fresh})
	at := func(id int) int { return id % 32768 }
	made := other.do("shm %d 4096", key)
	for made != at(id) && made < 200 {
		made = other.do("shm 0 4096")
	}
	other.do("attach %d", made)
	if o := object(t, look(t), sysvipc.KindSegment, id); o.Explained != 0 || len(o.users(Attached)) != 0 || o.Verdict.Class == InUse {
		t.Errorf("got %d explained by %+v, want none", o.Explained, o.Users)
	}

	cmd := exec.Command("perl", "-MIPC::SysV=shmat", "-e", `$a = shmat($ARGV[0], undef, 0) or die; syscall(272, 0x08000000) == 0 or die $!; $| = 1; print "ok\n"; <STDIN>`, fmt.Sprint(id))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if n, _ := out.Read(make([]byte, 8)); n == 0 {
		t.Skip("perl may not unshare")
	}
	o := object(t, look(t), sysvipc.KindSegment, id)
	users := o.users(Attached)
	if o.Segment.Attaches != 1 || o.Explained != 0 || !slices.Equal(o.Unknown, []string{"users"}) || o.Verdict.Class != InUse {
		t.Errorf("got %d of %d explained, unknown %q, %v; want 0 of 1, users, in use", o.Explained, o.Segment.Attaches, o.Unknown, o.Verdict)
	}
	if !slices.ContainsFunc(users, func(u User) bool {
		return u.PID == cmd.Process.Pid && u.Elsewhere && strings.Contains(u.Evidence(), "another IPC namespace")
	}) {
		t.Errorf("got users %+v, want process %d, said to be elsewhere", users, cmd.Process.Pid)
	}
}

// Who made, used last, sent and received is noted, dead or alive.
func TestNoted(t *testing.T) {
	t.Parallel()
	set, queue := newSet(t, 1, 1), newQueue(t)
	p, dead := play(t, nil), play(t, nil)
	shm := p.do("shm 0 100")
	ipctest.RemoveLater(t, ipctest.Shm, shm)
	dead.do("op %d 1 -1", set)
	dead.do("send %d 7", queue)
	dead.do("attach %d", shm)
	dead.do("detach")
	p.do("recv %d", queue)
	dead.Kill()
	s := look(t)
	type note struct {
		Role   Role
		PID    int
		Status Status
	}
	notes := func(kind sysvipc.Kind, id int) (all []note) {
		for _, u := range object(t, s, kind, id).Users {
			all = append(all, note{u.Role, u.PID, u.Status})
			if u.Evidence() == "" || (u.Comm() == "") != (u.Status == Dead) {
				t.Errorf("user %+v: evidence %q, comm %q", u, u.Evidence(), u.Comm())
			}
		}
		return all
	}
	for _, c := range []struct {
		kind sysvipc.Kind
		id   int
		want []note
	}{
		{sysvipc.KindSegment, shm, []note{{Creator, p.PID, Alive}, {LastUser, dead.PID, Dead}}},
		{sysvipc.KindSemaphores, set, []note{{Operator, os.Getpid(), Alive}, {Operator, dead.PID, Dead}}},
		{sysvipc.KindQueue, queue, []note{{Sender, dead.PID, Dead}, {Receiver, p.PID, Alive}}},
	} {
		if got := notes(c.kind, c.id); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.kind, got, c.want)
		}
	}
	o := object(t, s, sysvipc.KindSemaphores, set)
	if want := []Semaphore{{Value: 1, LastPID: os.Getpid()}, {LastPID: dead.PID}}; !slices.Equal(o.Semaphores, want) {
		t.Errorf("got %+v, want %+v", o.Semaphores, want)
	}
}

// Another user sees less, says so, and takes nothing for unused.
func TestNobody(t *testing.T) {
	t.Parallel()
	set, shm, queue := newSet(t, 0), newSegment(t, sysvipc.Private, 100), newQueue(t)
	p := play(t, nil)
	p.do("attach %d", shm)
	p.do("block recv %d any 0", queue)
	ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, queue, 1)
	answer := ipctest.Start(t, nobody, &ipctest.Options{UID: ipctest.Nobody}, fmt.Sprint(shm), fmt.Sprint(set), fmt.Sprint(queue))
	answer.Expect("complete false, warnings true")
	answer.Expect(`shm 0 of 1 ["users"] in-use`)
	answer.Expect(`sem ["semaphores" "users"] unknown`)
	answer.Expect(`msg unknown or in-use true`)
	answer.Finish()
}

var nobody = ipctest.Register("nobody", func(c *ipctest.ChildEnv) {
	s, err := Take(context.Background(), &Options{MinAge: -1})
	c.Check(err)
	var id [3]int
	for i := range id {
		fmt.Sscan(c.Args[i], &id[i])
	}
	c.Say("complete %v, warnings %v", s.Complete, len(s.Warnings) > 0)
	shm, sem, msg := s.Object(sysvipc.KindSegment, id[0]), s.Object(sysvipc.KindSemaphores, id[1]), s.Object(sysvipc.KindQueue, id[2])
	c.Say("shm %d of %d %q %v", shm.Explained, shm.Segment.Attaches, shm.Unknown, shm.Verdict.Class)
	c.Say("sem %q %v", sem.Unknown, sem.Verdict.Class)
	c.Say("msg unknown or in-use %v", msg.Verdict.Class == Unknown || msg.Verdict.Class == InUse)
})

// Looking changes nothing. The namespace is the test's own, so that nobody else changes anything.
func TestChangesNothing(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	set, shm, queue := newSet(t, 0), newSegment(t, sysvipc.Private, 10000), newQueue(t)
	p := play(t, nil)
	p.do("attach %d", shm)
	p.do("send %d 7", queue)
	p.do("block recv %d of 8", queue)
	p.do("block op %d 0 -1", set)
	ipctest.WaitBlocked(t, p.PID, 2)
	before := ipctest.Snapshot()
	s := look(t)
	if len(s.Objects) != 3 || len(s.Waits) != 2 || s.Waits[0].Queued == nil && s.Waits[1].Queued == nil {
		t.Errorf("got %d objects and waits %+v, want 3 and 2 with the types on the queue", len(s.Objects), s.Waits)
	}
	for i := range s.Objects {
		if err := s.Objects[i].Unchanged(); err != nil && s.Objects[i].Set == nil {
			t.Error(err)
		}
	}
	if _, err := Namespaces(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if after := ipctest.Snapshot(); after != before {
		t.Errorf("got\n%s\nafter, and before\n%s", after, before)
	}
}
