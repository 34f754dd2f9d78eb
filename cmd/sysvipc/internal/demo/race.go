package demo

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
)

// creatorCount is how many processes race.
const creatorCount = 8

// tellRace shows that a set has its values before anybody can use it.
func tellRace(t *tour) {
	t.say(fmt.Sprintf(`The kernel makes a semaphore set and sets its values in two calls, and
		who comes between them uses a set without values. The page leaves that to luck. Here
		%d processes wait at a gate, and then all of them do this at once:`, creatorCount))
	t.code(`set, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, %d, 100)
		err = set.At(0).Acquire(ctx, 1)`, creatorCount)
	gate := valueOf(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1))(t)
	t.own(gate)
	key := t.freeKey()
	t.own(&keyedSet{key})
	var creators []*child
	for range creatorCount {
		args := []string{"demo", "creator", strconv.Itoa(gate.ID()), key.String()}
		creators = append(creators, t.begin(t.command(args)))
	}
	for _, c := range creators {
		t.until("all stand at the gate", c, func() (bool, error) {
			_, zero, err := gate.At(0).Waiters()
			return zero == creatorCount, err
		})
	}
	t.check(true, "%d processes stand at the gate: the kernel counts them", creatorCount)
	t.must(gate.At(0).SetValue(0))
	ids := map[string]int{}
	for _, c := range creators {
		t.await(c)
		if !c.cmd.ProcessState.Success() {
			t.stop(fmt.Errorf("demo: creator %d: %s", c.pid(), c.outcome()))
		}
		ids[strings.TrimSpace(c.stdout.String())]++
	}
	checkEqual(t, len(ids), 1, "one set came out: all %d have the same ID", creatorCount)
	set := valueOf(sysvipc.OpenSemaphores(key))(t)
	values := valueOf(set.Values())(t)
	t.check(slices.Equal(values, []int{0, 100}), "its values were set once: from %d, 100 each took one, and it has %d, %d", creatorCount, values[0], values[1])
}

// Creator is what each of the processes runs: it waits at the gate, whose ID is the first argument, makes the set with the
// key that is the second, takes one of its first semaphore, and prints the set's ID.
func Creator(ctx context.Context, args []string, stdout io.Writer) error {
	gate, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("demo: %q is no ID", args[0])
	}
	key, err := sysvipc.ParseKey(args[1])
	if err != nil {
		return err
	}
	if err := sysvipc.SemaphoresByID(gate).At(0).WaitZero(ctx); err != nil {
		return err
	}
	set, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, creatorCount, 100)
	if err != nil {
		return err
	}
	if err := set.At(0).Acquire(ctx, 1); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, set.ID())
	return err
}

// freeKey returns a key that no set has.
func (t *tour) freeKey() sysvipc.Key {
	for {
		key := sysvipc.KeyOf(fmt.Sprintf("demo %d %d", os.Getpid(), rand.Uint64()))
		if _, err := sysvipc.OpenSemaphores(key); err != nil {
			return key
		}
	}
}
