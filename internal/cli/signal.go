package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Interrupt is why a context ended: the user or the system wants us to stop.
type Interrupt struct{ Signal syscall.Signal }

func (i Interrupt) Error() string { return "interrupted: " + i.Signal.String() }

// Interruptible returns a context that ends with the first SIGINT, SIGTERM or SIGHUP,
// so that a verb that waits leaves its object as it was. The second signal kills. A
// signal that was ignored when we were started (nohup, a job in the background) stays so.
func Interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range Attended(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) {
		signal.Notify(signals, s)
	}
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		if s, ok := <-signals; ok {
			signal.Stop(signals)
			cancel(Interrupt{s.(syscall.Signal)})
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

// ReleaseSignals lets signals have their usual effect again, for a process that is about
// to become another program: that would never get one that was caught here. It returns
// why ctx ended, if a signal has come by now. (One that another thread begins to handle
// while execve(2) ends that thread is lost: Go cannot give a signal its default effect in
// the kernel.)
func ReleaseSignals(ctx context.Context) error {
	if release, ok := ctx.Value(releaseKey{}).(func()); ok {
		release()
	}
	return context.Cause(ctx)
}

// Cause replaces the error of a wait that a signal ended by that signal. What else went
// wrong, and was put into words, is still told.
func Cause(ctx context.Context, err error) error {
	var own *Error
	stopped, ok := context.Cause(ctx).(Interrupt)
	switch {
	case err == nil || !ok:
		return err
	case errors.As(err, &own) && own.Err != nil && !errors.Is(err, context.Canceled):
		return err
	}
	return stopped
}

// Attended returns those of some signals that were not ignored when we were started, as they
// are by nohup and for jobs in the background: ignored ones stay so, for the command as well.
func Attended(all ...os.Signal) (heard []os.Signal) {
	for _, s := range all {
		if !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	return heard
}
