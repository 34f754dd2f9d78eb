package sysvipc

import (
	"context"
	"fmt"
	"math"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Semaphore is one semaphore of a set: what most programs want. Get it with
// [SemaphoreSet.At]. It is a small value; copy it freely. Safe for concurrent use.
type Semaphore struct {
	set   *SemaphoreSet
	index int
	undo  bool
}

// of returns the set, which a zero value has not.
func (m Semaphore) of() *SemaphoreSet {
	if m.set == nil {
		return &noSet
	}
	return m.set
}

// noSet is a set that was not opened.
var noSet SemaphoreSet

// At returns the semaphore with this index, which is checked when it is used.
func (s *SemaphoreSet) At(index int) Semaphore { return Semaphore{set: s, index: index} }

// Undo returns the same semaphore, whose Acquire and Release the kernel takes back
// when this process ends: see [Op.Undo]. Use it for both, or for neither.
func (m Semaphore) Undo() Semaphore {
	m.undo = true
	return m
}

// Acquire takes n, and waits until there are n: all at once, never some of them. See
// [SemaphoreSet.Do] for what ends the wait.
func (m Semaphore) Acquire(ctx context.Context, n int) error {
	if err := m.check("acquire", n); err != nil {
		return err
	}
	ops := [1]Op{{m.index, -n, m.undo}}
	return m.of().do(ctx, "acquire", ops[:])
}

// TryAcquire takes n if there are n now, and reports whether it did.
func (m Semaphore) TryAcquire(n int) (bool, error) {
	if err := m.check("acquire", n); err != nil {
		return false, err
	}
	ops := [1]Op{{m.index, -n, m.undo}}
	return m.of().tryDo("acquire", ops[:])
}

// Release gives n back, or n new ones: the kernel does not ask who took them. It
// never waits. Beyond 32,767 it fails with ErrTooBig.
func (m Semaphore) Release(n int) error {
	if err := m.check("release", n); err != nil {
		return err
	}
	ops := [1]Op{{m.index, n, m.undo}}
	_, err := m.of().tryDo("release", ops[:])
	return err
}

// WaitZero waits until the value is 0, and changes nothing.
func (m Semaphore) WaitZero(ctx context.Context) error {
	ops := [1]Op{{index: m.index}}
	return m.of().do(ctx, "wait for zero on", ops[:])
}

func (m Semaphore) check(op string, n int) error {
	if n < 1 || n > math.MaxInt16 {
		return m.of().refuse(op, outside(n, 1, syscall.ERANGE), "%d: from 1 to 32767 can be taken or given", n)
	}
	return nil
}

// Value returns the value now (GETVAL).
func (m Semaphore) Value() (int, error) { return m.get("read the value of", sysv.GETVAL) }

// SetValue sets the value (SETVAL), wakes the waiters that can go on, and makes every process
// forget what it would undo. Programs that only take and give never need it.
func (m Semaphore) SetValue(value int) error {
	const op = "set the value of"
	if value < 0 || value > maxValue {
		return m.of().refuse(op, outside(value, 0, syscall.ERANGE), "value %d: a value has from 0 to %d", value, maxValue)
	}
	if err := m.checkIndex(op); err != nil {
		return err
	}
	if errno := sysv.SemctlSetval(m.of().ID(), m.index, value); errno != 0 {
		return m.fail(op, errno)
	}
	return nil
}

// Waiters returns how many wait to acquire (GETNCNT) and how many wait for zero
// (GETZCNT), of all processes. They are the threads that wait in the kernel: goroutines of
// one process that wait for the same operation count as five at most, and those that are tried
// now and then, since their process waits for very many operations, not at all.
func (m Semaphore) Waiters() (acquire, zero int, err error) {
	if acquire, err = m.get("count the waiters of", sysv.GETNCNT); err != nil {
		return 0, 0, err
	}
	zero, err = m.get("count the waiters of", sysv.GETZCNT)
	return acquire, zero, err
}

// LastPID returns the process that operated on the semaphore last (GETPID): by Do, by
// setting its value, or by an undo at its end. It is 0 if nobody did, or if the
// process is not visible from this PID namespace.
func (m Semaphore) LastPID() (int, error) { return m.get("read the last user of", sysv.GETPID) }

func (m Semaphore) get(op string, cmd int) (int, error) {
	if err := m.checkIndex(op); err != nil {
		return 0, err
	}
	v, errno := sysv.SemctlGet(m.of().ID(), m.index, cmd)
	if errno != 0 {
		return 0, m.fail(op, errno)
	}
	return v, nil
}

// checkIndex refuses what no set has. The kernel would look at the lower 32 bits only.
func (m Semaphore) checkIndex(op string) error {
	if m.index < 0 || m.index > math.MaxInt32 {
		return m.wrongIndex(op)
	}
	return nil
}

// fail tells an index that is not there from a set that is gone: both are EINVAL.
func (m Semaphore) fail(op string, errno syscall.Errno) error {
	if errno == syscall.EINVAL {
		if st, err := m.of().Stat(); err == nil && m.index >= st.Len {
			return m.wrongIndex(op)
		}
	}
	return m.of().fail(op, errno, "")
}

func (m Semaphore) wrongIndex(op string) error {
	return m.of().refuse(op, outside(m.index, 0, syscall.EFBIG), "semaphore %d: %s", m.index, m.of().indexes())
}

// String returns a description such as "semaphore 0 of set 7".
func (m Semaphore) String() string {
	return fmt.Sprintf("semaphore %d of set %d", m.index, m.of().ID())
}
