package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/shared"
)

const (
	demoSharers = 8
	demoEach    = 100_000 // increments of each
	demoKills   = 16
)

// demoTally is the variable that they share. A process that takes another one's place
// goes on where that one was killed.
type demoTally struct {
	N  int64 // in all
	By [demoSharers]int64
}

// demoShared shows what package shared is for.
func demoShared(t *tour) {
	t.say(fmt.Sprintf(`"You cannot effectively share a variable among several processes", the Perl
		manual says, and gives up. Package shared does it: a variable of any type without
		pointers, in a segment. Here %d processes add 1 to one variable, %d times each. In the
		same step each notes how far it has come:`, demoSharers, demoEach))
	t.code(`tally, err := shared.VarOf[Tally](region, "tally")
		err = tally.Update(ctx, func(v *Tally) { v.N++; v.By[me]++ })`)
	name := fmt.Sprintf("demo-%d-%d", os.Getpid(), rand.IntN(1e6))
	region, err := shared.Ensure(t.ctx, name, &shared.Options{Size: 1 << 20, Entries: 16, Participants: 2 * demoSharers})
	if err != nil {
		t.must(t.ctx.Err())
		t.say(fmt.Sprintf("This chapter is left out: %v.", plainError{err}))
		return
	}
	t.own(region)
	defer region.Close()
	tally := valueOf(shared.VarOf[demoTally](region, "tally"))(t)

	t.say(fmt.Sprintf(`Meanwhile one of them after the other is killed with kill -9, at whatever it is
		doing, %d times in all, and another process takes its place:`, demoKills))
	sharers := make([]*child, demoSharers)
	begin := func(me int) {
		sharers[me] = t.begin(t.command([]string{"demo", "sharer", name, strconv.Itoa(me)}))
	}
	for me := range sharers {
		begin(me)
	}
	kills := 0
	for kills < demoKills {
		// Evenly over the work, however quick the machine is.
		var now demoTally
		next := int64(kills+1) * demoSharers * demoEach / (demoKills + 1)
		t.until("they count", nil, func() (_ bool, err error) {
			now, err = tally.Load()
			return now.N >= next || demoStuck(sharers, now) != nil, err
		})
		if c := demoStuck(sharers, now); c != nil {
			t.stop(fmt.Errorf("demo: process %d has ended: %s", c.pid(), c.outcome()))
		}
		me := rand.IntN(demoSharers)
		for now.By[me] == demoEach {
			me = (me + 1) % demoSharers
		}
		sharers[me].kill()
		kills++
		begin(me)
	}
	for _, c := range sharers {
		t.await(c)
		if !c.cmd.ProcessState.Success() {
			t.stop(fmt.Errorf("demo: process %d: %s", c.pid(), c.outcome()))
		}
	}
	t.run("region", "get", name, "tally")
	final := valueOf(tally.Load())(t)
	checkEqual(t, final.N, demoSharers*demoEach, "%d processes were killed, and the sum is exact", kills)
	exact := true
	for _, n := range final.By {
		exact = exact && n == demoEach
	}
	t.check(exact, "each has counted to %d: none lost, and none twice", demoEach)
}

// demoStuck returns one that has ended before it was done.
func demoStuck(sharers []*child, now demoTally) *child {
	for me, c := range sharers {
		if c.ended() && now.By[me] < demoEach {
			return c
		}
	}
	return nil
}

// newDemoSharerCommand is what each of the processes runs.
func newDemoSharerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "sharer REGION INDEX",
		Short:  "Add to a shared variable together with others: a part of the tour",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			me, err := strconv.Atoi(args[1])
			if err != nil || me < 0 || me >= demoSharers {
				return usage("%q is no number of a process", args[1])
			}
			region, err := shared.Open(ctx, args[0])
			if err != nil {
				return err
			}
			defer region.Close()
			tally, err := shared.VarOf[demoTally](region, "tally")
			if err != nil {
				return err
			}
			for done := int64(0); done < demoEach && err == nil; {
				err = tally.Update(ctx, func(v *demoTally) {
					if done = v.By[me]; done < demoEach {
						v.N++
						v.By[me]++
					}
				})
			}
			return err
		},
	}
}
