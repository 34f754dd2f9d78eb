package shared

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// lateLocks are the locks of a region in which lateStructures were declared: of the directory, a
// mutex, a var, both ends of records, a document, a topic, and each stripe of a map.
func lateLocks(t testing.TB, r *Region) (all []*core.Node) {
	t.Helper()
	mustNot(t, lateStructures(r))
	core.Of(r).EachLock(core.Of(r).View.Load(), func(n *core.Node) {
		if n != &core.Of(r).View.Load().Header().Init {
			all = append(all, n)
		}
	})
	if len(all) != 1+7+8 {
		t.Fatalf("there are %d locks", len(all))
	}
	return all
}

func lateStructures(r *Region) error {
	_, e1 := MutexOf(r, "mutex")
	_, e2 := VarOf[[2]int64](r, "var")
	_, e3 := RecordsOf(r, "records", 256)
	_, e4 := DocOf[string](r, "doc", 100)
	_, e5 := TopicOf[int64](r, "topic", 4)
	_, e6 := RWMutexOf(r, "rwmutex")
	_, e7 := MapOf[int64, int64](r, "map", 4096)
	_, e8 := ChanOf[int64](r, "chan", 4) // which has no lock
	_, e9 := VarOf[int64](r, "word")
	return errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9)
}

// lateVictim writes its robust owners' TIDs into all locks, as a thread does that takes them when
// the kernel has walked the robust owners' lists.
var lateVictim = ipctest.Register("late victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	c.Check(lateStructures(r))
	second := r
	if c.Args[1] == "twice" {
		second, err = EnsureKey(context.Background(), sysvipc.Key(key), nil)
		c.Check(err)
	}
	i := 0
	core.Of(r).EachLock(core.Of(r).View.Load(), func(n *core.Node) {
		n.Word = core.RobustOwners.All[i%core.RobustOwnerCount].TID
		if i++; i%2 == 0 {
			n.Word |= core.Waiters
		}
	})
	c.Say("%d %d", core.Of(r).Slot, core.Of(second).Slot)
	c.Listen()
})

// killLate starts a victim, and kills it.
func killLate(t *testing.T, key int32, how string) (slots []int) {
	t.Helper()
	p := ipctest.Start(t, lateVictim, nil, strconv.Itoa(int(key)), how)
	for _, slot := range strings.Fields(p.Line()) {
		n, err := strconv.Atoi(slot)
		mustNot(t, err)
		slots = append(slots, n)
	}
	p.Kill()
	return slots
}

// What a late thread has locked is free again for those who come after the reaper, and those
// who sleep on it are woken.
func TestLateLocks(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"once", "twice"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			key := ipctest.Key(t)
			r, err := EnsureKey(t.Context(), sysvipc.Key(key), nil)
			mustNot(t, err)
			defer r.Close()
			locks := lateLocks(t, r)
			slots := killLate(t, key, how)
			for i, n := range locks {
				if tid := n.Word & core.TIDMask; tid == 0 || core.ThreadExists(tid) {
					t.Errorf("lock %d: %#x: it is held by nobody who is dead", i, n.Word)
				}
				if ok, _ := core.Pick().TryLock(n, 0, core.Door{}); ok {
					t.Errorf("lock %d is free before anybody has reaped", i)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m, err := MutexOf(r, "mutex")
			mustNot(t, err)
			if err := m.Lock(ctx); !errors.Is(err, ErrOwnerDied) { // its sleep reaps
				t.Fatalf("got %v, want ErrOwnerDied", err)
			}
			mustNot(t, m.MarkConsistent())
			mustNot(t, m.Unlock())
			stripes, err := MapOf[int64, int64](r, "map", 4096)
			mustNot(t, err)
			for i, n := range locks {
				if n == (*core.Node)(core.Of(r).View.Load().At(m.lock.Offset)) {
					continue
				}
				g := core.Pick()
				ok, died := g.TryLock(n, 0, core.Door{})
				at := core.Address(&n.Word) - core.Address((*uint32)(core.Of(r).View.Load().At(0)))
				swept := how == "twice" && at >= stripes.table.Offset && at < stripes.table.Offset+stripes.table.Structure.Size // by the second slot's reaper
				if !ok || !died && !swept {
					t.Errorf("lock %d: %#x: taken %t, from a dead owner %t", i, n.Word, ok, died)
				}
				if ok {
					g.Unlock(n)
				}
			}
			for _, slot := range slots {
				if word := core.Of(r).View.Load().Slot(core.Of(r).Plan, slot).Life.Word; word != 0 {
					t.Errorf("slot %d is left with %#x", slot, word)
				}
			}
		})
	}
}

// Locks with a TID of a dead robust owner are left alone if they may be another thread's by now.
func TestLateLocksOfOthers(t *testing.T) {
	t.Parallel()
	alive := func(t *testing.T) uint32 { // a thread of ours, which is in no slot
		tid, end := make(chan uint32), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			tid <- uint32(unix.Gettid())
			<-end
		}()
		t.Cleanup(func() { close(end) })
		return <-tid
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, r *Region, s *core.Slot, lock *core.Node)
		free bool
	}{
		{"nobody else's", func(*testing.T, *Region, *core.Slot, *core.Node) {}, true},
		{"a thread that exists", func(t *testing.T, _ *Region, s *core.Slot, lock *core.Node) {
			s.TIDs[0] = alive(t)
			lock.Word = s.TIDs[0]
		}, false},
		{"a dead participant of another PID namespace", func(_ *testing.T, _ *Region, s *core.Slot, _ *core.Node) { s.PIDNS++ }, false},
		{"a dead participant that did not know its PID namespace", func(_ *testing.T, _ *Region, s *core.Slot, _ *core.Node) { s.PIDNS = 0 }, false},
		{"a living participant of another PID namespace", func(_ *testing.T, r *Region, s *core.Slot, lock *core.Node) {
			other := core.Of(r).View.Load().Slot(core.Of(r).Plan, 5)
			other.PIDNS, other.TIDs = 1, [4]uint32{lock.Word & core.TIDMask, 7}
			other.Life.Word = 7
		}, false},
		{"a participant of another PID namespace that has left", func(_ *testing.T, r *Region, s *core.Slot, lock *core.Node) {
			other := core.Of(r).View.Load().Slot(core.Of(r).Plan, 5)
			other.PIDNS, other.TIDs = 1, [4]uint32{lock.Word & core.TIDMask, 7}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := ipctest.Key(t)
			r, err := EnsureKey(t.Context(), sysvipc.Key(key), nil)
			mustNot(t, err)
			defer r.Close()
			lock := lateLocks(t, r)[1]
			slot := killLate(t, key, "once")[0]
			v := core.Of(r).View.Load()
			c.make(t, r, v.Slot(core.Of(r).Plan, slot), lock)
			before := atomic.LoadUint32(&lock.Word)
			if _, err := r.Reap(); err != nil {
				t.Fatal(err)
			}
			if word := atomic.LoadUint32(&lock.Word); c.free != (word == before&core.Waiters|core.OwnerDied) || !c.free && word != before {
				t.Errorf("%#x has become %#x", before, word)
			}
			v.Slot(core.Of(r).Plan, 5).Life = core.Node{}
		})
	}
}

// A process that leaves by one of two handles keeps what it holds by the other.
func TestLateLocksOfTwoHandles(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	r, err := EnsureKey(t.Context(), key, nil)
	mustNot(t, err)
	defer r.Close()
	second, err := EnsureKey(t.Context(), key, nil)
	mustNot(t, err)
	m, err := MutexOf(r, "m")
	mustNot(t, err, m.Lock(t.Context()), second.Close(), m.Unlock(), m.Lock(t.Context()), m.Unlock())
}

// A thread of which the kernel keeps the TID, since the process is a zombie, is no robust owner.
func TestRobustOwnersAreNotTheFirstThread(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, firstThread, nil)
	p.Expect("none")
	p.Finish()
}

var firstThread = ipctest.Register("first thread", func(c *ipctest.ChildEnv) {
	// Children begin on the first thread.
	runtime.LockOSThread()
	onFirst := unix.Gettid() == os.Getpid()
	runtime.UnlockOSThread()
	c.Check(core.StartRobustOwners())
	for _, g := range core.RobustOwners.All {
		if !onFirst || int(g.TID) == os.Getpid() {
			c.Say("the first thread is one")
			return
		}
	}
	c.Say("none")
})
