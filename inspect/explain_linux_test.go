package inspect

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// explains checks that a paragraph has some words, in this order.
func explains(t *testing.T, s *Snapshot, kind sysvipc.Kind, id int, words ...string) {
	t.Helper()
	text := s.Explain(object(t, s, kind, id))
	rest := text
	for _, w := range words {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			t.Errorf("got %q, want %q in it, in this order", text, w)
			return
		}
		rest = after
	}
}

// finds returns the findings of one check.
func finds(t *testing.T, s *Snapshot, check string) []Finding {
	t.Helper()
	return slices.DeleteFunc(Diagnose(s, t.TempDir()), func(f Finding) bool { return f.Check != check })
}

// A process that took without undo and died leaves a waiter, who waits for the dead. With undo, or while the holder lives,
// nobody does.
func TestWaitForDead(t *testing.T) {
	t.Parallel()
	set := newSet(t, 1)
	holder, waiter := play(t, nil), play(t, nil)
	holder.do("op %d 0 -1", set)
	waiter.do("block op %d 0 -1", set)
	ipctest.WaitBlockedOn(t, waiter.PID, ipctest.Sem, set, 1)

	s := look(t)
	// Other tests have waits for the dead, too.
	own := func(s *Snapshot) []Finding {
		return slices.DeleteFunc(finds(t, s, "dead-holder"), func(f Finding) bool { return !strings.Contains(f.Text, fmt.Sprintf("process %d ", waiter.PID)) })
	}
	if w, f := s.waitsOf(waiter.PID), own(s); len(w) != 1 || w[0].ForDead() || len(f) != 0 {
		t.Errorf("while the holder lives: got %+v, and %+v", w, f)
	}
	explains(t, s, sysvipc.KindSemaphores, set, "a semaphore set with 1 semaphore (0)", fmt.Sprintf("Process %d (", waiter.PID), "has waited",
		"to acquire 1 of semaphore 0", fmt.Sprintf("probably because of process %d (", holder.PID), "Nothing is seen to be stuck.", "in use")

	holder.Kill()
	s = look(t)
	w := s.waitsOf(waiter.PID)
	if len(w) != 1 || !w[0].ForDead() || len(w[0].Holders) != 1 || w[0].Holders[0].PID != holder.PID || !w[0].Holders[0].Ended || w[0].Cycle != 0 {
		t.Fatalf("got %+v, want a wait for process %d, which has ended", w, holder.PID)
	}
	f := own(s)
	give := fmt.Sprintf("sysvipc sem give sem:%d -n 0 --by 1", set)
	if len(f) != 1 || !strings.Contains(f[0].Remedy, give) || !strings.Contains(f[0].Text, fmt.Sprintf("process %d operated on semaphore 0 last, and has ended", holder.PID)) {
		t.Errorf("got %+v, want one with %q", f, give)
	}
	explains(t, s, sysvipc.KindSemaphores, set, fmt.Sprintf("Process %d, which operated on semaphore 0 last", holder.PID), "has ended.", "it waits for the dead, probably",
		"Nothing that is seen ends this by itself.", give)
}

// A client waits for the answer of a server that was killed and has left its request, as under fakeroot; another one waits
// for the client. A receiver of which no sender is missing waits for the next one.
func TestWaitForDeadServer(t *testing.T) {
	t.Parallel()
	requests, answers, lock := newQueue(t), newQueue(t), newSet(t, 1)
	server, client, other := play(t, nil), play(t, nil), play(t, nil)
	client.do("send %d 1", requests)
	server.do("recv %d", requests)
	server.do("send %d 1", answers)
	client.do("recv %d", answers)
	client.do("op %d 0 -1", lock)
	server.Kill()
	client.do("block recv %d any 0", answers)
	ipctest.WaitBlockedOn(t, client.PID, ipctest.Msg, answers, 1)
	if w := look(t).waitsOf(client.PID); len(w) != 1 || w[0].ForDead() {
		t.Errorf("with no request left: got %+v", w)
	}
	other.do("send %d 1", requests)
	other.do("block op %d 0 -1", lock)
	ipctest.WaitBlockedOn(t, other.PID, ipctest.Sem, lock, 1)
	s := look(t)
	left := fmt.Sprintf("process %d sent last, left messages on msg:%d, and has ended", server.PID, requests)
	if f := finds(t, s, "dead-holder"); !slices.ContainsFunc(f, func(f Finding) bool {
		return strings.HasSuffix(f.Text, left) && f.Remedy == fmt.Sprintf("start the server again, or end process %d", client.PID)
	}) {
		t.Errorf("got %+v", f)
	}
	explains(t, s, sysvipc.KindQueue, answers, "waits for an answer of the dead, probably, since "+left, "start the server again")
	explains(t, s, sysvipc.KindSemaphores, lock, fmt.Sprintf("because of process %d (", client.PID), fmt.Sprintf("itself waits on msg:%d because of process %d", answers, server.PID),
		"Nothing that is seen ends this by itself.")
}

// A ring is named whole, and so is the chain from a waiter to the process that all wait for.
func TestExplainWaits(t *testing.T) {
	t.Parallel()
	first, second := newSet(t, 1), newSet(t, 1)
	a, b, c := play(t, nil), play(t, nil), play(t, nil)
	a.do("op %d 0 -1", first)
	b.do("op %d 0 -1", second)
	b.do("block op %d 0 -1", first)
	c.do("block op %d 0 -1", second)
	for p, set := range map[*player]int{b: first, c: second} {
		ipctest.WaitBlockedOn(t, p.PID, ipctest.Sem, set, 1)
	}
	explains(t, look(t), sysvipc.KindSemaphores, second, fmt.Sprintf("because of process %d (", b.PID),
		fmt.Sprintf("itself waits on sem:%d because of process %d (", first, a.PID))

	a.do("block op %d 0 -1", second)
	ipctest.WaitBlockedOn(t, a.PID, ipctest.Sem, second, 1)
	explains(t, look(t), sysvipc.KindSemaphores, first, "It is a deadlock, probably",
		fmt.Sprintf("process %d on sem:%d", min(a.PID, b.PID), map[bool]int{true: second, false: first}[a.PID < b.PID]), "wait for one another")
	if f := finds(t, look(t), "deadlock"); !slices.ContainsFunc(f, func(f Finding) bool { return strings.HasSuffix(f.Remedy, fmt.Sprint("kill ", min(a.PID, b.PID))) }) {
		t.Errorf("got %+v, want one that ends process %d", f, min(a.PID, b.PID))
	}
}

// Of a queue a paragraph says what stands in it, and of which types a receiver gets none.
func TestExplainQueue(t *testing.T) {
	t.Parallel()
	queue := newQueue(t)
	explains(t, look(t), sysvipc.KindQueue, queue, "a queue with 0 messages", "No process has sent to it yet.", "No thread is seen to wait on it.")
	p := play(t, nil)
	p.do("send %d 3", queue)
	p.do("send %d 9", queue)
	p.do("block recv %d of 5", queue)
	ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, queue, 1)
	explains(t, look(t), sysvipc.KindQueue, queue, "2 messages", "sent to it last", "is alive", "to receive type 5: it is stuck", "type 3 and 9", "in use")
	p.Kill()
	explains(t, lookAt(t, view(t)), sysvipc.KindQueue, queue, "has ended", "No thread is seen to wait on it.")
}

// Of a sender that waits a paragraph says that the queue is full, and how to make room; of a receiver, that no message is there.
func TestExplainFullQueue(t *testing.T) {
	t.Parallel()
	full, empty := newQueue(t), newQueue(t)
	if err := sysvipc.QueueByID(full).SetMaxBytes(10); err != nil {
		t.Fatal(err)
	}
	if _, err := sysvipc.QueueByID(full).TrySend(1, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	sender, receiver := play(t, nil), play(t, nil)
	sender.do("block send %d 9 4", full)
	receiver.do("block recv %d any 0", empty)
	ipctest.WaitBlockedOn(t, sender.PID, ipctest.Msg, full, 1)
	ipctest.WaitBlockedOn(t, receiver.PID, ipctest.Msg, empty, 1)
	s := look(t)
	explains(t, s, sysvipc.KindQueue, full, "8 of 10 bytes", "to send 4 bytes of type 9: the queue has no room for it, and no process is seen that receives",
		fmt.Sprintf(`To make room, receive ("sysvipc msg recv msg:%d"`, full), fmt.Sprintf("sysvipc set msg:%d --qbytes N", full))
	explains(t, s, sysvipc.KindQueue, empty, "to receive any type: the queue has no such message, and no process is seen that sends one")
}

// Old users of a removed segment and new ones of its key do not share memory, which both paragraphs and doctor say.
func TestGenerations(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	p := play(t, nil)
	old := p.do("shm %d 100", int32(key))
	p.do("attach %d", old)
	explains(t, look(t), sysvipc.KindSegment, old, "a segment of 100 bytes, with the key "+key.String(), "1 process has it attached", "It is in use")
	if err := sysvipc.SegmentByID(old).Remove(); err != nil {
		t.Fatal(err)
	}
	s := look(t)
	if g := s.Generations; slices.ContainsFunc(g, func(g Generation) bool { return g.Removed.ID == old }) || object(t, s, sysvipc.KindSegment, old).FormerKey != key {
		t.Errorf("got %+v with nothing but the removed one", g)
	}
	current := newSegment(t, key, 100)
	s = look(t)
	explains(t, s, sysvipc.KindSegment, old, "It is removed", "Its key was "+key.String()+", which shm:"+fmt.Sprint(current))
	explains(t, s, sysvipc.KindSegment, current, "No process has it attached", fmt.Sprintf("An older segment with this key, shm:%d,", old))
	if f := finds(t, s, "generations"); !slices.ContainsFunc(f, func(f Finding) bool {
		return strings.Contains(f.Text, fmt.Sprintf("shm:%d is removed and still used, and shm:%d has its key", old, current))
	}) {
		t.Errorf("got %+v", f)
	}
	p.do("detach")
	if f := finds(t, look(t), "generations"); slices.ContainsFunc(f, func(f Finding) bool { return strings.Contains(f.Text, key.String()) }) {
		t.Errorf("without an old user: got %+v", f)
	}
}

// The sets of a server that was killed stay candidates, since its user has processes: doctor names them together, with the
// command. Those of a living server are not among them.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	server, living := play(t, nil), play(t, nil)
	first, second, other := server.do("sem 0 1"), server.do("sem 0 1"), living.do("sem 0 1")
	for _, id := range []int{first, second, other} {
		ipctest.RemoveLater(t, ipctest.Sem, id)
	}
	seen := view(t, server.PID, living.PID)
	if f := finds(t, lookAt(t, seen), "abandoned"); len(f) != 0 {
		t.Errorf("while it lives: got %+v", f)
	}
	server.Kill()
	s := lookAt(t, seen)
	for i := range s.Objects {
		// From a PID namespace of its own no process can know that it sees all.
		if v := &s.Objects[i].Verdict; v.Class == Unknown && v.Rule == 4 && !ipctest.FirstPIDNamespace() {
			*v = Verdict{Class: Candidate, Rule: 11}
		}
	}
	f := finds(t, s, "abandoned")
	want := fmt.Sprintf("sem:%d and sem:%d", first, second)
	if len(f) != 1 || !strings.HasSuffix(f[0].Text, want) || !strings.Contains(f[0].Remedy, "sysvipc gc --include candidate --owner ") {
		t.Errorf("got %+v, want one that ends with %q", f, want)
	}
}

// What a clock's segment lets everybody do is no finding.
func TestClockMode(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	for _, key := range []sysvipc.Key{0x4e545032, sysvipc.Key(ipctest.Key(t))} {
		seg, err := sysvipc.CreateSegment(key, 96, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		ipctest.RemoveLater(t, ipctest.Shm, seg.ID())
		if err := seg.Chmod(0o666); err != nil {
			t.Fatal(err)
		}
		f := finds(t, look(t), "world-writable")
		if clock := key == 0x4e545032; clock != (len(f) == 0) || !clock && strings.Contains(f[0].Text, "2 objects") {
			t.Errorf("with key %v: got %+v", key, f)
		}
	}
}

// What is said to be behind an error is what the kernel answers so.
func TestExplainErrno(t *testing.T) {
	t.Parallel()
	said := func(errno string) string {
		lim, err := sysvipc.ReadLimits()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(ExplainErrno(lim, errno), "\n")
	}
	for _, errno := range Errnos() {
		if said(errno) == "" || said(strings.ToLower(errno)) != said(errno) {
			t.Errorf("%s is not explained", errno)
		}
	}
	if ExplainErrno(sysvipc.Limits{}, "EXDEV") != nil {
		t.Error("EXDEV is explained")
	}

	set := sysvipc.SemaphoresByID(newSet(t, 32767))
	if err := set.Do(t.Context(), sysvipc.Add(0, 1)); !isErrno(err, syscall.ERANGE) || !strings.Contains(said("ERANGE"), "32767 (SEMVMX)") {
		t.Errorf("one beyond SEMVMX: got %v", err)
	}
	p := play(t, nil)
	if answer := p.do("noroom %d", newSegment(t, sysvipc.Private, 1<<20)); answer != int(syscall.ENOMEM) || !strings.Contains(said("ENOMEM"), "ulimit -v") {
		t.Errorf("an attach without address space: got errno %d", answer)
	}
	if nobody := 65534; ipctest.CanBecome(nobody) == nil {
		stranger := play(t, &ipctest.Options{UID: nobody})
		if answer := stranger.do("remove %d", newQueue(t)); answer != int(syscall.EPERM) || !strings.Contains(said("EPERM"), "IPC_RMID") {
			t.Errorf("a stranger removes a queue: got errno %d", answer)
		}
	}
}

func isErrno(err error, errno syscall.Errno) bool {
	got, ok := errnoOf(err)
	return ok && got == errno
}

// Ages have one unit.
func TestExplainSince(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	e := explanation{Snapshot: &Snapshot{Time: now}}
	for d, want := range map[time.Duration]string{-1: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 47 * time.Hour: "47 h", 49 * time.Hour: "2 days"} {
		if got := e.since(now.Add(-d)); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
