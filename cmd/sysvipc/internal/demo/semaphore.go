package demo

import (
	"github.com/sysvipc/sysvipc"
)

// tellSemaphore are the page's two semaphore programs: "take" waits for zero and adds
// one, in one step; "give" subtracts one.
func tellSemaphore(t *tour) {
	t.say(`The page's program "take" waits until a semaphore is zero and adds one, both in
		one step. "give" subtracts one. So one process at a time has taken it.`)
	ref, id := t.make("mk", "sem", "--init", "0")
	set := sysvipc.SemaphoresByID(id)
	sem := set.At(0)

	t.run("sem", "op", ref, "0=0", "0+1")
	checkEqual(t, valueOf(sem.Value())(t), 1, "the first take succeeds at once, and the value is 1")

	second := t.start("sem", "op", ref, "0=0", "0+1")
	t.until("the second take waits", second, func() (bool, error) {
		_, zero, err := sem.Waiters()
		return zero == 1, err
	})
	t.check(!second.ended(), "the second take is blocked: the kernel counts 1 process that waits for zero")

	t.run("sem", "op", ref, "0-1")
	t.finish(second)
	t.check(true, "a third process gives, and the second goes on")
	checkEqual(t, valueOf(sem.Value())(t), 1, "the value is 1 again: it was taken, given and taken")
	checkEqual(t, valueOf(sem.LastPID())(t), second.pid(), "and the last to operate was process %d, the second", second.pid())
}
