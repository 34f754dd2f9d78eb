package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/sysvipc/sysvipc/shared"
)

const (
	sharerCount = 8
	sharerAdds  = 100_000 // increments of each
	killCount   = 16
)

// counts is the variable that they share. A process that takes another one's place
// goes on where that one was killed.
type counts struct {
	N  int64 // in all
	By [sharerCount]int64
}

// tellShared shows what package shared is for.
func tellShared(t *tour) {
	t.say(fmt.Sprintf(`"You cannot effectively share a variable among several processes", the Perl
		manual says, and gives up. Package shared does it: a variable of any type without
		pointers, in a segment. Here %d processes add 1 to one variable, %d times each. In the
		same step each notes how far it has come:`, sharerCount, sharerAdds))
	t.code(`tally, err := shared.VarOf[Tally](region, "tally")
		err = tally.Update(ctx, func(v *Tally) { v.N++; v.By[me]++ })`)
	name := fmt.Sprintf("demo-%d-%d", os.Getpid(), rand.IntN(1e6))
	region, err := shared.Ensure(t.ctx, name, &shared.Options{Size: 1 << 20, Entries: 16, Participants: 2 * sharerCount})
	if err != nil {
		t.must(t.ctx.Err())
		t.say(fmt.Sprintf("This chapter is left out: %v.", err))
		return
	}
	t.own(region)
	defer region.Close()
	tally := valueOf(shared.VarOf[counts](region, "tally"))(t)

	t.say(`Meanwhile one of them after the other is killed with kill -9, at whatever it is
		doing, and another process takes its place:`)
	sharers := make([]*child, sharerCount)
	begin := func(me int) {
		sharers[me] = t.begin(t.command([]string{"demo", "sharer", name, strconv.Itoa(me)}))
	}
	for me := range sharers {
		begin(me)
	}
	kills := 0
	for kills < killCount {
		// Evenly over the work, however quick the machine is.
		var now counts
		next := int64(kills+1) * sharerCount * sharerAdds / (killCount + 1)
		t.until("they count", nil, func() (_ bool, err error) {
			now, err = tally.Load()
			return now.N >= next || stuckSharer(sharers, now) != nil, err
		})
		if c := stuckSharer(sharers, now); c != nil {
			t.stop(fmt.Errorf("demo: process %d has ended: %s", c.pid(), c.outcome()))
		}
		if now.N == sharerCount*sharerAdds { // all are done: this process had to wait for a processor
			break
		}
		me := rand.IntN(sharerCount)
		for now.By[me] == sharerAdds {
			me = (me + 1) % sharerCount
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
	checkEqual(t, final.N, sharerCount*sharerAdds, "%d processes were killed, and the sum is exact", kills)
	exact := true
	for _, n := range final.By {
		exact = exact && n == sharerAdds
	}
	t.check(exact, "each has counted to %d: none lost, and none twice", sharerAdds)
}

// stuckSharer returns one that has ended before it was done.
func stuckSharer(sharers []*child, now counts) *child {
	for me, c := range sharers {
		if c.ended() && now.By[me] < sharerAdds {
			return c
		}
	}
	return nil
}

// Sharer is what each of the processes runs. The arguments are the region's name and the process's index.
func Sharer(ctx context.Context, args []string) error {
	me, err := strconv.Atoi(args[1])
	if err != nil || me < 0 || me >= sharerCount {
		return fmt.Errorf("demo: %q is no number of a process", args[1])
	}
	region, err := shared.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer region.Close()
	tally, err := shared.VarOf[counts](region, "tally")
	if err != nil {
		return err
	}
	for done := int64(0); done < sharerAdds && err == nil; {
		err = tally.Update(ctx, func(v *counts) {
			if done = v.By[me]; done < sharerAdds {
				v.N++
				v.By[me]++
			}
		})
	}
	return err
}
