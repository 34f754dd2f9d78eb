package sysvipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"strings"
	"syscall"
)

// The questions that callers ask of an error, beside those that the standard
// library has words for: [fs.ErrNotExist], [fs.ErrExist], [fs.ErrPermission],
// [fs.ErrClosed], [context.Canceled], [context.DeadlineExceeded] and
// [errors.ErrUnsupported].
var (
	// ErrRemoved: the object is gone. The kernel says EIDRM to those who were
	// waiting and EINVAL to those who call later; both are ErrRemoved, and both
	// are also [fs.ErrNotExist].
	ErrRemoved = errors.New("object removed")
	// ErrWouldBlock: done at once, or not at all, was asked for, and it would
	// have had to wait (EAGAIN); or there is no such message (ENOMSG).
	ErrWouldBlock = errors.New("operation would block")
	// ErrTooBig: the message, the value, the list of operations or the range does
	// not fit. Nothing was changed; a message that is too big for the receiver's
	// buffer is still on the queue.
	ErrTooBig = errors.New("too big")
	// ErrUninitialized: a semaphore set exists, but its creator has not set its
	// values: it was killed half way, or is no program of this package.
	// See [SemaphoreSet.Initialize] for the repair.
	ErrUninitialized = errors.New("semaphore set not initialised")
	// ErrUnsafe: Ensure has found an object that lets in more users than the mode that was
	// asked for. See [Creator.Check].
	ErrUnsafe = errors.New("lets in others than the mode that was asked for")
)

// Kind tells the kernel's three kinds of objects apart.
type Kind uint8

// The kinds of objects.
const (
	KindSegment    Kind = iota + 1 // shared memory segment, shmget(2)
	KindSemaphores                 // semaphore set, semget(2)
	KindQueue                      // message queue, msgget(2)
)

// String returns "segment", "semaphore set" or "queue".
func (k Kind) String() string {
	switch k {
	case KindSegment:
		return "segment"
	case KindSemaphores:
		return "semaphore set"
	case KindQueue:
		return "queue"
	}
	return "System V IPC"
}

// Error is the error that this package returns: what was tried on which object,
// why it failed, and in brackets what to do. The errno stays reachable:
// errors.Is(err, syscall.ENOSPC) works, and so do the sentinels above and those of
// io/fs and context. The error of a wait that its context ended is both the context's
// error and its [context.Cause].
type Error struct {
	Op   string // what was tried, such as "create" or "receive from"
	Kind Kind   // on what kind of object
	Key  Key    // its key; Private if it has none or none is known
	ID   int    // its ID, or -1 if it has none yet
	Name string // what the caller calls it; this package knows none, and callers can set it
	Err  error  // why it failed: mostly a syscall.Errno

	is   error  // the sentinel that Err amounts to, or nil
	hint string // what to do
}

// Error returns the whole sentence.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sysvipc: %s %s: %s", e.Op, e.object(), e.why())
	if e.hint != "" {
		fmt.Fprintf(&b, " (%s)", e.hint)
	}
	return b.String()
}

// object names the object: "queue 7 (key 0x000004d2)", or "queue orders (ID 7)" by its name.
func (e *Error) object() string {
	if e.Name == "" {
		return describe(e.Kind, e.Key, e.ID)
	}
	text := fmt.Sprintf("%s %s", e.Kind, e.Name)
	switch {
	case e.ID >= 0:
		text += fmt.Sprintf(" (ID %d)", e.ID)
	case e.Key != Private && !strings.Contains(e.Name, e.Key.String()):
		text += fmt.Sprintf(" (key %s)", e.Key)
	}
	return text
}

// why says what Err means here. The texts of some errnos are about other calls: EFBIG
// is "file too large".
func (e *Error) why() string {
	if e.is == ErrRemoved {
		if e.Err == syscall.EINVAL {
			return "not there" // the kernel forgets what it had: it may never have been
		}
		return "removed"
	}
	switch e.Err {
	case syscall.EFBIG:
		return "no such semaphore"
	case syscall.ERANGE:
		return "value out of range"
	case syscall.E2BIG:
		return "too big"
	case enomsg:
		return "no such message"
	case syscall.EAGAIN:
		return "operation would block"
	case syscall.ENOENT:
		return "not found"
	case syscall.EEXIST:
		return "exists already"
	case fs.ErrClosed:
		return "closed already"
	case fs.ErrInvalid:
		return "not opened"
	}
	return e.Err.Error()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the failure amounts to one of this package's sentinels, or,
// for a removed object, to [fs.ErrNotExist].
func (e *Error) Is(target error) bool {
	if e.is == nil {
		return false
	}
	return target == e.is || e.is == ErrRemoved && target == fs.ErrNotExist
}

// fail wraps the kernel's answer to a call about o. Hint may be empty: then the
// general remedies for errno apply.
func (o object) fail(op string, errno syscall.Errno, hint string) error {
	if o.kind == 0 {
		return notOpened(op)
	}
	e := &Error{Op: op, Kind: o.kind, Key: o.key, ID: o.ID(), Err: errno, hint: hint}
	switch errno {
	case eidrm:
		e.is = ErrRemoved
	case syscall.EINVAL:
		// All arguments are checked before the call, so that what is left of EINVAL
		// without a hint is that no object has this ID.
		if hint == "" {
			e.is = ErrRemoved
			e.hint = fmt.Sprintf("no %s has this ID; see \"sysvipc ls\"", o.kind)
			if o.ID() == noID {
				e.hint = fmt.Sprintf("the ID of a %s is from 0 to %d", o.kind, math.MaxInt32)
			}
		}
	case syscall.EAGAIN, enomsg:
		e.is = ErrWouldBlock
	case syscall.E2BIG, syscall.EFBIG, syscall.ERANGE:
		e.is = ErrTooBig
	case syscall.ENOSYS:
		e.is = errors.ErrUnsupported
	}
	if e.hint == "" {
		e.hint = o.remedy(errno)
	}
	return e
}

// remedy is what to do about an errno, where nothing more is known.
func (o object) remedy(errno syscall.Errno) string {
	switch errno {
	case syscall.EACCES:
		return o.noAccess()
	case syscall.EPERM:
		return sandboxed
	case syscall.ENOMEM:
		return "the kernel has no memory for it"
	case syscall.ENFILE:
		return "the system-wide limit on open files is reached: see fs.file-max"
	case syscall.EOVERFLOW:
		return "a number of it does not fit into this 32-bit program"
	case syscall.ENOSYS:
		return unsupported()
	}
	return ""
}

// notOpened is the error of every call on a zero value.
func notOpened(op string) error {
	return &Error{Op: op, ID: noID, Err: fs.ErrInvalid, hint: "it is a zero value: get one from Create, Open, Ensure, ByID or Attach"}
}

// refuse returns an error for arguments that cannot be meant, before the kernel is
// asked: it would answer EINVAL, EFBIG or ERANGE without a word.
func (o object) refuse(op string, errno syscall.Errno, format string, args ...any) error {
	if o.kind == 0 {
		return notOpened(op)
	}
	e := &Error{Op: op, Kind: o.kind, Key: o.key, ID: o.ID(), Err: errno, hint: fmt.Sprintf(format, args...)}
	if errno != syscall.EINVAL {
		e.is = ErrTooBig
	}
	return e
}

// outside is the errno for a number that is not in its range: too big above it, and
// EINVAL below the least, which is no matter of size.
func outside(n, least int, tooBig syscall.Errno) syscall.Errno {
	if n < least {
		return syscall.EINVAL
	}
	return tooBig
}

// cancelled returns the error of a wait that its context ended: both what the context says
// and its cause, if that says more.
func (o object) cancelled(op string, ctx context.Context) error {
	if o.kind == 0 {
		return notOpened(op)
	}
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &Error{Op: op, Kind: o.kind, Key: o.key, ID: o.ID(), Err: err}
}

func unsupported() string {
	if runtime.GOOS == "linux" {
		return "this kernel is built without CONFIG_SYSVIPC, or a sandbox forbids the call"
	}
	return "this package talks to Linux kernels; on " + runtime.GOOS + " it only compiles"
}
