//go:build linux

package sysvipc_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/internal/sysv"
)

// handle is an object of any kind.
type handle interface {
	ID() int
	Remove() error
}

// An object by its key: made once, found after, and new under the same key once it was removed. A handle of the old one
// gets ErrRemoved, and never reaches the new one.
func TestCreateOpenEnsure(t *testing.T) {
	t.Parallel()
	type calls struct {
		create, open, ensure func(sysvipc.Key) (handle, error)
		use                  func(handle) error
	}
	for name, c := range map[string]calls{
		"segment": {
			func(k sysvipc.Key) (handle, error) { return sysvipc.CreateSegment(k, 10, 0o600) },
			func(k sysvipc.Key) (handle, error) { return sysvipc.OpenSegment(k) },
			func(k sysvipc.Key) (handle, error) { return sysvipc.EnsureSegment(k, 10, 0o600) },
			func(h handle) error { return err1(h.(*sysvipc.Segment).Stat()) },
		},
		"semaphores": {
			func(k sysvipc.Key) (handle, error) { return sysvipc.CreateSemaphores(k, 0o600, 1) },
			func(k sysvipc.Key) (handle, error) { return sysvipc.OpenSemaphores(k) },
			func(k sysvipc.Key) (handle, error) { return sysvipc.EnsureSemaphores(bg, k, 0o600, 1) },
			func(h handle) error { return h.(*sysvipc.SemaphoreSet).At(0).Release(1) },
		},
		"queue": {
			func(k sysvipc.Key) (handle, error) { return sysvipc.CreateQueue(k, 0o600) },
			func(k sysvipc.Key) (handle, error) { return sysvipc.OpenQueue(k) },
			func(k sysvipc.Key) (handle, error) { return sysvipc.EnsureQueue(k, 0o600) },
			func(h handle) error { return h.(*sysvipc.Queue).Send(bg, 1, nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			created := must(c.create(key))(t)
			opened := must(c.open(key))(t)
			ensured := must(c.ensure(key))(t)
			if opened.ID() != created.ID() || ensured.ID() != created.ID() {
				t.Errorf("made %d, opened %d, ensured %d", created.ID(), opened.ID(), ensured.ID())
			}
			for _, h := range []handle{created, opened, ensured} {
				check(t, c.use(h))
			}
			check(t, opened.Remove())

			fresh := must(c.ensure(key))(t)
			for _, h := range []handle{created, opened, ensured} {
				wantError(t, c.use(h), "", removed...)
				wantError(t, h.Remove(), "", removed...)
			}
			check(t, c.use(fresh))

			// Private makes a new one each time.
			a, b := must(c.create(sysvipc.Private))(t), must(c.create(sysvipc.Private))(t)
			if a.ID() == b.ID() {
				t.Errorf("Private gave %d twice", a.ID())
			}
			check(t, a.Remove())
			check(t, b.Remove())
		})
	}
}

const (
	racers = 24
	rounds = 20
)

// racer ensures an object of each kind under the keys that it reads, at the moment when the gate opens.
var racer = ipctest.Register("racer", func(c *ipctest.ChildEnv) {
	id, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	gate := sysvipc.SemaphoresByID(id)
	for round := 0; ; round++ {
		key, err := sysvipc.ParseKey(c.Listen())
		c.Check(err)
		c.Check(gate.At(round % 2).WaitZero(bg))
		set, err := sysvipc.EnsureSemaphores(bg, key, 0o600, 5, 0, 32767)
		c.Check(err)
		values, err := set.Values()
		c.Check(err)
		if values[0] != 5 || values[2] != 32767 {
			c.Fatalf("round %d: saw values %d", round, values)
		}
		c.Check(set.At(1).Release(1))
		seg, err := sysvipc.EnsureSegment(key, 100, 0o600)
		c.Check(err)
		q, err := sysvipc.EnsureQueue(key, 0o600)
		c.Check(err)
		c.Say("%d %d %d", set.ID(), seg.ID(), q.ID())
	}
})

// However many processes race, one object comes out of each kind, and a set's values are set once, before anybody sees it.
func TestEnsureRace(t *testing.T) {
	t.Parallel()
	gate := newSet(t, 1, 1)
	processes := make([]*ipctest.Process, racers)
	for i := range processes {
		processes[i] = ipctest.Start(t, racer, nil, fmt.Sprint(gate.ID()))
	}
	for round := range rounds {
		key := newKey(t)
		for _, p := range processes {
			p.Tell(key.String())
		}
		if round == 0 {
			ipctest.WaitBlocked(t, processes[racers-1].PID, 1)
		}
		check(t, gate.At(round%2).SetValue(0))
		first := processes[0].Line()
		for _, p := range processes[1:] {
			p.Expect(first)
		}
		check(t, gate.At(round%2).SetValue(1))

		set := must(sysvipc.OpenSemaphores(key))(t)
		if values := must(set.Values())(t); !slices.Equal(values, []int{5, racers, 32767}) {
			t.Fatalf("round %d: values are %d, want 5, %d and 32767", round, values, racers)
		}
		check(t, set.Remove())
		check(t, must(sysvipc.OpenSegment(key))(t).Remove())
		check(t, must(sysvipc.OpenQueue(key))(t).Remove())
	}
}

// The same within one process, with and without limits to one semaphore operation.
func TestEnsureRaceOfGoroutines(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 250, 251, 600} {
		values := make([]int, n)
		for i := range values {
			values[i] = i % 7
		}
		key := newKey(t)
		var wg sync.WaitGroup
		for range racers {
			wg.Go(func() {
				set, err := sysvipc.EnsureSemaphores(bg, key, 0o600, values...)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := set.Values(); err != nil || !slices.Equal(got, values) {
					t.Errorf("%d semaphores: saw %d, %v", n, got, err)
				}
			})
		}
		wg.Wait()
	}
}

// A set that exists keeps its values; it may have more semaphores than are asked for.
func TestEnsureChangesNothing(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	set := must(sysvipc.CreateSemaphores(key, 0o640, 3, 4))(t)
	check(t, set.At(0).Acquire(bg, 2))
	before := must(set.Stat())(t)
	again := must(sysvipc.EnsureSemaphores(bg, key, 0o640, 9))(t)
	if values := must(again.Values())(t); !slices.Equal(values, []int{1, 4}) {
		t.Errorf("values are %d, want 1 and 4", values)
	}
	if after := must(set.Stat())(t); after != before {
		t.Errorf("the set was %+v, and is %+v", before, after)
	}
	// Nothing but the mode counts for the other kinds.
	seg := must(sysvipc.CreateSegment(key, 100, 0o600))(t)
	if again := must(sysvipc.EnsureSegment(key, 10, 0o600))(t); again.ID() != seg.ID() || must(again.Stat())(t).Size != 100 {
		t.Errorf("a smaller size found segment %d, want %d of 100 bytes", again.ID(), seg.ID())
	}
}

// Values may be set also where the mode lets nobody alter them, and sets may have more semaphores than one call may have
// operations.
func TestCreateWithValues(t *testing.T) {
	t.Parallel()
	set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o444, 1, 2, 3))(t)
	defer set.Remove()
	if st := must(set.Stat())(t); st.Mode != 0o444 && !(ipctest.UnderQEMU() && st.Mode == 0) || st.Len != 3 || st.Operated.IsZero() {
		t.Errorf("the set is %+v, want mode 0444, and that it was operated on", st)
	}
	if values := must(set.Values())(t); !slices.Equal(values, []int{1, 2, 3}) {
		t.Errorf("values are %d", values)
	}
	for _, n := range []int{249, 250, 251, 500, 501, 5000, 32000} {
		values := make([]int, n)
		for i := range values {
			values[i] = (i*31 + 1) % 32768
		}
		set := newSet(t, values...)
		if got := must(set.Values())(t); !slices.Equal(got, values) {
			t.Errorf("of %d semaphores some have other values", n)
		}
		if must(set.Stat())(t).Operated.IsZero() {
			t.Errorf("a set of %d semaphores counts as never operated on", n)
		}
		check(t, set.Remove())
	}
	// All zero is a value, too.
	for _, n := range []int{1, 251, 501} {
		set := newSet(t, make([]int, n)...)
		if must(set.Stat())(t).Operated.IsZero() {
			t.Errorf("a set of %d zeros counts as never operated on", n)
		}
	}
}

// bareSet makes a set as a creator leaves it that is killed half way, or that is in C.
func bareSet(t testing.TB, key sysvipc.Key, n int) *sysvipc.SemaphoreSet {
	t.Helper()
	id, errno := sysv.Semget(int32(key), n, sysv.IPC_CREAT|sysv.IPC_EXCL|0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	return sysvipc.SemaphoresByID(id)
}

// A set without values is an error of its own, once a creator that lives would have set them; nothing changes by waiting
// for it, and Initialize repairs it.
func TestDeadCreator(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	dead := bareSet(t, key, 2)
	before := must(dead.Stat())(t)

	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	_, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, 3, 0)
	wantError(t, err, fmt.Sprintf("sysvipc: ensure semaphore set %d (key %v): context deadline exceeded", dead.ID(), key), context.DeadlineExceeded)

	start := time.Now()
	_, err = sysvipc.EnsureSemaphores(bg, key, 0o600, 3, 0)
	wantError(t, err, fmt.Sprintf("sysvipc: ensure semaphore set %d (key %v): semaphore set not initialised "+
		"(its creator has not set its values for 3s: was it killed half way? Remove it with \"sysvipc rm sem:%d\", or set them with Initialize or \"sysvipc set sem:%d --init …\")",
		dead.ID(), key, dead.ID(), dead.ID()), sysvipc.ErrUninitialized)
	if waited := time.Since(start); waited < 3*time.Second {
		t.Errorf("a creator has %v to set the values, want 3s", waited)
	}
	if after := must(dead.Stat())(t); after != before {
		t.Errorf("the set was %+v, and is %+v", before, after)
	}

	check(t, dead.Initialize(3, 0))
	set := must(sysvipc.EnsureSemaphores(bg, key, 0o600, 9, 9))(t)
	if values := must(set.Values())(t); set.ID() != dead.ID() || !slices.Equal(values, []int{3, 0}) {
		t.Errorf("set %d has values %d, want set %d with 3 and 0", set.ID(), values, dead.ID())
	}
	// Only once.
	wantError(t, dead.Initialize(3, 0), "", eexist...)
	if values := must(set.Values())(t); !slices.Equal(values, []int{3, 0}) {
		t.Errorf("a second Initialize changed the values to %d", values)
	}
}

// Programs in other languages set values by SETVAL or SETALL, which leaves the time of last operation as it is. Such a set
// is taken at once, also where a value that was set is 0; and so is a set of which only zeros are wanted.
func TestEnsureTakesSetsOfOthers(t *testing.T) {
	t.Parallel()
	setval := func(t *testing.T, set *sysvipc.SemaphoreSet, index, value int) {
		if errno := sysv.SemctlSetval(set.ID(), index, value); errno != 0 {
			t.Fatal(errno)
		}
	}
	for name, c := range map[string]struct {
		set  func(*testing.T, *sysvipc.SemaphoreSet)
		want []int // of EnsureSemaphores
		got  []int
	}{
		"SETVAL": {func(t *testing.T, set *sysvipc.SemaphoreSet) { setval(t, set, 0, 4); setval(t, set, 1, 0) }, []int{9, 9}, []int{4, 0}},
		"SETALL": {func(t *testing.T, set *sysvipc.SemaphoreSet) { check(t, set.SetValues(0, 0)) }, []int{9, 9}, []int{0, 0}},
		"of one": {func(t *testing.T, set *sysvipc.SemaphoreSet) { setval(t, set, 1, 7) }, []int{0, 9}, []int{0, 7}},
		"none":   {func(*testing.T, *sysvipc.SemaphoreSet) {}, []int{0, 0}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			bare := bareSet(t, key, 2)
			c.set(t, bare)
			before := must(bare.Stat())(t)
			ctx, cancel := context.WithTimeout(bg, time.Second) // far less than a creator that is slow has
			defer cancel()
			set := must(sysvipc.EnsureSemaphores(ctx, key, 0o600, c.want...))(t)
			if values := must(set.Values())(t); set.ID() != bare.ID() || !slices.Equal(values, c.got) {
				t.Errorf("found set %d with %d, want %d with %d", set.ID(), values, bare.ID(), c.got)
			}
			if after := must(set.Stat())(t); after != before {
				t.Errorf("the set was %+v, and is %+v", before, after)
			}
		})
	}
}

// A program that was killed between two SETVALs leaves a set that is half made. It is not taken, and can be repaired, once.
func TestHalfMade(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	half := bareSet(t, key, 3)
	if errno := sysv.SemctlSetval(half.ID(), 1, 5); errno != 0 {
		t.Fatal(errno)
	}
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	_, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, 1, 1, 1)
	wantError(t, err, "", context.DeadlineExceeded)
	check(t, half.Initialize(2, 3, 0))
	set := must(sysvipc.EnsureSemaphores(bg, key, 0o600, 1, 1, 1))(t)
	wantValues(t, set, 2, 3, 0)
	wantError(t, half.Initialize(4, 4, 4), "", eexist...)

	// What another program has made whole is not initialised again.
	whole := bareSet(t, newKey(t), 2)
	check(t, whole.SetValues(0, 6))
	wantError(t, whole.Initialize(4, 4), "", eexist...)
	wantValues(t, whole, 0, 6)
}

// A waiter for the values goes on when any program sets them, and when the set is removed.
func TestEnsureWaitsForValues(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *sysvipc.SemaphoreSet) (want []int){
		"initialised": func(t *testing.T, set *sysvipc.SemaphoreSet) []int {
			check(t, set.Initialize(4))
			return []int{4}
		},
		"values": func(t *testing.T, set *sysvipc.SemaphoreSet) []int {
			check(t, set.SetValues(5))
			return []int{5}
		},
		"removed": func(t *testing.T, set *sysvipc.SemaphoreSet) []int {
			check(t, set.Remove())
			return []int{9}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			bare := bareSet(t, key, 1)
			p := ipctest.Start(t, waitsForValues, nil, key.String())
			p.Expect("waiting")
			// It is in EnsureSemaphores now, or soon: either way it must come to the same.
			want := end(t, bare)
			p.Expect(fmt.Sprint(want))
			p.Finish()
		})
	}
}

var waitsForValues = ipctest.Register("waits for values", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	c.Say("waiting")
	set, err := sysvipc.EnsureSemaphores(bg, key, 0o600, 9)
	c.Check(err)
	values, err := set.Values()
	c.Check(err)
	c.Say("%d", values)
})

// Of many who repair a set, or take themselves for its creator, one succeeds.
func TestInitializeRace(t *testing.T) {
	t.Parallel()
	for range 20 {
		set := bareSet(t, newKey(t), 2)
		var wins, losses int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := set.Initialize(2, 3)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					wins++
					return
				}
				losses++
				wantError(t, err, "", eexist...)
			})
		}
		wg.Wait()
		if values := must(set.Values())(t); wins != 1 || !slices.Equal(values, []int{2, 3}) {
			t.Fatalf("%d of %d succeeded, and the values are %d", wins, wins+losses, values)
		}
	}
}
