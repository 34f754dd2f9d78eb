package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// interrupt is why a context ended: the user or the system wants us to stop.
type interrupt struct{ signal syscall.Signal }

func (i interrupt) Error() string { return "interrupted: " + i.signal.String() }

// interruptible returns a context that ends with the first SIGINT, SIGTERM or SIGHUP,
// so that a verb that waits leaves its object as it was. The second signal kills. A
// signal that was ignored when we were started (nohup, a job in the background) stays so.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		if s, ok := <-signals; ok {
			signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			cancel(interrupt{s.(syscall.Signal)})
		}
	}()
	release := sync.OnceFunc(func() {
		signal.Stop(signals)
		close(signals)
		<-seen
	})
	return context.WithValue(ctx, releaseKey{}, release), func() {
		release()
		cancel(nil)
	}
}

type releaseKey struct{}

// releaseSignals lets signals have their usual effect again, for a process that is about
// to become another program: that would never get one that was caught here. It returns
// why ctx ended, if a signal has come by now. (One that another thread begins to handle
// while execve(2) ends that thread is lost: Go cannot give a signal its default effect in
// the kernel.)
func releaseSignals(ctx context.Context) error {
	if release, ok := ctx.Value(releaseKey{}).(func()); ok {
		release()
	}
	return context.Cause(ctx)
}

// cause replaces the error of a wait that a signal ended by that signal. What else went
// wrong, and was put into words, is still told.
func cause(ctx context.Context, err error) error {
	var own *exitError
	stopped, ok := context.Cause(ctx).(interrupt)
	switch {
	case err == nil || !ok:
		return err
	case errors.As(err, &own) && own.err != nil && !errors.Is(err, context.Canceled):
		return err
	}
	return stopped
}
