package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// tellKilled shows what SEM_UNDO is for.
func tellKilled(t *tour) {
	t.say(`A process that takes a semaphore the page's way and dies, keeps it taken for ever:`)
	ref, id := t.make("mk", "sem", "--init", "1")
	set := sysvipc.SemaphoresByID(id)
	t.run("sem", "take", ref)
	checkEqual(t, valueOf(set.At(0).Value())(t), 0, "its taker has ended, and it is still taken")

	t.say(`With undo, the kernel takes an operation back when its process ends, in whatever
		way. "sysvipc run" takes a named semaphore with undo and becomes the command behind
		it. Here is one that would hold it for an hour, and another that waits for it:`)
	name := fmt.Sprintf("demo-%d-%d", os.Getpid(), rand.IntN(1e6))
	key := run.Key(name)
	t.own(&keyedSet{key})
	holder := t.start("run", "--name", name, "--", "sleep", "3600")
	var slot sysvipc.Semaphore
	t.until("the lock is taken", holder, func() (bool, error) {
		set, err := sysvipc.OpenSemaphores(key)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		slot = set.At(1)
		pid, err := slot.LastPID()
		if err != nil || pid != holder.pid() {
			return false, err
		}
		value, err := slot.Value()
		return value == 0, err
	})
	code, who := t.fails("run", "--name", name, "--nowait", "--", "echo", "my turn")
	checkEqual(t, code, cli.ExitWouldBlock, "with --nowait the exit code is %d, and the error names the holder", cli.ExitWouldBlock)
	t.check(strings.Contains(who, fmt.Sprintf("process %d ", holder.pid())), "that is process %d", holder.pid())
	waiter := t.start("run", "--name", name, "--", "echo", "my turn")
	t.until("the second waits", waiter, func() (bool, error) {
		set, err := sysvipc.OpenSemaphores(key)
		if err != nil {
			return false, err
		}
		waiting, _, err := set.At(0).Waiters()
		return waiting == 1, err
	})
	t.check(!waiter.ended(), "the second is blocked: the kernel counts 1 process that waits")
	t.printf("  $ kill -9 %d\n", holder.pid())
	holder.kill()
	checkEqual(t, t.finish(waiter), "my turn", "the holder was killed, had no time to give, and the second goes on")
	checkEqual(t, valueOf(slot.Value())(t), 1, "the second has ended, too, and the lock is free")
}
