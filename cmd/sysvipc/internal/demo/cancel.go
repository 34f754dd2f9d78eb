package demo

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// tellCancel shows that a wait can end without its object: from outside, by a time, and
// by a context.
func tellCancel(t *tour) {
	t.say(`In Perl and C, a process that waits for a semaphore waits until it gets it. Here
		a wait can be called off, and leaves the semaphore as it was.`)
	ref, id := t.make("mk", "sem", "--init", "0")
	set := sysvipc.SemaphoresByID(id)
	sem := set.At(0)
	waiters := func(n int) func() (bool, error) {
		return func() (bool, error) {
			taking, _, err := sem.Waiters()
			return taking == n, err
		}
	}
	unchanged := func() bool {
		taking, zero, err := sem.Waiters()
		t.must(err)
		return valueOf(sem.Value())(t) == 0 && taking == 0 && zero == 0
	}

	restore := heedInterrupts()
	c := t.start("sem", "take", ref)
	restore()
	t.until("the take waits", c, waiters(1))
	t.check(!c.ended(), "a take is blocked: the kernel counts 1 process that waits")
	t.printf("  $ kill -INT %d     (as Ctrl-C does)\n", c.pid())
	t.must(interruptProcess(c.cmd.Process))
	t.await(c)
	checkEqual(t, shellStatus(c.cmd.ProcessState), 130, "it has ended with exit code 130")
	t.check(unchanged(), "the value is 0 as before, and nobody waits")

	code, _ := t.fails("sem", "take", ref, "--timeout", "20ms")
	checkEqual(t, code, cli.ExitWouldBlock, "a take with a time limit ends with exit code %d", cli.ExitWouldBlock)
	t.check(unchanged(), "the value is 0 as before, and nobody waits")

	t.say(`In a Go program, a context does it:`)
	t.code("err := set.At(0).Acquire(ctx, 1)")
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- sem.Acquire(ctx, 1) }()
	t.until("the goroutine waits", nil, waiters(1))
	cancel()
	err := <-result
	t.check(errors.Is(err, context.Canceled), "the call waited in the kernel, was called off, and says: %v", err)
	t.check(unchanged(), "the value is 0 as before, and nobody waits")
	t.run("sem", "give", ref)
	checkEqual(t, valueOf(sem.Value())(t), 1, "one is given, and none of the three took it")
}

// heedInterrupts lets processes that are started from now on be interrupted, although the
// tour itself may be a job in the background of a script, for which the shell has SIGINT
// ignored.
func heedInterrupts() (restore func()) {
	if !signal.Ignored(os.Interrupt) {
		return func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt) // a signal that is handled here has its default in a new program
	return func() { signal.Ignore(os.Interrupt) }
}
