package inspect

import (
	"fmt"
	"os"
	"slices"
	"strconv"
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
