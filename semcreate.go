package sysvipc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// creationLimit is how long a set may stay without values before its creator is
// taken for dead. A creator that lives needs some microseconds.
const creationLimit = 3 * time.Second

// CreateSemaphores makes a set with these values: semget(2) with IPC_EXCL. It fails
// with [fs.ErrExist] if the key is taken.
//
// The kernel cannot make a set and set its values in one call. So the values are set
// by the one operation that also sets the set's time of last operation, for which
// [EnsureSemaphores] waits: none of its callers ever sees a set without its values.
func CreateSemaphores(key Key, perm fs.FileMode, values ...int) (*SemaphoreSet, error) {
	return Creator{}.CreateSemaphores(key, perm, values...)
}

// EnsureSemaphores finds the set with this key, or makes it with these values.
// However many processes race, one set comes out, and its values are set once. A set
// that exists keeps its values, must have at least as many semaphores, and must let in
// nobody whom perm keeps out: see [Creator.Check].
//
// Where another process has made the set and not yet set its values, it waits for
// that: until ctx is done, or a few seconds have passed. Then the creator was killed
// half way, and the error is [ErrUninitialized]: see [SemaphoreSet.Initialize]. A value
// is set by an operation, or by SETVAL or SETALL as programs in other languages do it.
// Where 0 is asked for there is nothing to wait for: that is what semget(2) gives.
func EnsureSemaphores(ctx context.Context, key Key, perm fs.FileMode, values ...int) (*SemaphoreSet, error) {
	return Creator{}.EnsureSemaphores(ctx, key, perm, values...)
}

// CreateSemaphores is [CreateSemaphores] with c's options.
func (c Creator) CreateSemaphores(key Key, perm fs.FileMode, values ...int) (*SemaphoreSet, error) {
	const op = "create"
	o := object{kind: KindSemaphores, key: key}
	if err := o.checkPerm(op, perm); err != nil {
		return nil, err
	}
	if err := o.checkNew(op, values); err != nil {
		return nil, err
	}
	return c.semaphores(op, o, perm, values)
}

// semaphores makes a set with values that were checked.
func (c Creator) semaphores(op string, o object, perm fs.FileMode, values []int) (*SemaphoreSet, error) {
	// Its values can be set only by a process that may alter it.
	first := perm | 0o600
	id, errno, hint := c.withID(o, func(key Key) (int, syscall.Errno) {
		return sysv.Semget(int32(key), len(values), sysv.IPC_CREAT|sysv.IPC_EXCL|int(first))
	})
	if errno != 0 {
		if hint == "" {
			hint = setHint(o, errno, len(values))
		}
		return nil, o.fail(op, errno, hint)
	}
	o.handle = handleOf(id)
	s := &SemaphoreSet{object: o}
	err := s.initialize(op, make([]int, len(values)), values)
	if errors.Is(err, fs.ErrExist) && !slices.ContainsFunc(values, notZero) {
		err = nil // those that want zeros too may operate on it at once
	}
	if err == nil && first != perm {
		err = s.chmod(op, perm)
	}
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, fs.ErrExist), errors.Is(err, ErrRemoved):
		// This process was so slow that another took it for dead, and has repaired the
		// set, or removed it: it is not ours any more.
	default:
		remove(KindSemaphores, id)
	}
	return nil, err
}

// EnsureSemaphores is [EnsureSemaphores] with c's options, which take effect if it is made.
func (c Creator) EnsureSemaphores(ctx context.Context, key Key, perm fs.FileMode, values ...int) (*SemaphoreSet, error) {
	const op = "ensure"
	o := object{kind: KindSemaphores, key: key}
	if err := c.checkEnsure(o, perm); err != nil {
		return nil, err
	}
	if err := o.checkNew(op, values); err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		id, errno := sysv.Semget(int32(key), len(values), int(perm))
		if errno == syscall.ENOENT {
			s, err := c.semaphores(op, o, perm, values)
			if errors.Is(err, fs.ErrExist) || errors.Is(err, ErrRemoved) {
				continue // another process was first, or has taken this one for dead
			}
			return s, err
		}
		if errno != 0 {
			return nil, o.fail(op, errno, setHint(o, errno, len(values)))
		}
		s := &SemaphoreSet{object: object{KindSemaphores, key, handleOf(id)}}
		st, err := s.Stat()
		if err == nil {
			err = c.Check(st.Object, perm)
		}
		if err == nil {
			err = s.awaitValues(ctx, op, values)
		}
		if errors.Is(err, ErrRemoved) {
			continue // its creator has given up, or another process repairs it
		}
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, o.cancelled(op, ctx)
}

// checkNew refuses values that no new set can have.
func (o object) checkNew(op string, values []int) error {
	if len(values) == 0 {
		return o.refuse(op, syscall.EINVAL, "a set has at least one semaphore: give its value")
	}
	return o.checkValues(op, values)
}

// awaitValues waits until the creator of a set has set its values, where others than
// zeros are wanted.
func (s *SemaphoreSet) awaitValues(ctx context.Context, op string, wanted []int) error {
	ok, err := poll(ctx, creationLimit, func() (bool, error) { return s.hasValues(op, wanted) })
	switch {
	case ctx.Err() != nil && !ok:
		return s.cancelled(op, ctx)
	case err != nil:
		return err
	case !ok:
		return &Error{
			Op: op, Kind: s.kind, Key: s.key, ID: s.ID(), Err: ErrUninitialized,
			hint: fmt.Sprintf("its creator has not set its values for %v: was it killed half way? Remove it with \"sysvipc rm sem:%d\", or set them with Initialize or \"sysvipc set sem:%d --init …\"", creationLimit, s.ID(), s.ID()),
		}
	}
	return nil
}

// hasValues reports whether the values are set of those semaphores that are wanted to be
// other than 0. Operations set the set's time, SETVAL and SETALL each semaphore's last
// process; of a process that is not visible from this PID namespace only the value tells.
func (s *SemaphoreSet) hasValues(op string, wanted []int) (bool, error) {
	st, err := s.stat(op)
	if err != nil || !st.Operated.IsZero() || !slices.ContainsFunc(wanted, notZero) {
		return err == nil, err
	}
	values, err := s.values(op)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil // an operation will tell
	}
	if err != nil || len(values) < len(wanted) {
		return false, err
	}
	for i, want := range wanted {
		if want == 0 || values[i] != 0 {
			continue
		}
		if pid, err := s.At(i).get(op, sysv.GETPID); err != nil || pid == 0 {
			return false, err
		}
	}
	return true, nil
}

func notZero(v int) bool { return v != 0 }

// Initialize repairs a set whose creator was killed before it had set the values, for
// which [EnsureSemaphores] answers ErrUninitialized. It sets the values once: where
// the set has been operated on already, or all its values are set, it changes nothing
// and fails with [fs.ErrExist]. A creator that was only slow cannot set them a second
// time, as long as it is no program of another language and the set has at most half
// as many semaphores as one call may have operations.
func (s *SemaphoreSet) Initialize(values ...int) error {
	const op = "initialise"
	st, err := s.statFor(op, values)
	if err != nil {
		return err
	}
	if !st.Operated.IsZero() {
		return s.taken(op)
	}
	old, err := s.values(op)
	if err != nil {
		return err
	}
	if done, err := s.hasValues(op, slices.Repeat([]int{1}, len(values))); done || err != nil {
		return cmp.Or(err, s.taken(op))
	}
	return s.initialize(op, old, values)
}

// taken is the error for a set whose values are set.
func (s *SemaphoreSet) taken(op string) error {
	return s.fail(op, syscall.EEXIST, "it has been operated on, or its values were set, already")
}

// initialize sets the values by an operation, so that the set counts as operated on.
// The operation demands that all are still the old ones, so that of two processes that
// both take themselves for the creator only one succeeds.
func (s *SemaphoreSet) initialize(op string, old, values []int) error {
	st, err := s.stat(op)
	if err != nil {
		return err
	}
	if !st.Operated.IsZero() {
		return s.taken(op)
	}
	ok, tooMany := false, len(values) > valuesRoom // operations do not reach the last one
	if !tooMany {
		ok, err = s.tryDo(op, exchange(old, values))
		tooMany = errors.Is(err, syscall.E2BIG)
	}
	if tooMany {
		if err := s.setAll(op, values); err != nil {
			return err
		}
		_, err = s.tryDo(op, touch(values)) // where it cannot be made, others operate on the set already
		return err
	}
	if err == nil && !ok {
		return s.taken(op)
	}
	return err
}

// exchange are operations that demand the old values and make the new ones of them.
func exchange(old, values []int) []Op {
	ops := make([]Op, 0, 3*len(values))
	for i, v := range values {
		if old[i] > 0 {
			ops = append(ops, Add(i, -old[i]))
		}
		if ops = append(ops, WaitZero(i)); v > 0 {
			ops = append(ops, Add(i, v))
		}
	}
	return ops
}

// touch is an operation that changes no value.
func touch(values []int) []Op {
	if values[0] == 0 {
		return []Op{WaitZero(0)}
	}
	return []Op{Add(0, -1), Add(0, +1)}
}

// setHint finds out which of the limits that share an errno was met.
func setHint(o object, errno syscall.Errno, n int) string {
	lim, err := ReadLimits()
	if err != nil {
		return o.notMade(errno)
	}
	l := lim.Semaphores
	switch errno {
	case syscall.EINVAL:
		if old, err := OpenSemaphores(o.key); err == nil && o.key != Private {
			if st, err := old.Stat(); err == nil && st.Len < n {
				return fmt.Sprintf("set %d has this key and only %s, not %d: remove it, or ask for no more", old.ID(), semaphoresText(st.Len), n)
			}
		}
		return fmt.Sprintf("kernel.sem: a set has at most %d semaphores (SEMMSL), not %d", l.MaxPerSet, n)
	case syscall.ENOSPC:
		if l.InUse >= l.Max {
			return fmt.Sprintf("kernel.sem: %d of %d sets in use (SEMMNI); see \"sysvipc limits\"", l.InUse, l.Max)
		}
		return fmt.Sprintf("kernel.sem: %d of %d semaphores in use (SEMMNS), and %d more wanted; see \"sysvipc limits\"", l.InTotal, l.MaxTotal, n)
	case syscall.ENOMEM:
		return fmt.Sprintf("the kernel has no memory for %d semaphores", n)
	case syscall.EACCES:
		return o.notGranted()
	}
	return o.notMade(errno)
}
