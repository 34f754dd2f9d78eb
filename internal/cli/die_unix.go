//go:build unix

package cli

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// DieBySignal ends the process by the signal that ended its work, so that a shell knows
// that its loop or script shall end, too. It returns if err is something else, or if the
// signal does nothing (process 1 of a container).
func DieBySignal(err error) {
	var stopped Interrupt
	switch {
	case errors.As(err, &stopped):
	case errors.Is(err, syscall.EPIPE):
		stopped.Signal = syscall.SIGPIPE
	default:
		return
	}
	if signal.Ignored(stopped.Signal) {
		return
	}
	signal.Reset(stopped.Signal)
	if syscall.Kill(os.Getpid(), stopped.Signal) == nil {
		time.Sleep(100 * time.Millisecond) // the signal may come to another thread
	}
}
