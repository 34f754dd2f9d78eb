package inspect

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// waitsOf are the waits of some process.
func (s *Snapshot) waitsOf(pid int) (waits []Wait) {
	for _, w := range s.Waits {
		if w.PID == pid {
			waits = append(waits, w)
		}
	}
	return waits
}

// Each blocked thread is seen with what it asked for, since when, and because of whom.
func TestWaits(t *testing.T) {
	t.Parallel()
	set, queue, full := newSet(t, 3, 0, 0), newQueue(t), newQueue(t)
	if err := sysvipc.QueueByID(full).SetMaxBytes(10); err != nil {
		t.Fatal(err)
	}
	if _, err := sysvipc.QueueByID(full).TrySend(1, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		do, kind string
		id       int
		what     string
		want     Wait
	}{
		{"block recv %d any 0", ipctest.Msg, queue, "receive any type", Wait{Operation: Receive, Semaphore: -1}},
		{"block recv %d of 5", ipctest.Msg, queue, "receive type 5", Wait{Operation: Receive, Type: 5, Semaphore: -1}},
		{"block recv %d upto 5", ipctest.Msg, queue, "receive the lowest type up to 5", Wait{Operation: Receive, Type: -5, Semaphore: -1}},
		{"block recv %d except 5", ipctest.Msg, queue, "receive any type but 5", Wait{Operation: Receive, Type: 5, Except: true, Semaphore: -1}},
		{"block send %d 9 4", ipctest.Msg, full, "send 4 bytes of type 9", Wait{Operation: Send, Type: 9, Size: 4, Semaphore: -1, Holders: nil}},
		{"block op %d 0 0", ipctest.Sem, set, "semaphore 0 to become zero (0=0)", Wait{Operation: Operate, Ops: []SemaphoreOp{{Index: 0}}, Holders: []Holder{{PID: os.Getpid(), Why: "operated on semaphore 0 last"}}}},
		{"block op %d 0 -1 2 0 1 -2", ipctest.Sem, set, "acquire 2 of semaphore 1 (0-1 2=0 1-2)", Wait{
			Operation: Operate, Ops: []SemaphoreOp{{Index: 0, Delta: -1}, {Index: 2}, {Index: 1, Delta: -2}}, Semaphore: 1,
			Holders: []Holder{{PID: os.Getpid(), Why: "operated on semaphore 1 last"}},
		}},
		{"block timed %d 2", ipctest.Sem, set, "acquire 1 of semaphore 2 (2-1)", Wait{
			Operation: Operate, Ops: []SemaphoreOp{{Index: 2, Delta: -1, Undo: true}}, Semaphore: 2, Timeout: time.Hour,
			Holders: []Holder{{PID: os.Getpid(), Why: "operated on semaphore 2 last"}},
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			p := play(t, nil)
			p.do(c.do, c.id)
			ipctest.WaitBlockedOn(t, p.PID, c.kind, c.id, 1)
			s := look(t)
			waits := s.waitsOf(p.PID)
			if len(waits) != 1 {
				t.Fatalf("got %+v, want one wait", waits)
			}
			got := waits[0]
			want := c.want
			want.PID, want.ID, want.Kind = p.PID, c.id, map[string]sysvipc.Kind{ipctest.Msg: sysvipc.KindQueue, ipctest.Sem: sysvipc.KindSemaphores}[c.kind]
			ignore := []string{"TID", "Process", "Since"}
			if want.Operation == Receive {
				ignore = append(ignore, "Size")
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Wait{}), cmpopts.IgnoreFields(Wait{}, ignore...), cmpopts.IgnoreFields(Holder{}, "Process")); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if got.What() != c.what {
				t.Errorf("got %q, want %q", got.What(), c.what)
			}
			if !got.Since.IsZero() && !ago(s, got.Since, 0, time.Minute) {
				t.Errorf("got since %v, at %v", got.Since, s.Time)
			}
			o := object(t, s, got.Kind, got.ID)
			if !slices.ContainsFunc(o.users(Waiting), func(u User) bool { return u.PID == p.PID && u.TID == got.TID }) || o.Verdict.Class != InUse || o.Verdict.Rule != 2 {
				t.Errorf("got users %+v and %+v, want the waiter, and in use by rule 2", o.Users, o.Verdict)
			}
		})
	}
}

// Two processes that hold what the other waits for are a ring; who only waits for them is not in it.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	set := newSet(t, 1, 1)
	a, b, c := play(t, nil), play(t, nil), play(t, nil)
	a.do("op %d 0 -1", set)
	b.do("op %d 1 -1", set)
	a.do("block op %d 1 -1", set)
	c.do("block op %d 1 -1", set)
	for _, p := range []*player{a, c} {
		ipctest.WaitBlockedOn(t, p.PID, ipctest.Sem, set, 1)
	}
	s := look(t)
	for _, p := range []*player{a, c} {
		w := s.waitsOf(p.PID)
		if len(w) != 1 || w[0].Cycle != 0 || len(w[0].Holders) != 1 || w[0].Holders[0].PID != b.PID {
			t.Errorf("got %+v, want a wait for %d and no ring", w, b.PID)
		}
	}
	b.do("block op %d 0 -1", set)
	ipctest.WaitBlockedOn(t, b.PID, ipctest.Sem, set, 1)
	s = look(t)
	cycle := func(p *player) int { return s.waitsOf(p.PID)[0].Cycle }
	if cycle(a) == 0 || cycle(a) != cycle(b) || cycle(c) != 0 {
		t.Errorf("got cycles %d, %d and %d, want the first two the same, and 0", cycle(a), cycle(b), cycle(c))
	}
}

// What a trace has seen replaces the guess if it is certain, and stands beside it if not; one who locks by adding is waited
// for by those who wait for zero.
func TestTaken(t *testing.T) {
	t.Parallel()
	set := newSet(t, 0, 1)
	holder, acquires, zero := play(t, nil), play(t, nil), play(t, nil)
	holder.do("block op %d 1 -5", set) // it is seen, and no operator
	acquires.do("block op %d 0 -1", set)
	zero.do("block op %d 1 0", set)
	for _, p := range []*player{holder, acquires, zero} {
		ipctest.WaitBlockedOn(t, p.PID, ipctest.Sem, set, 1)
	}
	at := time.Now()
	const gone = 1<<22 + 1 // no PID
	seen := func(change func(*Taken)) *Snapshot {
		taken := Taken{ID: set, PID: holder.PID, Comm: "x", Taken: 2, Last: at, Began: at, Certain: true}
		change(&taken)
		s, err := Take(context.Background(), &Options{MinAge: -1, Taken: func(_ context.Context, ns uint64) []Taken {
			if ns != CurrentNamespace() {
				t.Errorf("asked for namespace %d", ns)
			}
			return []Taken{taken, {ID: set + 1<<20, PID: 1, Taken: 1}, {ID: set, Semaphore: 2, PID: 1, Taken: 1}, {ID: set, PID: gone, Taken: 1}}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	clock := at.Format("15:04:05")
	guess := fmt.Sprint(os.Getpid(), " false operated on semaphore 0 last; ")
	for _, test := range []struct {
		name           string
		change         func(*Taken)
		acquires, zero string // by whom, whether certain, why
	}{
		{"certain", func(*Taken) {}, fmt.Sprint(holder.PID, " true was seen taking 2 of semaphore 0 at ", clock, ", and not giving it back; "), ""},
		{"not certain", func(n *Taken) { n.Certain = false }, fmt.Sprint(holder.PID, " false was seen taking 2 of semaphore 0 since ", clock, "; ") + guess, ""},
		{"the guess is right", func(n *Taken) { n.PID, n.Certain = os.Getpid(), false }, fmt.Sprint(os.Getpid(), " false was seen taking 2 of semaphore 0 since ", clock, "; "), ""},
		{"another semaphore", func(n *Taken) { n.Semaphore = 1 }, guess, fmt.Sprint(os.Getpid(), " false operated on semaphore 1 last; ")},
		{"by adding", func(n *Taken) { n.Semaphore, n.Zero = 1, true }, guess, fmt.Sprint(holder.PID, " true was seen adding 2 to semaphore 1 at ", clock, ", and not giving it back; ")},
		{"ended", func(n *Taken) { n.PID, n.Ended = gone, true }, fmt.Sprint(gone, " true was seen taking 2 of semaphore 0 at ", clock, ", and not giving it back, and has ended; "), ""},
	} {
		s := seen(test.change)
		for _, of := range []struct {
			p    *player
			want string
		}{{acquires, test.acquires}, {zero, test.zero}} {
			if of.want == "" {
				continue
			}
			got := ""
			for _, h := range s.waitsOf(of.p.PID)[0].Holders {
				got += fmt.Sprint(h.PID, " ", h.Certain, " ", h.Why, "; ")
			}
			if got != of.want {
				t.Errorf("%s: got %q, want %q", test.name, got, of.want)
			}
		}
		o := object(t, s, sysvipc.KindSemaphores, set)
		if users := o.users(Holds); len(users) != 1 || !strings.HasPrefix(users[0].Evidence(), "seen ") {
			t.Errorf("%s: holders %+v", test.name, users)
		}
	}
	explains(t, seen(func(*Taken) {}), sysvipc.KindSemaphores, set, fmt.Sprintf(", because of process %d", holder.PID), "was seen taking 2 of semaphore 0")
}

// A receiver beside messages that it does not take is stuck.
func TestStuck(t *testing.T) {
	t.Parallel()
	queue := newQueue(t)
	for _, typ := range []int64{5, 5, 9} {
		if _, err := sysvipc.QueueByID(queue).TrySend(typ, nil); err != nil {
			t.Fatal(err)
		}
	}
	p := play(t, nil)
	p.do("block recv %d upto 4", queue)
	ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, queue, 1)
	w := look(t).waitsOf(p.PID)
	if len(w) != 1 || !w[0].Stuck() || !cmp.Equal(w[0].Queued, map[int64]int{5: 2, 9: 1}) {
		t.Errorf("got %+v, want one that is stuck beside types 5, 5 and 9", w)
	}
}

// bind has all threads of a process run on one processor.
func bind(t *testing.T, pid, cpu int) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var one unix.CPUSet
	one.Set(cpu)
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SchedSetaffinity(tid, &one); err != nil {
			t.Fatal(err)
		}
	}
}

// The age of a wait is right within half a second, whatever processor the thread ran on: the scheduler has a clock for each.
func TestSince(t *testing.T) {
	t.Parallel()
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for cpu := 0; tried < min(4, may.Count()); cpu++ {
		if may.IsSet(cpu) {
			tried++
			t.Run(fmt.Sprintf("processor %d", cpu), func(t *testing.T) {
				t.Parallel()
				sinceOn(t, cpu)
			})
		}
	}
}

func sinceOn(t *testing.T, cpu int) {
	set := newSet(t, 0)
	p := play(t, nil)
	bind(t, p.PID, cpu)
	before := time.Now()
	p.do("block op %d 0 -1", set)
	ipctest.WaitBlockedOn(t, p.PID, ipctest.Sem, set, 1)
	after := time.Now()
	time.Sleep(700 * time.Millisecond) // so that a wait that is always new would be seen
	w := look(t).waitsOf(p.PID)
	if len(w) == 1 && w[0].Since.IsZero() {
		t.Skip("the kernel does not show when threads ran last")
	}
	const off = 500 * time.Millisecond
	if len(w) != 1 || w[0].Since.Before(before.Add(-off)) || w[0].Since.After(after.Add(off)) {
		t.Errorf("got %+v, want one since between %v and %v", w, before, after)
	}
}
