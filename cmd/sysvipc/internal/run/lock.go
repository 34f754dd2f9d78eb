package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// lock is a set that exists, with its values.
type lock struct {
	name  string
	set   *sysvipc.SemaphoreSet
	slots int // 0 until it was asked for
}

// open finds the lock, or makes it.
func open(ctx context.Context, c *Config) (*lock, error) {
	values := make([]int, 1+max(c.Slots, 1))
	for i := range values {
		values[i] = 1
	}
	values[0] = len(values) - 1
	set, err := sysvipc.Creator{Owners: c.Owners, AnyMode: c.AnyMode}.EnsureSemaphores(ctx, Key(c.Name), c.Mode, values...)
	if err != nil {
		return nil, openError(ctx, c, err)
	}
	l := &lock{name: c.Name, set: set}
	if c.Slots == 0 {
		return l, nil
	}
	if err := l.count(); err != nil {
		return nil, err
	}
	if l.slots != c.Slots {
		return nil, l.otherSlots(c.Slots)
	}
	return l, nil
}

// openError says what to do when the lock could be neither found nor made.
func openError(ctx context.Context, c *Config, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	what := fmt.Sprintf("run: lock %q", c.Name)
	switch {
	case errors.Is(err, sysvipc.ErrUninitialized):
		return cli.Fail(cli.ExitRunFailed, "%s is not initialised: its creator was killed before it had set the values. It is not held; remove it with \"sysvipc rm %s\" and run again", what, ref(c.Name))
	case errors.Is(err, sysvipc.ErrUnsafe):
		return cli.Fail(cli.ExitRunFailed, "%s belongs to %s, and lets in others than --mode %04o does, who could keep it for ever. Choose another name, have the lock removed (\"sysvipc rm %s\"), or take it as it is: with --owner USER if it may belong to USER, with --mode 0666 if it is for everyone", what, ownerOf(c.Name), uint32(c.Mode), ref(c.Name))
	case errors.Is(err, syscall.EACCES): // EPERM is a sandbox's
		return cli.Fail(cli.ExitRunFailed, "%s belongs to %s, and permission is denied. They can share it: \"sysvipc set %s --mode 0666\"", what, ownerOf(c.Name), ref(c.Name))
	case errors.Is(err, syscall.EINVAL):
		if set, e := sysvipc.OpenSemaphores(Key(c.Name)); e == nil {
			l := &lock{name: c.Name, set: set}
			if e := l.count(); e != nil {
				return e
			}
			return l.otherSlots(max(c.Slots, 1))
		}
	}
	return cli.Fail(cli.ExitRunFailed, "%s: %w", what, err)
}

// count asks the kernel how many slots there are.
func (l *lock) count() error {
	st, err := l.set.Stat()
	if err != nil {
		return cli.Fail(cli.ExitRunFailed, "run: lock %q: %w", l.name, err)
	}
	l.slots = st.Len - 1
	return nil
}

// otherSlots is the error for a lock that exists with another number of slots.
func (l *lock) otherSlots(want int) error {
	if l.slots < 1 {
		return cli.Fail(cli.ExitRunFailed, "run: semaphore set %d has the key of lock %q (%s) and only one semaphore: another program made it. Choose another name, or remove it with \"sysvipc rm sem:%d\"", l.set.ID(), l.name, Key(l.name), l.set.ID())
	}
	return cli.Fail(cli.ExitRunFailed, "run: lock %q exists with %s, not %d. Leave --slots away to use it as it is, or, when nobody runs under it, remove it with \"sysvipc rm %s\"", l.name, plural.Of(l.slots, "slot"), want, ref(l.name))
}

// ref is how a person names the lock's set to the other verbs, in a shell.
func ref(name string) string { return shellWord("sem:name=run/" + name) }

// take takes a slot and returns its number, which is the index of its semaphore. It
// waits as long as timeout says, and then fails with errBusy.
func (l *lock) take(ctx context.Context, timeout time.Duration) (int, error) {
	if ok, err := l.set.TryDo(takeSlot(1)...); ok || err != nil {
		return 1, err
	}
	if l.slots == 0 {
		if err := l.count(); err != nil {
			return 0, err
		}
	}
	if timeout == 0 {
		ok, err := l.set.TryDo(l.wanted()...)
		if err == nil && !ok {
			err = errBusy
		}
		if err != nil {
			return 0, err
		}
		return l.choose()
	}
	if l.mine() {
		return 0, cli.Fail(cli.ExitRunFailed, "run: this process holds lock %q already: it would wait for itself for ever", l.name)
	}
	if timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, timeout, errBusy)
		defer cancel()
		ctx = limited
	}
	if err := l.set.Do(ctx, l.wanted()...); err != nil {
		if ctx.Err() != nil && context.Cause(ctx) == errBusy {
			return 0, errBusy
		}
		return 0, err
	}
	return l.choose()
}

// takeSlot are the operations that take one certain slot, in one step.
func takeSlot(i int) []sysvipc.Op {
	return []sysvipc.Op{sysvipc.Add(0, -1).Undo(), sysvipc.Add(i, -1).Undo()}
}

// wanted are the operations to wait for. A lock with one slot is taken whole. Of several
// slots nobody knows which will be the first to be free: one is subtracted from the
// number of free slots, which promises that there is one for us.
func (l *lock) wanted() []sysvipc.Op {
	if l.slots == 1 {
		return takeSlot(1)
	}
	return takeSlot(1)[:1]
}

// choose takes a free slot, after wanted. A process that is killed between the two holds
// no slot, and the kernel gives back what it had subtracted: so a process that has subtracted
// one finds a free slot at any instant. Another may be quicker to take the one that was
// seen, and then there is yet another.
func (l *lock) choose() (int, error) {
	if l.slots == 1 {
		return 1, nil
	}
	for {
		values, err := l.set.Values()
		if err != nil {
			return 0, err
		}
		free := false
		for i := 1; i < len(values); i++ {
			if values[i] == 0 {
				continue
			}
			free = true
			if ok, err := l.set.At(i).Undo().TryAcquire(1); ok || err != nil {
				return i, err
			}
		}
		if !free {
			return 0, cli.Fail(cli.ExitRunFailed, "run: lock %q counts a free slot, and all %d are taken: semaphore set %d was changed by hand. Mend it with \"sysvipc set\", or remove it with \"sysvipc rm %s\"", l.name, l.slots, l.set.ID(), ref(l.name))
		}
	}
}

// mine reports whether this process, which became what it is by run, has all the slots.
func (l *lock) mine() bool {
	for i := 1; i <= l.slots; i++ {
		if pid, err := l.set.At(i).LastPID(); err != nil || pid != os.Getpid() {
			return false
		}
	}
	return true
}
