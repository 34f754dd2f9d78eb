package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

// demoCreators is how many processes race.
const demoCreators = 8

// demoRace shows that a set has its values before anybody can use it.
func demoRace(t *tour) {
	t.say(fmt.Sprintf(`The kernel makes a semaphore set and sets its values in two calls, and
		who comes between them uses a set without values. The page leaves that to luck. Here
		%d processes wait at a gate, and then all of them do this at once:`, demoCreators))
	t.code(`set, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, %d, 100)
		err = set.At(0).Acquire(ctx, 1)`, demoCreators)
	gate := valueOf(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1))(t)
	t.own(gate)
	key := t.freeKey()
	t.own(&keyedSet{key})
	var creators []*child
	for range demoCreators {
		args := []string{"demo", "creator", strconv.Itoa(gate.ID()), key.String()}
		creators = append(creators, t.begin(t.command(args)))
	}
	for _, c := range creators {
		t.until("all stand at the gate", c, func() (bool, error) {
			_, zero, err := gate.At(0).Waiters()
			return zero == demoCreators, err
		})
	}
	t.check(true, "%d processes stand at the gate: the kernel counts them", demoCreators)
	t.must(gate.At(0).SetValue(0))
	ids := map[string]int{}
	for _, c := range creators {
		t.await(c)
		if !c.cmd.ProcessState.Success() {
			t.stop(fmt.Errorf("demo: creator %d: %s", c.pid(), c.outcome()))
		}
		ids[strings.TrimSpace(c.stdout.String())]++
	}
	checkEqual(t, len(ids), 1, "one set came out: all %d have the same ID", demoCreators)
	set := valueOf(sysvipc.OpenSemaphores(key))(t)
	values := valueOf(set.Values())(t)
	t.check(slices.Equal(values, []int{0, 100}), "its values were set once: from %d, 100 each took one, and it has %d, %d", demoCreators, values[0], values[1])
}

// newDemoCreatorCommand is what each creator runs.
func newDemoCreatorCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "creator GATE KEY",
		Short:  "Make a set together with others: a part of the tour",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			gate, err := strconv.Atoi(args[0])
			if err != nil {
				return usage("%q is no ID", args[0])
			}
			key, err := sysvipc.ParseKey(args[1])
			if err != nil {
				return usage("%w", err)
			}
			ctx := cmd.Context()
			if err := sysvipc.SemaphoresByID(gate).At(0).WaitZero(ctx); err != nil {
				return err
			}
			set, err := sysvipc.EnsureSemaphores(ctx, key, 0o600, demoCreators, 100)
			if err != nil {
				return err
			}
			if err := set.At(0).Acquire(ctx, 1); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), set.ID())
			return err
		},
	}
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
