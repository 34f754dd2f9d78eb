package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// attended returns those of some signals that were not ignored when we were started, as they
// are by nohup and for jobs in the background: ignored ones stay so, for the command as well.
func attended(all ...os.Signal) (heard []os.Signal) {
	for _, s := range all {
		if !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	return heard
}

// heed has the signals that are for the command come on a channel.
func heed() (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 8)
	for _, s := range attended(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT) {
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
		return &exitError{exitSignal + int(s), nil}
	}
	return err
}
