//go:build linux

package sysvipc_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func wantValues(t testing.TB, set *sysvipc.SemaphoreSet, want ...int) {
	t.Helper()
	if got := must(set.Values())(t); !slices.Equal(got, want) {
		t.Errorf("values are %d, want %d", got, want)
	}
	for i, v := range want[:min(len(want), 10)] {
		if got := must(set.At(i).Value())(t); got != v {
			t.Errorf("the value of semaphore %d is %d, want %d", i, got, v)
		}
	}
}

func TestSetStat(t *testing.T) {
	t.Parallel()
	needModes(t)
	key := newKey(t)
	set := must(sysvipc.CreateSemaphores(key, 0o640, 1, 2, 3))(t)
	want := sysvipc.SemaphoreSetStat{
		Object: sysvipc.Object{
			Kind: sysvipc.KindSemaphores, ID: set.ID(), Key: key, Mode: 0o640,
			UID: os.Geteuid(), GID: os.Getegid(), CUID: os.Geteuid(), CGID: os.Getegid(),
		},
		Len: 3,
	}
	step := func(what string) {
		t.Helper()
		st := must(set.Stat())(t)
		if !recent(st.Changed) || !recent(st.Operated) {
			t.Errorf("%s: changed at %v, operated at %v", what, st.Changed, st.Operated)
		}
		want.Changed, want.Operated = st.Changed, st.Operated
		if diff := cmp.Diff(want, st); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	step("new")
	if n := must(set.Len())(t); n != 3 {
		t.Errorf("Len is %d, want 3", n)
	}
	check(t, set.Chmod(0o606))
	want.Mode = 0o606
	step("Chmod")
	wantValues(t, set, 1, 2, 3)
	if canGive() {
		check(t, set.Chown(-1, 1234))
		want.GID = 1234
		step("Chown")
	}
	if got := set.At(2).String(); got != fmt.Sprintf("semaphore 2 of set %d", set.ID()) {
		t.Error(got)
	}
}

func TestOpString(t *testing.T) {
	t.Parallel()
	for want, op := range map[string]sysvipc.Op{
		"0=0": sysvipc.WaitZero(0), "1+1": sysvipc.Add(1, 1), "2-1:undo": sysvipc.Add(2, -1).Undo(), "3=0:undo": sysvipc.Add(3, 0).Undo(),
	} {
		if got := op.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if sysvipc.Add(3, 0) != sysvipc.WaitZero(3) {
		t.Error("Add of 0 is not WaitZero")
	}
}

// The manual page's take, which is two operations in one: both happen or neither.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	set := newSet(t, 0, 3, 0)
	take := []sysvipc.Op{sysvipc.WaitZero(0), sysvipc.Add(0, 1)}
	try := func(want bool, ops ...sysvipc.Op) {
		t.Helper()
		if ok, err := set.TryDo(ops...); ok != want || err != nil {
			t.Errorf("TryDo(%v): %v, %v; want %v", ops, ok, err, want)
		}
	}
	try(true, take...)
	try(false, take...)
	try(false, sysvipc.Add(1, -1), sysvipc.Add(2, -1))
	try(false, sysvipc.Add(1, -1), sysvipc.Add(1, -1), sysvipc.Add(1, -1), sysvipc.Add(1, -1))
	wantValues(t, set, 1, 3, 0)
	// In order: what an operation gives, a later one can take.
	try(true, sysvipc.Add(2, 5), sysvipc.Add(2, -5), sysvipc.WaitZero(2), sysvipc.Add(1, -3), sysvipc.WaitZero(1), sysvipc.Add(1, 7))
	wantValues(t, set, 1, 7, 0)
	try(true, sysvipc.Add(0, -1), sysvipc.Add(0, 32767))
	wantValues(t, set, 32767, 7, 0)
	_, err := set.TryDo(sysvipc.Add(2, 1), sysvipc.Add(0, 1), sysvipc.Add(0, -1))
	wantError(t, err, "", erange...)
	wantValues(t, set, 32767, 7, 0)
	try(true, slices.Repeat([]sysvipc.Op{sysvipc.Add(2, 1)}, 500)...) // SEMOPM
	wantValues(t, set, 32767, 7, 500)
}

// Acquire takes what it asks for at once, or waits for all of it.
func TestSemaphore(t *testing.T) {
	t.Parallel()
	set := newSet(t, 5)
	sem := set.At(0)
	check(t, sem.Acquire(bg, 3))
	if ok, err := sem.TryAcquire(3); ok || err != nil {
		t.Errorf("TryAcquire of 3 of 2: %v, %v", ok, err)
	}
	if ok, err := sem.TryAcquire(2); !ok || err != nil {
		t.Errorf("TryAcquire of 2 of 2: %v, %v", ok, err)
	}
	check(t, sem.WaitZero(bg))
	check(t, sem.Release(32767))
	check(t, sem.Acquire(bg, 32767))
	wantValues(t, set, 0)
	if pid := must(sem.LastPID())(t); pid != os.Getpid() {
		t.Errorf("the last process is %d, want %d", pid, os.Getpid())
	}
	if acquire, zero, err := sem.Waiters(); acquire != 0 || zero != 0 || err != nil {
		t.Errorf("%d and %d wait, %v", acquire, zero, err)
	}
	check(t, sem.SetValue(32767))
	wantValues(t, set, 32767)
	check(t, set.SetValues(9))
	wantValues(t, set, 9)
}

// Waiters are counted by what they wait for, and of all processes.
func TestWaiters(t *testing.T) {
	t.Parallel()
	set := newSet(t, 1)
	var processes []*ipctest.Process
	for i, op := range []string{"-2", "0", "-3"} {
		p := ipctest.Start(t, waitsFor, nil, fmt.Sprint(set.ID()), op)
		ipctest.WaitBlocked(t, p.PID, 1)
		processes = append(processes, p)
		acquire, zero, err := set.At(0).Waiters()
		if want := [][2]int{{1, 0}, {1, 1}, {2, 1}}[i]; acquire != want[0] || zero != want[1] || err != nil {
			t.Errorf("%d wait for more and %d for zero, %v; want %d", acquire, zero, err, want)
		}
	}
	check(t, set.At(0).SetValue(5)) // wakes both who want to take
	processes[0].Expect("done")
	processes[2].Expect("done")
	processes[1].Expect("done")
	wantValues(t, set, 0)
}

var waitsFor = ipctest.Register("waits for", func(c *ipctest.ChildEnv) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	delta, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	c.Check(sysvipc.SemaphoresByID(id).Do(bg, sysvipc.Add(0, delta)))
	c.Say("done")
})

// The last process is the one that operated or set a value.
func TestLastPID(t *testing.T) {
	t.Parallel()
	set := newSet(t, 1, 1, 1)
	p := ipctest.Start(t, touchesEach, nil, fmt.Sprint(set.ID()))
	p.Expect("touched")
	for i, want := range []int{p.PID, p.PID, os.Getpid()} {
		if got := must(set.At(i).LastPID())(t); got != want {
			t.Errorf("semaphore %d: the last process is %d, want %d", i, got, want)
		}
	}
	p.Finish()
}

var touchesEach = ipctest.Register("touches each", func(c *ipctest.ChildEnv) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	set := sysvipc.SemaphoresByID(id)
	c.Check(set.At(0).Acquire(bg, 1))
	c.Check(set.At(1).SetValue(7))
	_, err = set.At(2).Value() // which does not count
	c.Check(err)
	c.Say("touched")
	c.Listen()
})

// Who looks at all values sees no half of an operation.
func TestValuesAreOfOneInstant(t *testing.T) {
	t.Parallel()
	set := newSet(t, 10, 20, 30)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := set.TryDo(sysvipc.Add(i, -1), sysvipc.Add((i+1)%3, 1)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 2000 {
		v := must(set.Values())(t)
		if v[0]+v[1]+v[2] != 60 {
			t.Errorf("values %d have not the sum 60", v)
		}
	}
	close(stop)
	wg.Wait()
}

// Values of large sets, too: the kernel asks for no length, and would write beyond a short slice.
func TestManySemaphores(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 1000, 31999, 32000} {
		set := newSet(t, make([]int, n)...)
		values := make([]int, n)
		for i := range values {
			values[i] = (i + n) % 32768
		}
		check(t, set.SetValues(values...))
		wantValues(t, set, values...)
		check(t, set.At(n-1).SetValue(1))
		values[n-1] = 1
		wantValues(t, set, values...)
		check(t, set.Remove())
	}
}

// With kernel.sem raised a set may have more semaphores than an operation can name.
func TestMoreSemaphoresThanIndexes(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	const n = 100_000
	ipctest.SetLimit(t, "sem", "100000 1024000000 500 32000")
	values := make([]int, n)
	for i := range values {
		values[i] = i % 32768
	}
	set := newSet(t, values...)
	wantValues(t, set, values...)
	slices.Reverse(values)
	check(t, set.SetValues(values...))
	wantValues(t, set, values...)
	last := set.At(n - 1)
	check(t, last.SetValue(77))
	if v := must(last.Value())(t); v != 77 {
		t.Errorf("the last value is %d, want 77", v)
	}
	unchanged(t, func() error { return last.Acquire(bg, 1) },
		fmt.Sprintf("acquire semaphore set %d: no such semaphore (operation 0 is on semaphore 99999: operations reach indexes up to 65535)", set.ID()), efbig...)
	check(t, set.At(65535).Acquire(bg, 1))
	unchanged(t, func() error { return set.SetValues(make([]int, n-1)...) },
		fmt.Sprintf("set the values of semaphore set %d: invalid argument (a value for each of its 100000 semaphores is needed, not 99999)", set.ID()), invalid...)
}

// undoer operates with and without undo, and ends as the test says.
var undoer = ipctest.Register("undoer", func(c *ipctest.ChildEnv) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	set := sysvipc.SemaphoresByID(id)
	// Values before: 5, 0, 5, 5, 5, 5
	c.Check(set.At(0).Undo().Acquire(bg, 3))
	c.Check(set.At(1).Undo().Release(4))
	c.Check(set.At(2).Acquire(bg, 2))
	c.Check(set.Do(bg, sysvipc.Add(3, -1).Undo(), sysvipc.Add(3, -2)))
	c.Check(set.At(4).Undo().Acquire(bg, 5))
	c.Check(set.At(4).Undo().Release(5))
	done := make(chan error)
	go func() { done <- set.At(5).Undo().Acquire(bg, 5) }() // undo is of the process, not of the goroutine
	c.Check(<-done)
	c.Say("operated")
	switch c.Listen() {
	case "panic":
		panic("as the test told it")
	case "return":
	}
})

func TestUndo(t *testing.T) {
	t.Parallel()
	for how, end := range map[string]func(*ipctest.Process){
		"killed":   func(p *ipctest.Process) { p.Kill() },
		"returned": func(p *ipctest.Process) { p.Tell("return"); _ = p.Wait() },
		"panicked": func(p *ipctest.Process) { p.Tell("panic"); _ = p.Wait() },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			set := newSet(t, 5, 0, 5, 5, 5, 5)
			p := ipctest.Start(t, undoer, nil, fmt.Sprint(set.ID()))
			p.Expect("operated")
			wantValues(t, set, 2, 4, 3, 2, 5, 0)
			end(p)
			wantValues(t, set, 5, 0, 3, 3, 5, 5)
			if pid := must(set.At(0).LastPID())(t); pid != p.PID {
				t.Errorf("the last process is %d, want %d, which undid", pid, p.PID)
			}
		})
	}
	t.Run("not below zero", func(t *testing.T) {
		t.Parallel()
		set := newSet(t, 5, 0, 5, 5, 5, 5)
		p := ipctest.Start(t, undoer, nil, fmt.Sprint(set.ID()))
		p.Expect("operated")
		check(t, set.At(1).Acquire(bg, 3)) // of the four that will be taken back
		p.Kill()
		wantValues(t, set, 5, 0, 3, 3, 5, 5)
	})
	t.Run("forgotten", func(t *testing.T) {
		t.Parallel()
		set := newSet(t, 5, 0, 5, 5, 5, 5)
		p := ipctest.Start(t, undoer, nil, fmt.Sprint(set.ID()))
		p.Expect("operated")
		check(t, set.At(0).SetValue(2))
		p.Kill()
		wantValues(t, set, 2, 0, 3, 3, 5, 5)
	})
	t.Run("all forgotten", func(t *testing.T) {
		t.Parallel()
		set := newSet(t, 5, 0, 5, 5, 5, 5)
		p := ipctest.Start(t, undoer, nil, fmt.Sprint(set.ID()))
		p.Expect("operated")
		check(t, set.SetValues(1, 1, 1, 1, 1, 1))
		p.Kill()
		wantValues(t, set, 1, 1, 1, 1, 1, 1)
	})
}

// The kernel keeps the sum of what is to be undone in 16 bits, and refuses what would pass it, with all that was asked for
// along with it.
func TestUndoLimit(t *testing.T) {
	t.Parallel()
	set := newSet(t, 32767, 0)
	sem := set.At(0)
	check(t, sem.Undo().Acquire(bg, 32767))
	check(t, sem.Release(32767)) // without undo: the sum stays
	err := set.Do(bg, sysvipc.Add(1, 1), sysvipc.Add(0, -1).Undo())
	wantError(t, err, fmt.Sprintf("sysvipc: operate on semaphore set %d: value out of range (a value would pass 32767, or the sum of what this process would undo)", set.ID()), erange...)
	wantValues(t, set, 32767, 0)
	check(t, sem.Acquire(bg, 1)) // without undo it goes
	check(t, sem.SetValue(10))   // which makes the sum 0 again
	check(t, sem.Undo().Acquire(bg, 10))
	check(t, sem.Undo().Release(10))
	wantValues(t, set, 10, 0)
}

// Undo lives on when the process becomes another program, and processes that it starts have no part in it.
func TestUndoAcrossExec(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"cat", "true"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs "+program+":", err)
		}
	}
	set := newSet(t, 1)
	p := ipctest.Start(t, becomesCat, nil, fmt.Sprint(set.ID()))
	p.Expect("taken")
	p.Tell("it is cat that says this")
	p.Expect("it is cat that says this")
	wantValues(t, set, 0)
	p.Finish()
	wantValues(t, set, 1)
}

var becomesCat = ipctest.Register("becomes cat", func(c *ipctest.ChildEnv) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	set := sysvipc.SemaphoresByID(id)
	c.Check(set.At(0).Undo().Acquire(bg, 1))
	c.Check(exec.Command("true").Run())
	if value, err := set.At(0).Value(); value != 0 || err != nil {
		c.Fatalf("when a child had ended, the value was %d, %v", value, err)
	}
	c.Say("taken")
	cat, err := exec.LookPath("cat")
	c.Check(err)
	c.Check(syscall.Exec(cat, []string{"cat"}, os.Environ()))
})
