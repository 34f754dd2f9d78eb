//go:build unix

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// dieBySignal ends the process by the signal that ended its work, so that a shell knows
// that its loop or script shall end, too. It returns if err is something else, or if the
// signal does nothing (process 1 of a container).
func dieBySignal(err error) {
	var stopped interrupt
	switch {
	case errors.As(err, &stopped):
	case errors.Is(err, syscall.EPIPE):
		stopped.signal = syscall.SIGPIPE
	default:
		return
	}
	if signal.Ignored(stopped.signal) {
		return
	}
	signal.Reset(stopped.signal)
	if syscall.Kill(os.Getpid(), stopped.signal) == nil {
		time.Sleep(100 * time.Millisecond) // the signal may come to another thread
	}
}
