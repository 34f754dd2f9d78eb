// Package run gives a command a named lock or one of several named slots of this
// machine, and becomes it.
//
// A lock is a semaphore set whose key is made from the name: [Key]. Semaphore 0 counts
// the free slots, and each further semaphore is one slot: 1 while it is free, 0 while it
// is taken. A process that takes a slot takes one of both with SEM_UNDO, so that the kernel
// gives both back in one step when the process ends, in whatever way. Undo survives
// execve(2), so the process that took the slot becomes the command: nobody supervises
// it, its pid, signals and exit code are its own, and the process that operated on a
// taken slot last (GETPID) is its holder.
package run

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// Forever is the Timeout of those who wait as long as it takes.
const Forever time.Duration = -1

// MaxSlots is what a semaphore can count. A set has room for fewer: 31,999, unless
// kernel.sem says otherwise.
const MaxSlots = 32767

// SlotVariable tells the command which slot it has, from 1 on.
const SlotVariable = "SYSVIPC_RUN_SLOT"

// Config says what to run, and under which lock.
type Config struct {
	Name    string
	Slots   int           // how many may run at once; 0: as many as the lock has, 1 if it is new
	Timeout time.Duration // how long to wait; 0: not at all
	Mode    fs.FileMode   // permissions of a new lock
	AnyMode bool          // a lock that exists may let in more than Mode does
	Owners  []int         // users to whom a lock that exists may belong, beside this one and root
	Busy    int           // the exit code when all slots are taken
	Command []string      // the command and its arguments
}

// Default is what the flags change. Its Busy is the exit code of all verbs for "would
// have to wait, or waited long enough".
func Default() Config {
	return Config{Timeout: Forever, Mode: 0o600, AnyMode: true, Busy: cli.ExitWouldBlock}
}

// Key returns the key of the lock with this name: what "sysvipc rm sem:name=run/NAME"
// finds.
func Key(name string) sysvipc.Key { return sysvipc.KeyOf("run/" + name) }

// Slot is a slot that this process has taken, for the command that it is to become. The
// slot is given back when the process ends.
type Slot struct {
	number int
	path   string
	args   []string
}

// Take takes a slot for the command. It fails with an [*cli.Error], or with ctx's error if
// that ends the wait.
//
// The command is looked up first, so that nobody waits an hour for a misspelt command.
func (c *Config) Take(ctx context.Context) (*Slot, error) {
	path, err := look(c.Command[0])
	if err != nil {
		return nil, err
	}
	l, err := open(ctx, c)
	if err != nil {
		return nil, err
	}
	n, err := l.take(ctx, c.Timeout)
	if err != nil {
		return nil, l.explain(ctx, c, err)
	}
	return &Slot{n, path, c.Command}, nil
}

// Become replaces this process by the command, which has the slot from then on. It
// returns only if that is not possible, with an [*cli.Error].
func (s *Slot) Become() error {
	if err := os.Setenv(SlotVariable, strconv.Itoa(s.number)); err != nil {
		return &cli.Error{Code: cli.ExitRunFailed, Err: err}
	}
	return become(s.path, s.args, os.Environ())
}

// errBusy: all slots are taken, and the time to wait is over.
var errBusy = errors.New("taken")

// Code returns the exit code for an error of Take or Become.
func Code(err error) int {
	var own *cli.Error
	if errors.As(err, &own) {
		return own.Code
	}
	return cli.ExitRunFailed
}
