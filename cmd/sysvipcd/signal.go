package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// heed has the signals that are for the command come on a channel.
func heed() (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 8)
	for _, s := range cli.Attended(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT) {
		signal.Notify(signals, s)
	}
	return signals, func() { signal.Stop(signals) }
}

// untilSignal returns a context that ends with the first signal, and what ends the waiting for
// one: it returns the signal that came, or nil.
func untilSignal(parent context.Context, signals <-chan os.Signal) (ctx context.Context, told func() os.Signal) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	enough := make(chan struct{})
	var came os.Signal
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case came = <-signals:
			cancel()
		case <-enough:
		}
	})
	return ctx, sync.OnceValue(func() os.Signal {
		close(enough)
		wg.Wait()
		return came
	})
}

// orSignal is the exit code for a signal that ended the work, or else the error.
func orSignal(s os.Signal, err error) error {
	if s, ok := s.(syscall.Signal); ok {
		return &cli.Error{Code: cli.ExitSignal + int(s), Err: nil}
	}
	return err
}
